/**
 * The GraphQL schema of what is offered: the types of R4 with their elements, the searches with their parameters, the mutations.
 *
 * Spec: https://hl7.org/fhir/R4/graphql.html, https://spec.graphql.org/October2021/#sec-Schema-Introspection. It is made from the definitions in force
 * when somebody introspects, and dropped afterwards. Types are data in the form of an introspection result; a reference to one holds its name.
 */
import { GraphQLObjectType, GraphQLSchema, introspectionFromSchema, specifiedScalarTypes } from 'graphql';
import { Shapes, type Property, type Shape } from '../validation/shapes.js';
import type { FhirServices } from '../services.js';
import {
  argument,
  demanded,
  field,
  listOf,
  named,
  plainType,
  type InputValue,
  type Schema,
  type SchemaField,
  type SchemaType,
  type TypeRef,
} from './schema-types.js';
import { typeNameOf } from './type-names.js';

/** @param pause awaited now and then while the definitions are gone through. */
export async function schemaOf(
  { definitions, search }: Pick<FhirServices, 'definitions' | 'search'>,
  pause: () => Promise<void> | undefined,
): Promise<Schema> {
  const shapes = new Shapes(definitions);
  const byName = new Map<string, SchemaType>();
  const add = (type: SchemaType) => byName.set(type.name ?? '', type);
  const resources = [...definitions.resourceTypes].sort();
  const scalars = new Set(Object.values(searchScalars).filter((name) => !builtIn.has(name)));

  const visit = (shape: Shape): void => {
    if (byName.has(typeNameOf(shape))) return;
    add(objectType(shape, definitions.resourceTypes.has(shape.path)));
    for (const property of shape.properties.values()) {
      if (property.shape !== undefined) visit(property.shape());
      else if (property.type !== 'Resource' && !builtIn.has(scalarOf(property.type)))
        scalars.add(scalarOf(property.type));
    }
  };
  for (const type of ['Element', ...resources]) {
    const shape = shapes.of(type);
    if (shape !== undefined) visit(shape);
    await pause();
  }
  for (const type of resources) {
    add(plainType('OBJECT', `${type}Connection`, connectionFields(type)));
    add(plainType('OBJECT', `${type}Edge`, edgeFields(type)));
    add(plainType('OBJECT', `${type}Creation`, [field('location', named('SCALAR', 'String')), ...resultFields(type)]));
    add(plainType('OBJECT', `${type}Update`, resultFields(type)));
    add(plainType('OBJECT', `${type}Delete`, resultFields()));
    add(plainType('SCALAR', `${type}Input`, null, `A ${type} as in FHIR JSON.`));
  }
  add({
    ...plainType('INTERFACE', 'Resource', commonFields),
    possibleTypes: resources.map((name) => named('OBJECT', name)),
  });
  for (const name of scalars) add(plainType('SCALAR', name, null, `${name} of FHIR`));
  const parametersOf = (type: string) => [...search.parameters.parametersOf(type).values()];
  add(plainType('OBJECT', 'Query', () => resources.flatMap((type) => queryFields(type, parametersOf(type)))));
  add(plainType('OBJECT', 'Mutation', () => resources.flatMap(mutationFields)));

  const { types, directives } = standardParts();
  for (const type of types) if (!byName.has(type.name ?? '')) add(type);
  return {
    description: 'FHIR R4, as this server offers it',
    types: [...byName.values()],
    queryType: named('OBJECT', 'Query'),
    mutationType: named('OBJECT', 'Mutation'),
    subscriptionType: null,
    directives: [...directives, ...flatteningDirectives],
    byName,
  };
}

const builtIn = new Set(['String', 'Boolean', 'Int', 'Float', 'ID']);

const builtInFor: Readonly<Record<string, string>> = {
  string: 'String',
  xhtml: 'String',
  boolean: 'Boolean',
  integer: 'Int',
  positiveInt: 'Int',
  unsignedInt: 'Int',
  decimal: 'Float',
  id: 'ID',
};

/** Primitive types that GraphQL does not know are scalars of their own name. */
function scalarOf(type: string): string {
  return builtInFor[type] ?? type;
}

/** Scalars of search parameters; those of FHIR are named as in the published schemas. */
const searchScalars: Readonly<Record<string, string>> = {
  string: 'String',
  number: 'number',
  date: 'date',
  token: 'token',
  reference: 'reference',
  composite: 'composite',
  quantity: 'quantity',
  uri: 'uri',
  special: 'special',
};

const commonFields = [
  field('resourceType', demanded(named('SCALAR', 'String'))),
  field('id', named('SCALAR', 'ID')),
  field('meta', named('OBJECT', 'Meta')),
  field('implicitRules', named('SCALAR', 'uri')),
  field('language', named('SCALAR', 'code')),
];

function objectType(shape: Shape, isResource: boolean): SchemaType {
  const fields = () => [
    ...(isResource ? [commonFields[0]] : []),
    ...[...shape.properties].map(([name, property]) => elementField(name, property)),
    ...(shape.type === 'Reference' ? [referencedField] : []),
  ];
  const interfaces = isResource ? [named('INTERFACE', 'Resource')] : [];
  return plainType('OBJECT', typeNameOf(shape), fields, null, interfaces);
}

