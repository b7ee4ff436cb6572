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
import { fhirError } from '../../base/outcome.js';

/** A value of an argument; names of enumerations are texts. */
export type ArgumentValue = string | number | boolean | null | readonly ArgumentValue[];
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

  /** @throws FhirError 400 for a text that is no GraphQL query, mutations, and missing variables. */
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
    if (operation.operation !== 'query') {
      throw fhirError(400, 'not-supported', `GraphQL: a ${operation.operation} is not offered; writes go by REST.`);
    }
    const byName = new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
    return new GraphQlDocument(operation, byName, variablesOf(operation, variables));
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
    return new Map(nodes.map(({ name, value }) => [name.value, this.valueOf(value)] as const));
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
    case Kind.LIST:
      return node.values.map(inner);
    case Kind.OBJECT:
    case Kind.VARIABLE:
      throw invalid('an argument is an object; expected a text, a number or a list');
  }
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
  if (Array.isArray(value)) return value.map((item) => checked(name, item));
  throw invalid(`the variable $${name} is an object; expected a text, a number or a list`);
}

/** A query that is wrong in itself. */
export function invalid(reason: string) {
  return fhirError(400, 'invalid', `GraphQL: ${reason}.`);
}
