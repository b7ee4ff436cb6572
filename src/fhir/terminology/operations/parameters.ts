/**
 * What an operation was called with, whether by Parameters in the body or by the query; and Parameters as the answer.
 *
 * Spec: https://hl7.org/fhir/R4/operations.html#request, https://hl7.org/fhir/R4/parameters.html
 */
import { fhirError } from '../../../base/outcome.js';
import type { Coding, Resource } from '../../../base/resource.js';
import type { Query } from '../../request.js';

interface Parameter {
  readonly name?: unknown;
  readonly resource?: unknown;
  readonly [value: string]: unknown;
}

export interface CodeableConcept {
  readonly coding?: readonly Coding[];
  readonly text?: string;
}

/** Parameters by name. A value of the wrong type is refused where it is asked for (400 `invalid`). */
export class Input {
  private constructor(
    private readonly parameters: readonly Parameter[],
    private readonly query: Query,
  ) {}

  /**
   * @param body a Parameters resource, or any other resource, which then counts as the parameter `bodyName`.
   * @throws FhirError 400 when the body is neither, or Parameters of an odd shape.
   */
  static of(query: Query, body?: unknown, bodyName?: string): Input {
    if (body === undefined) return new Input([], query);
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw fhirError(400, 'structure', 'The body is no resource; expected Parameters.');
    }
    const { resourceType, parameter } = body as { resourceType?: unknown; parameter?: unknown };
    if (resourceType !== 'Parameters') {
      if (bodyName === undefined) {
        throw fhirError(
          400,
          'structure',
          `The body is of type ${JSON.stringify(resourceType)?.slice(0, 80)}; expected Parameters.`,
        );
      }
      return new Input([{ name: bodyName, resource: body }], query);
    }
    if (parameter === undefined) return new Input([], query);
    if (!Array.isArray(parameter) || !parameter.every(isObject)) {
      throw fhirError(400, 'structure', 'Parameters.parameter is no list of objects.', 'Parameters.parameter');
    }
    return new Input(parameter as Parameter[], query);
  }

  /** A uri, canonical, code, string, id: any value that is a text. */
  text(name: string): string | undefined {
    return this.texts(name)[0];
  }

  texts(name: string): string[] {
    const found = this.valuesOf(name).map((value) => {
      if (typeof value === 'string') return value;
      throw wrongType(name, 'a text');
    });
    return [...found, ...this.query.filter(([key]) => key === name).map(([, value]) => value)];
  }

  boolean(name: string): boolean | undefined {
    const [value] = this.valuesOf(name);
    if (typeof value === 'boolean') return value;
    const text = value ?? this.query.find(([key]) => key === name)?.[1];
    if (text === undefined) return undefined;
    if (text !== 'true' && text !== 'false') throw wrongType(name, 'true or false');
    return text === 'true';
  }

  /** A whole number, 0 or more. */
  count(name: string): number | undefined {
    const [value] = this.valuesOf(name);
    const given = value ?? this.query.find(([key]) => key === name)?.[1];
    if (given === undefined) return undefined;
    const number = typeof given === 'string' && /^\d{1,9}$/.test(given) ? Number(given) : given;
    if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) {
      throw wrongType(name, 'a whole number, 0 or more');
    }
    return number;
  }

  coding(name: string): Coding | undefined {
    return this.object(name, 'a Coding') as Coding | undefined;
  }

  codeableConcept(name: string): CodeableConcept | undefined {
    const concept = this.object(name, 'a CodeableConcept') as CodeableConcept | undefined;
    if (concept?.coding !== undefined && !(Array.isArray(concept.coding) && concept.coding.every(isObject))) {
      throw wrongType(name, 'a CodeableConcept');
    }
    return concept;
  }

  resource(name: string): Resource | undefined {
    const found = this.parameters.find((parameter) => parameter.name === name);
    if (found === undefined) return undefined;
    if (!isObject(found.resource) || typeof found.resource.resourceType !== 'string')
      throw wrongType(name, 'a resource');
    return found.resource as Resource;
  }

  /** The parts of each parameter of that name, as input of their own. */
  parts(name: string): Input[] {
    return this.parameters
      .filter((parameter) => parameter.name === name)
      .map(({ part }) => {
        if (!Array.isArray(part) || !part.every(isObject)) throw wrongType(name, 'a parameter with parts');
        return new Input(part as Parameter[], []);
      });
  }

  private object(name: string, expected: string): object | undefined {
    const [value] = this.valuesOf(name);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw wrongType(name, expected);
    return value;
  }

  private valuesOf(name: string): unknown[] {
    return this.parameters
      .filter((parameter) => parameter.name === name)
      .map((parameter) => Object.entries(parameter).find(([key]) => key.startsWith('value'))?.[1])
      .filter((value) => value !== undefined);
  }
}

function wrongType(name: string, expected: string) {
  return fhirError(
    400,
    'invalid',
    `The parameter '${name}' is not ${expected}.`,
    `Parameters.parameter.where(name = '${name}')`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A parameter of an answer. Those whose only value is undefined are left out by `parametersOf`. */
export type OutputParameter = { readonly name: string } & Readonly<Record<string, unknown>>;

export function parametersOf(parameter: readonly OutputParameter[]): Resource {
  const hasValue = (one: OutputParameter) =>
    Object.entries(one).some(([key, value]) => key !== 'name' && value !== undefined);
  return { resourceType: 'Parameters', parameter: parameter.filter(hasValue) };
}