const referencedField = field('resource', named('INTERFACE', 'Resource'), [
  argument('optional', named('SCALAR', 'Boolean')),
  argument('type', named('SCALAR', 'code')),
]);

/** Arguments that narrow a list; beside them each element of its items narrows by its value. */
const narrowing = [
  argument('fhirpath', named('SCALAR', 'String')),
  argument('_offset', named('SCALAR', 'Int')),
  argument('_count', named('SCALAR', 'Int')),
];

function elementField(name: string, property: Property): SchemaField {
  const isSibling = name !== property.name;
  const isPrimitive = !isSibling && (property.check !== undefined || property.type === 'xhtml');
  const type = isSibling ? named('OBJECT', 'Element') : typeOf(property, isPrimitive);
  if (!property.isList) return field(name, type);
  return field(name, listOf(type), isPrimitive || isSibling ? [] : [...narrowing, ...narrowedBy(property)]);
}

function typeOf(property: Property, isPrimitive: boolean): TypeRef {
  if (isPrimitive) return named('SCALAR', scalarOf(property.type));
  if (property.shape === undefined) return named('INTERFACE', 'Resource');
  return named('OBJECT', typeNameOf(property.shape()));
}

function narrowedBy(property: Property): InputValue[] {
  return [...(property.shape?.().properties ?? [])]
    .filter(([name, { check, name: own }]) => check !== undefined && name === own)
    .map(([name, { type }]) => argument(name, named('SCALAR', scalarOf(type))));
}

function connectionFields(type: string): SchemaField[] {
  const counts = ['count', 'offset', 'pagesize'].map((name) => field(name, named('SCALAR', 'Int')));
  const cursors = ['first', 'previous', 'next', 'last'].map((name) => field(name, named('SCALAR', 'ID')));
  return [...counts, ...cursors, field('edges', listOf(named('OBJECT', `${type}Edge`)))];
}

function edgeFields(type: string): SchemaField[] {
  return [
    field('mode', named('SCALAR', 'String')),
    field('score', named('SCALAR', 'Float')),
    field('resource', named('OBJECT', type)),
  ];
}

function resultFields(type?: string): SchemaField[] {
  const information = field('information', named('OBJECT', 'OperationOutcome'));
  return type === undefined ? [information] : [field('resource', named('OBJECT', type)), information];
}

const identified = argument('id', demanded(named('SCALAR', 'ID')));

function queryFields(type: string, parameters: readonly { readonly code: string; readonly type: string }[]) {
  const searched = parameters
    .map(({ code, type }) => ({ name: code.replaceAll('-', '_'), scalar: searchScalars[type] }))
    .filter(({ name, scalar }) => /^[_A-Za-z]\w*$/.test(name) && scalar !== undefined)
    .map(({ name, scalar }) => argument(name, listOf(named('SCALAR', scalar))));
  const args = [
    ...searched,
    argument('fhirpath', named('SCALAR', 'String')),
    argument('_sort', named('SCALAR', 'String')),
    argument('_count', named('SCALAR', 'Int')),
  ];
  return [
    field(type, named('OBJECT', type), [identified]),
    field(`${type}List`, listOf(named('OBJECT', type)), args),
    field(`${type}Connection`, named('OBJECT', `${type}Connection`), [
      ...args,
      argument('_cursor', named('SCALAR', 'String')),
    ]),
  ];
}

function mutationFields(type: string): SchemaField[] {
  const content = argument('res', demanded(named('SCALAR', `${type}Input`)));
  return [
    field(`${type}Create`, named('OBJECT', `${type}Creation`), [content]),
    field(`${type}Update`, named('OBJECT', `${type}Update`), [identified, content]),
    field(`${type}Delete`, named('OBJECT', `${type}Delete`), [identified]),
  ];
}

const flatteningDirectives = ['first', 'singleton', 'flatten', 'slice'].map((name) => ({
  name,
  description: null,
  isRepeatable: false,
  locations: ['FIELD'],
  args:
    name === 'slice'
      ? [argument('path', named('SCALAR', 'String')), argument('fhirpath', named('SCALAR', 'String'))]
      : [],
}));

/** The types of introspection itself, the built-in scalars, `@skip` and `@include`: as the language's library states them. */
function standardParts(): { types: readonly SchemaType[]; directives: readonly { name: string }[] } {
  const scalars = specifiedScalarTypes.map((type) => [type.name, { type }] as const);
  const Query = new GraphQLObjectType({ name: 'Query', fields: Object.fromEntries(scalars) });
  const { types, directives } = introspectionFromSchema(new GraphQLSchema({ query: Query }), {
    inputValueDeprecation: true,
  }).__schema;
  const offered = new Set(['skip', 'include']);
  return {
    types: types as unknown as SchemaType[],
    directives: directives.filter(({ name }) => offered.has(name)),
  };
}
