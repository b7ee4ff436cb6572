/**
 * A GraphQL request: its text parsed, its operation chosen, its selections resolved into fields.
 *
 * Spec: https://spec.graphql.org/October2021/, https://hl7.org/fhir/R4/graphql.html
 */
import {
  GraphQLError,
  Kind,
  parse,
  print,
  type DirectiveNode,
  type FragmentDefinitionNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { keepNumberText } from '../../base/exact-numbers.js';
import { fhirError } from '../../base/outcome.js';

/** A value of an argument; names of enumerations are texts. Objects are resources that a mutation writes. */
export type ArgumentValue = string | number | boolean | null | ArgumentObject | readonly ArgumentValue[];
export interface ArgumentObject {
  readonly [name: string]: ArgumentValue;
}
export type Arguments = ReadonlyMap<string, ArgumentValue>;

/** One field that is asked for; fragments are resolved, equal fields are one. */
export interface Field {
  readonly name: string;
  /** Name in the answer: the alias, else the name. */
  readonly key: string;
  readonly args: Arguments;
  readonly directives: ReadonlyMap<string, Arguments>;
  readonly selections: readonly SelectionSetNode[];
}

/** What a client sends. */
export interface GraphQlText {
  readonly query: string;
  readonly operationName?: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

const mostTokens = 10_000;

const knownDirectives: Readonly<Record<string, readonly string[]>> = {
  skip: ['if'],
  include: ['if'],
  first: [],
  singleton: [],
  flatten: [],
  slice: ['path', 'fhirpath'],
};

export class GraphQlDocument {
  private constructor(
    private readonly operation: OperationDefinitionNode,
    private readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    private readonly variables: ReadonlyMap<string, ArgumentValue>,
  ) {}

  /** @throws FhirError 400 for a text that is no GraphQL query or mutation, and for missing variables. */
  static read({ query, operationName, variables }: GraphQlText): GraphQlDocument {
    const { definitions } = parsed(query);
    const operations = definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION);
    const fragments = definitions.filter((one) => one.kind === Kind.FRAGMENT_DEFINITION);
    const operation =
      operationName === undefined ? operations[0] : operations.find(({ name }) => name?.value === operationName);
    if (operations.length === 0 || operation === undefined) {
      throw invalid(`there is no operation${operationName === undefined ? '' : ` "${operationName.slice(0, 64)}"`}`);
    }
    if (operationName === undefined && operations.length > 1) throw invalid('operationName must say which operation');
    if (operation.operation === 'subscription') {
      throw fhirError(400, 'not-supported', 'GraphQL: a subscription is not offered.');
    }
    const byName = new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
    return new GraphQlDocument(operation, byName, variablesOf(operation, variables));
  }

  get isMutation(): boolean {
    return this.operation.operation === 'mutation';
  }

  get root(): SelectionSetNode {
    return this.operation.selectionSet;
  }

  /**
   * The fields of selections on one object.
   * @param fits whether a type condition (`... on Patient`) fits the object. @throws FhirError 400
   */
  fields(selections: readonly SelectionSetNode[], fits: (typeName: string) => boolean): Field[] {
    const fields = new Map<string, Field & { selections: SelectionSetNode[] }>();
    for (const selection of selections) this.collect(selection, fits, fields, new Set());
    return [...fields.values()];
  }

  private collect(
    { selections }: SelectionSetNode,
    fits: (typeName: string) => boolean,
    fields: Map<string, Field & { selections: SelectionSetNode[] }>,
    visited: Set<string>,
  ): void {
    for (const node of selections) {
      const directives = this.directivesOf(node.directives ?? []);
      if (isLeftOut(directives)) continue;
      if (node.kind === Kind.FIELD) {
        const { name, alias, selectionSet } = node;
        const args = (node.arguments ?? []).map((one) => print(one)).sort();
        const same = [alias?.value ?? '', name.value, ...args, ...(node.directives ?? []).map((one) => print(one))];
        const known = fields.get(same.join(' '));
        if (known !== undefined && selectionSet !== undefined) known.selections.push(selectionSet);
        if (known !== undefined) continue;
        fields.set(same.join(' '), {
          name: name.value,
          key: alias?.value ?? name.value,
          args: this.argumentsOf(node.arguments ?? []),
          directives,
          selections: selectionSet === undefined ? [] : [selectionSet],
        });
      } else if (node.kind === Kind.INLINE_FRAGMENT) {
        const condition = node.typeCondition?.name.value;
        if (condition === undefined || fits(condition)) this.collect(node.selectionSet, fits, fields, visited);
      } else {
        const fragment = this.fragments.get(node.name.value);
        if (fragment === undefined) throw invalid(`the fragment "${node.name.value}" is not defined`);
        if (visited.has(node.name.value)) continue;
        visited.add(node.name.value);
        if (fits(fragment.typeCondition.name.value)) this.collect(fragment.selectionSet, fits, fields, visited);
      }
    }
  }

  private directivesOf(nodes: readonly DirectiveNode[]): Map<string, Arguments> {
    return new Map(
      nodes.map((node) => {
        const name = node.name.value;
        const args = this.argumentsOf(node.arguments ?? []);
        if (!Object.hasOwn(knownDirectives, name)) throw invalid(`the directive @${name} is not known`);
        const odd = [...args.keys()].find((one) => !knownDirectives[name].includes(one));
        if (odd !== undefined) throw invalid(`@${name} has no argument "${odd}"`);
        return [name, args] as const;
      }),
    );
  }

  private argumentsOf(nodes: readonly { readonly name: { readonly value: string }; readonly value: ValueNode }[]) {
    return new Map(
      nodes.map(({ name, value }) => {
        const given = this.valueOf(value);
        if (!isResourceArgument(name.value)) refuseObjects(given);
        return [name.value, given] as const;
      }),
    );
  }

  private valueOf(node: ValueNode): ArgumentValue {
    if (node.kind !== Kind.VARIABLE) return literalOf(node, (inner) => this.valueOf(inner));
    const value = this.variables.get(node.name.value);
    if (value === undefined) throw invalid(`the variable $${node.name.value} is not declared, or has no value`);
    return value;
  }
}

function parsed(text: string) {
  try {
    return parse(text, { maxTokens: mostTokens, noLocation: true });
  } catch (error) {
    // Its parser goes down with each bracket.
    if (error instanceof RangeError) throw fhirError(400, 'too-costly', 'GraphQL: the query is nested too deeply.');
    if (!(error instanceof GraphQLError)) throw error;
    const [place] = error.locations ?? [];
    const where = place === undefined ? '' : ` at line ${place.line}, column ${place.column}`;
    throw invalid(`${error.message}${where}`);
  }
}

function isLeftOut(directives: ReadonlyMap<string, Arguments>): boolean {
  return directives.get('skip')?.get('if') === true || directives.get('include')?.get('if') === false;
}

function literalOf(node: ValueNode, inner: (node: ValueNode) => ArgumentValue): ArgumentValue {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.ENUM:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.NULL:
      return null;
    case Kind.LIST: {
      const list = node.values.map(inner);
      node.values.forEach((value, index) => keepText(list, index, value));
      return list;
    }
    case Kind.OBJECT: {
      const object: Record<string, ArgumentValue> = {};
      for (const { name, value } of node.fields) {
        if (Object.hasOwn(object, name.value)) throw invalid(`"${name.value}" stands twice in an object`);
        Object.defineProperty(object, name.value, { value: inner(value), enumerable: true, writable: true });
        keepText(object, name.value, value);
      }
      return object;
    }
    case Kind.VARIABLE:
      throw invalid('a variable stands where a value is expected');
  }
}

