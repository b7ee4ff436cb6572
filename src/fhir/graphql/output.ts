/** An object of the answer while it is made: fields that several places fill (`@flatten`) come together here. */
import { keepNumberText } from '../../base/exact-numbers.js';
import { fhirError } from '../../base/outcome.js';

/** `single`: a list only when there are several; `singleton`: never a list. */
export type Cardinality = 'single' | 'list' | 'singleton';

export interface Leaf {
  readonly value: unknown;
  /** Exact text of a number. */
  readonly text?: string;
}

interface Member {
  cardinality: Cardinality;
  readonly values: (Output | Leaf)[];
}

export class Output {
  private readonly members = new Map<string, Member>();

  /** Makes a list that may stay empty. */
  list(key: string): void {
    if (!this.members.has(key)) this.members.set(key, { cardinality: 'list', values: [] });
  }

  /** @throws FhirError 422 when a singleton gets a second value. */
  add(key: string, cardinality: Cardinality, value: Output | Leaf): void {
    const member = this.members.get(key) ?? { cardinality, values: [] };
    this.members.set(key, member);
    if (cardinality === 'list' && member.cardinality === 'single') member.cardinality = 'list';
    if (member.cardinality === 'singleton' && member.values.length > 0) {
      throw fhirError(422, 'business-rule', `GraphQL: "${key}" is marked @singleton, but there are several values.`);
    }
    member.values.push(value);
  }

  /** The finished object, numbers with their exact texts. */
  toJson(): object {
    const object: Record<string, unknown> = {};
    for (const [key, { cardinality, values }] of this.members) {
      if (cardinality !== 'list' && values.length === 1) put(object, key, values[0]);
      else {
        const list: unknown[] = [];
        values.forEach((value, index) => put(list, index, value));
        object[key] = list;
      }
    }
    return object;
  }
}

function put(holder: object, key: string | number, value: Output | Leaf): void {
  const target = holder as Record<string | number, unknown>;
  if (value instanceof Output) {
    target[key] = value.toJson();
    return;
  }
  target[key] = value.value;
  if (value.text !== undefined) keepNumberText(holder, key, value.text);
}
