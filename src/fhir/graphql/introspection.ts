/** `__schema` and `__type`. Spec: https://spec.graphql.org/October2021/#sec-Introspection */
import type { SelectionSetNode } from 'graphql';
import { invalid, type Field } from './document.js';
import { Output, type Leaf } from './output.js';
import { tooCostly, type Run } from './run.js';
import { schemaOf } from './schema.js';
import type { Schema } from './schema-types.js';

type Meta = Readonly<Record<string, unknown>>;

/** What is behind each field that leads to an object. */
const typeNames: Readonly<Record<string, string>> = {
  __schema: '__Schema',
  __type: '__Type',
  types: '__Type',
  queryType: '__Type',
  mutationType: '__Type',
  subscriptionType: '__Type',
  type: '__Type',
  ofType: '__Type',
  interfaces: '__Type',
  possibleTypes: '__Type',
  fields: '__Field',
  args: '__InputValue',
  inputFields: '__InputValue',
  enumValues: '__EnumValue',
  directives: '__Directive',
};

/** Fields of types that are null where a kind of type does not have them. */
const optional = new Set(['description', 'specifiedByURL', 'isOneOf']);

/** The schema of all R4 has some 300,000 values in the query that clients ask; more than this nobody needs. */
const mostValues = 2_000_000;

/** Puts the answer to `__schema` or `__type(name: ...)` into `output`; pauses between types. @throws FhirError 400 */
export async function introspect(run: Run, field: Field, output: Output): Promise<void> {
  const schema = await schemaOf(run.services, () => run.pause());
  const reader = new Reader(run, schema);
  if (field.name === '__schema') {
    const inner = new Output();
    for (const part of reader.fieldsOf(field, '__Schema')) {
      for (const step of reader.put(part, (schema as unknown as Meta)[part.name], '__Schema', inner)) {
        step();
        await run.pause();
      }
    }
    output.add(field.key, 'single', inner);
    return;
  }
  const name = field.args.get('name');
  if (typeof name !== 'string') throw invalid('"__type" takes one argument, name');
  output.add(field.key, 'single', reader.valueOf(field, schema.byName.get(name) ?? null));
}

class Reader {
  private values = 0;
  /** Selections are the same for thousands of objects. */
  private readonly known = new WeakMap<readonly SelectionSetNode[], Field[]>();

  constructor(
    private readonly run: Run,
    private readonly schema: Schema,
  ) {}

  fieldsOf({ name, selections }: Field, typeName: string): Field[] {
    if (selections.length === 0) throw invalid(`"${name}" needs fields to be selected`);
    let fields = this.known.get(selections);
    if (fields === undefined) {
      fields = this.run.document.fields(selections, (condition) => condition === typeName);
      this.known.set(selections, fields);
    }
    return fields;
  }

  /** Steps that put a value into `output`: one for each item of a list. */
  *put(part: Field, value: unknown, typeName: string, output: Output): Generator<() => void> {
    if (part.name === '__typename') {
      yield () => output.add(part.key, 'single', { value: typeName });
    } else if (value === undefined && !isOptional(typeName, part.name)) {
      throw invalid(`${typeName} has no field "${part.name}"`);
    } else if (Array.isArray(value)) {
      output.list(part.key);
      for (const item of value) yield () => output.add(part.key, 'list', this.valueOf(part, item));
    } else {
      yield () => output.add(part.key, 'single', this.valueOf(part, value ?? null));
    }
  }

  valueOf(field: Field, value: unknown): Output | Leaf {
    this.values += 1;
    if (this.values > mostValues) throw tooCostly(`more than ${mostValues} values of the schema`);
    if (typeof value !== 'object' || value === null) return { value };
    const typeName = typeNames[field.name];
    const object = typeName === '__Type' ? this.whole(value as Meta) : (value as Meta);
    const output = new Output();
    for (const part of this.fieldsOf(field, typeName)) {
      for (const step of this.put(part, object[part.name], typeName, output)) step();
    }
    return output;
  }

  /** References to types hold names only. */
  private whole(type: Meta): Meta {
    const known = typeof type.name === 'string' ? this.schema.byName.get(type.name) : undefined;
    return (known as unknown as Meta | undefined) ?? type;
  }
}

function isOptional(typeName: string, name: string): boolean {
  return optional.has(name) || (typeName === '__Type' && Object.hasOwn(typeNames, name));
}