/** Numbers of a resource keep their text. */
function keepText(holder: object, key: string | number, node: ValueNode): void {
  if (node.kind === Kind.FLOAT || node.kind === Kind.INT) keepNumberText(holder, key, node.value);
}

/** What a mutation writes: the one argument that is an object. */
function isResourceArgument(name: string): boolean {
  return name === 'res' || name === 'resource';
}

function refuseObjects(value: ArgumentValue): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) throw invalid('an argument is an object; expected a text, a number or a list');
  value.forEach(refuseObjects);
}

function variablesOf(
  { variableDefinitions = [] }: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, ArgumentValue> {
  const values = new Map<string, ArgumentValue>();
  for (const { variable, type, defaultValue } of variableDefinitions) {
    const name = variable.name.value;
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined && value !== null) values.set(name, checked(name, value));
    else if (defaultValue !== undefined)
      values.set(
        name,
        literalOf(defaultValue, (node) => literalOf(node, never)),
      );
    else if (type.kind === Kind.NON_NULL_TYPE) throw invalid(`the variable $${name} has no value`);
    else values.set(name, null);
  }
  return values;
}

function never(): never {
  throw invalid('a default value is nested too deeply');
}

function checked(name: string, value: unknown): ArgumentValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  // Whether an object may stand there is decided where it is used; a resource keeps the texts of its numbers.
  if (typeof value === 'object') return value as ArgumentValue;
  throw invalid(`the variable $${name} is expected to be JSON`);
}

/** A query that is wrong in itself. */
export function invalid(reason: string) {
  return fhirError(400, 'invalid', `GraphQL: ${reason}.`);
}
