/**
 * The search parameters in force, with their expressions compiled.
 *
 * Spec: https://hl7.org/fhir/R4/searchparameter-registry.html
 */
import { fhirError } from '../../base/outcome.js';
import { compileFhirPath, FhirPathError } from '../fhirpath/fhirpath.js';
import type { Definitions } from '../definitions/definitions.js';
import type { SearchParameter } from '../definitions/types.js';
import { FhirModel } from '../fhirpath/model.js';
import { selectionsBelow, selectionsOf, splitUnion, type Selection } from './expression.js';
import { partsOf } from './string.js';

export type SearchType = SearchParameter['type'];

/** A search parameter as it applies to one resource type. */
export interface Parameter {
  readonly code: string;
  readonly type: SearchType;
  readonly url: string;
  /** What it selects. For a string parameter, the parts of names and addresses one by one. Empty for composites. */
  readonly selections: readonly Selection[];
  /** Resource types that a reference may point to; empty: not said. */
  readonly targets: readonly string[];
  /** Of a composite: one for each base element of its expression. */
  readonly composites: readonly Composite[];
  readonly definition: SearchParameter;
}

/** A composite on one base element. */
export interface Composite {
  /** The base is the resource itself, so its components always occur together. */
  readonly isRoot: boolean;
  /** The base elements; undefined when the base is the resource. */
  readonly base?: Selection;
  readonly components: readonly Component[];
}

export interface Component {
  readonly type: SearchType;
  /** Below the base: the index entries are shared with the parameters that select the same. */
  readonly selections: readonly Selection[];
  /** Relative to the base element. */
  readonly expression: string;
}

export interface SearchParameters {
  /** By code; the parameters of Resource and DomainResource included. Empty for an unknown type. */
  parametersOf(type: string): ReadonlyMap<string, Parameter>;
  get(type: string, code: string): Parameter | undefined;
  readonly definitions: Definitions;
  readonly model: FhirModel;
  /** With `custom` on top: of one type and code, the one added last counts. */
  with(custom: readonly SearchParameter[]): SearchParameters;
}

/** Handled by the query itself: they have no values to index. */
const unindexed = new Set(['_id', '_lastUpdated', '_query', '_content', '_text', '_has', '_list', '_type', '_filter']);

/**
 * Refuses a SearchParameter that could not be searched by.
 * @throws FhirError 422 `invariant` naming the element.
 */
export function checkParameter(parameters: SearchParameters, definition: SearchParameter): void {
  const { code, base = [], type, expression } = definition;
  const refuse = (element: string, text: string) =>
    fhirError(422, 'invariant', `SearchParameter ${code}: ${text}`, `SearchParameter.${element}`);
  const odd = base.find(
    (one) => one !== 'Resource' && one !== 'DomainResource' && !parameters.definitions.resourceTypes.has(one),
  );
  if (base.length === 0 || odd !== undefined) throw refuse('base', `'${odd ?? ''}' is no resource type`);
  if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(code)) throw refuse('code', 'expected letters, digits, - and _');
  if (type !== 'composite' && expression === undefined) throw refuse('expression', 'is missing');
  try {
    for (const one of expression === undefined ? [] : base) {
      const found = selectionsOf(expression ?? '', one, parameters.model);
      if (found.length === 0) throw refuse('expression', `selects nothing in ${one}`);
      // Elements that the type does not have are errors; evaluation tells of the rest.
      const isKnown = found.every(({ types }) => types.length > 0);
      if (!isKnown) compileFhirPath(expression ?? '', parameters.model, { type: one, strict: true });
    }
  } catch (error) {
    if (error instanceof FhirPathError) throw refuse('expression', error.message);
    throw error;
  }
}

/**
 * @param custom SearchParameters beside those of `definitions`.
 */
export function createParameters(definitions: Definitions, custom: readonly SearchParameter[] = []): SearchParameters {
  return new Registry(definitions, new FhirModel((name) => definitions.structureDefinition(name)), custom);
}

class Registry implements SearchParameters {
  private readonly byType = new Map<string, ReadonlyMap<string, Parameter>>();
  private byBase: ReadonlyMap<string, readonly SearchParameter[]> | undefined;

