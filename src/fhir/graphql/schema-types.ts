/** Types of a GraphQL schema as data, in the form of an introspection result. Spec: https://spec.graphql.org/October2021/#sec-Schema-Introspection */

export interface TypeRef {
  readonly kind: string;
  readonly name: string | null;
  readonly ofType: TypeRef | null;
}

export interface InputValue {
  readonly name: string;
  readonly description: string | null;
  readonly type: TypeRef;
  readonly defaultValue: null;
  readonly isDeprecated: false;
  readonly deprecationReason: null;
}

export interface SchemaField {
  readonly name: string;
  readonly description: string | null;
  readonly args: readonly InputValue[];
  readonly type: TypeRef;
  readonly isDeprecated: false;
  readonly deprecationReason: null;
}

/** `__Type` of the specification; fields are made when they are asked for. */
export interface SchemaType extends TypeRef {
  readonly description: string | null;
  readonly specifiedByURL: null;
  readonly fields: readonly SchemaField[] | null;
  readonly inputFields: null;
  readonly interfaces: readonly TypeRef[] | null;
  readonly enumValues: null;
  readonly possibleTypes: readonly TypeRef[] | null;
}

export interface Schema {
  readonly description: string;
  readonly types: readonly SchemaType[];
  readonly queryType: TypeRef;
  readonly mutationType: TypeRef;
  readonly subscriptionType: null;
  readonly directives: readonly object[];
  /** A type by its name. */
  readonly byName: ReadonlyMap<string, SchemaType>;
}

/** A type by its name. */
export function named(kind: string, name: string): TypeRef {
  return { kind, name, ofType: null };
}

export function listOf(ofType: TypeRef): TypeRef {
  return { kind: 'LIST', name: null, ofType };
}

/** What is never null. */
export function demanded(ofType: TypeRef): TypeRef {
  return { kind: 'NON_NULL', name: null, ofType };
}

export function argument(name: string, type: TypeRef): InputValue {
  return { name, description: null, type, defaultValue: null, isDeprecated: false, deprecationReason: null };
}

export function field(name: string, type: TypeRef, args: readonly InputValue[] = []): SchemaField {
  return { name, description: null, args, type, isDeprecated: false, deprecationReason: null };
}

/** @param fields a function where they are to be made when they are asked for. */
export function plainType(
  kind: 'OBJECT' | 'INTERFACE' | 'SCALAR',
  name: string,
  fields: readonly SchemaField[] | (() => readonly SchemaField[]) | null,
  description: string | null = null,
  interfaces: readonly TypeRef[] = [],
): SchemaType {
  return {
    ...named(kind, name),
    description,
    specifiedByURL: null,
    get fields() {
      return typeof fields === 'function' ? fields() : fields;
    },
    inputFields: null,
    interfaces: kind === 'SCALAR' ? null : interfaces,
    enumValues: null,
    possibleTypes: null,
  };
}