  constructor(
    readonly definitions: Definitions,
    readonly model: FhirModel,
    private readonly custom: readonly SearchParameter[],
  ) {}

  parametersOf(type: string): ReadonlyMap<string, Parameter> {
    let parameters = this.byType.get(type);
    if (!parameters) {
      parameters = this.compile(type);
      this.byType.set(type, parameters);
    }
    return parameters;
  }

  get(type: string, code: string): Parameter | undefined {
    return this.parametersOf(type).get(code);
  }

  with(custom: readonly SearchParameter[]): SearchParameters {
    return new Registry(this.definitions, this.model, [...this.custom, ...custom]);
  }

  private compile(type: string): ReadonlyMap<string, Parameter> {
    if (type !== 'Resource' && !this.definitions.resourceTypes.has(type)) return new Map();
    this.byBase ??= this.group();
    const bases = type === 'Resource' ? ['Resource'] : ['Resource', 'DomainResource', type];
    const parameters = new Map<string, Parameter>();
    for (const definition of bases.flatMap((base) => this.byBase!.get(base) ?? [])) {
      try {
        parameters.set(definition.code, this.parameterOf(definition, type));
      } catch (error) {
        // A package may bring an expression that is none: its parameter is unknown, all others work.
        if (!(error instanceof FhirPathError)) throw error;
      }
    }
    return parameters;
  }

  /** By base type; where a code is defined more than once, the later definition comes later. */
  private group(): ReadonlyMap<string, readonly SearchParameter[]> {
    const groups = new Map<string, SearchParameter[]>();
    for (const definition of [...this.definitions.searchParameters()].reverse().concat(this.custom)) {
      for (const base of definition.base) {
        const group = groups.get(base);
        if (group) group.push(definition);
        else groups.set(base, [definition]);
      }
    }
    return groups;
  }

  private parameterOf(definition: SearchParameter, type: string): Parameter {
    const { code, expression, url } = definition;
    const isIndexed = expression !== undefined && !unindexed.has(code);
    const isComposite = definition.type === 'composite';
    return {
      code,
      type: definition.type,
      url,
      selections: isIndexed && !isComposite ? this.selections(definition.type, expression, type) : [],
      targets: definition.target ?? [],
      composites: isIndexed && isComposite ? this.composites(definition, type) : [],
      definition,
    };
  }

  private selections(searchType: SearchType, expression: string, type: string): readonly Selection[] {
    const selections = selectionsOf(expression, type, this.model);
    return searchType === 'string' ? selections.flatMap((one) => this.parts(one, type)) : selections;
  }

  /** A HumanName or Address is searched in its parts, which other parameters select too. */
  private parts(selection: Selection, type: string): readonly Selection[] {
    const parts = selection.types.length === 1 ? partsOf[selection.types[0]] : undefined;
    return parts ? parts.flatMap((part) => selectionsOf(`${selection.key}.${part}`, type, this.model)) : [selection];
  }

  private composites(definition: SearchParameter, type: string): readonly Composite[] {
    const bases = splitUnion(definition.expression ?? '').filter(
      (base) => base === type || base.startsWith(`${type}.`),
    );
    return bases.map((base) => {
      const isRoot = base === type;
      const components = (definition.component ?? []).map(({ definition: url, expression: written }) => {
        const searchType = this.typeOf(url);
        // R4 writes `value.as(DateTime)` in Observation-code-value-date: a type of FHIRPath, which no element has.
        const expression = written.replaceAll('as(DateTime)', 'as(dateTime)');
        const found = selectionsBelow(base, expression, type, this.model);
        return {
          type: searchType,
          selections: searchType === 'string' ? found.flatMap((one) => this.parts(one, type)) : found,
          expression,
        };
      });
      return isRoot ? { isRoot, components } : { isRoot, base: selectionsOf(base, type, this.model)[0], components };
    });
  }

  private typeOf(url: string): SearchType {
    const found = this.custom.find((one) => one.url === url) ?? this.definitions.resource('SearchParameter', url);
    return (found as SearchParameter | undefined)?.type ?? 'token';
  }
}
