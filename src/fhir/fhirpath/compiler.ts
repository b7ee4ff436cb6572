/** Syntax tree to closures. */
import { constantCode, emptyCode, onlyItem, singleCode, type Code, type Shape } from './code.js';
import { Decimal } from './decimal.js';
import { executionError, FhirPathError } from './errors.js';
import { functionNamed } from './functions/registry.js';
import { systemTypes, type FhirModel, type TypeInfo } from './model.js';
import { Navigator } from './navigation.js';
import { binary, polarity } from './operators.js';
import { Quantity } from './quantity.js';
import type { CallExpression, Expression, TypeSpecifier } from './syntax.js';
import { Temporal } from './temporal.js';
import { typeOperator } from './type-operators.js';
import { hasContent, itemsOf, Node, type Collection, type Item } from './values.js';

/** How an expression is compiled. */
export interface CompilerOptions {
  readonly strict: boolean;
  /** Every node tells its place; slower. */
  readonly locate: boolean;
}

const constants: Readonly<Record<string, string>> = {
  sct: 'http://snomed.info/sct',
  loinc: 'http://loinc.org',
  ucum: 'http://unitsofmeasure.org',
  'us-zip': '[0-9]{5}(-[0-9]{4}){0,1}',
};

/** Compiles expressions over one model; `$this` of each has the shape that is passed along as `focus`. */
export class Compiler {
  readonly navigator: Navigator;
  private totalShape: Shape = { type: undefined };

  constructor(
    readonly model: FhirModel,
    readonly options: CompilerOptions,
  ) {
    this.navigator = new Navigator(model, options.locate);
  }

  /** @param focus what `$this` is known to be. @throws FhirPathError `semantic` */
  code(expression: Expression, focus: Shape): Code {
    switch (expression.kind) {
      case 'empty':
        return emptyCode;
      case 'boolean':
        return constantCode(expression.value, systemTypes.boolean);
      case 'string':
        return constantCode(expression.value, systemTypes.string);
      case 'number':
        return numberLiteral(expression.text);
      case 'quantity':
        return constantCode(
          new Quantity(Decimal.parse(expression.text)!, expression.unit, !expression.ucum),
          systemTypes.quantity,
        );
      case 'temporal':
        return temporalLiteral(expression);
      case 'variable':
        return this.variable(expression.name);
      case 'this':
        return this.thisCode(focus);
      case 'index':
        return singleCode(systemTypes.integer, (_, scope) => scope.index);
      case 'total':
        return { ...this.totalShape, single: false, run: (_, scope) => scope.total };
      case 'member':
        return this.member(expression, focus);
      case 'call':
        return this.call(expression, focus);
      case 'indexer':
        return indexer(this.code(expression.target, focus), this.code(expression.index, focus));
      case 'polarity':
        return polarity(expression.sign, this.code(expression.operand, focus));
      case 'type':
        return typeOperator(
          this,
          expression.operator,
          this.code(expression.operand, focus),
          this.typeNamed(expression.type, expression.at, expression.operator === 'as'),
        );
      case 'binary':
        return binary(
          expression.operator,
          this.code(expression.left, focus),
          this.code(expression.right, focus),
          this.options.strict ? expression.at : undefined,
        );
    }
  }

  thisCode(focus: Shape): Code {
    return {
      type: focus.type,
      among: focus.among,
      single: true,
      run: (item) => item,
      exists: (item) => hasContent(item),
    };
  }

  /**
   * @param anyCase in the lenient mode `DateTime` is taken for FHIR's `dateTime`: early R4 content writes `as` so.
   * @throws FhirPathError `semantic` when there is no such type.
   */
  typeNamed(type: TypeSpecifier, at: number, anyCase = false): TypeInfo | undefined {
    const lower = type.name[0].toLowerCase() + type.name.slice(1);
    const primitive = anyCase && !this.options.strict && type.namespace === undefined && this.model.type(lower);
    if (primitive && primitive.isPrimitive) return primitive;
    const found = this.model.specified(type.name, type.namespace);
    // A name that System lacks is no error: nothing is of that type.
    if (!found && type.namespace !== 'System') throw new FhirPathError('semantic', `no type ${type.name}`, at);
    return found;
  }

  /** An argument that names a type: `Patient`, `FHIR.Patient`. */
  typeArgument(call: CallExpression, anyCase = false): TypeInfo | undefined {
    const [argument] = call.args;
    if (call.args.length === 1 && argument.kind === 'member') {
      if (!argument.target) return this.typeNamed({ name: argument.name }, argument.at, anyCase);
      if (argument.target.kind === 'member' && !argument.target.target) {
        return this.typeNamed({ namespace: argument.target.name, name: argument.name }, argument.at);
      }
    }
    throw new FhirPathError('semantic', `${call.name}() takes the name of a type`, call.at);
  }

  /** Compiles with `$total` being of the given shape. */
  withTotal<T>(shape: Shape, compile: () => T): T {
    const before = this.totalShape;
    this.totalShape = shape;
    try {
      return compile();
    } finally {
      this.totalShape = before;
    }
  }

  private member(expression: Extract<Expression, { kind: 'member' }>, focus: Shape): Code {
    const { target, name, at } = expression;
    if (target) return this.navigator.member(this.code(target, focus), name, at, this.options.strict);
    const self = this.thisCode(focus);
    const type = /^[A-Z]/.test(name) ? this.model.type(name) : undefined;
    return type ? this.typeHead(self, type, at) : this.navigator.member(self, name, at, this.options.strict);
  }

  /** A type name at the head of a path: the focus itself, if it is of that type. */
  private typeHead(self: Code, type: TypeInfo, at: number): Code {
    const { run } = self;
    if (self.type) {
      if (self.type.isA(type)) return self;
      if (this.options.strict) throw new FhirPathError('semantic', `${self.type.name} is no ${type.name}`, at);
      return emptyCode;
    }
    const { navigator } = this;
    return {
      type: undefined,
      among: [type],
      single: true,
      run: (focus, scope) => {
        const item = run(focus, scope) as Item | undefined;
        return item !== undefined && navigator.typeOf(item, undefined)?.isA(type) ? item : undefined;
      },
    };
  }

  private call(expression: CallExpression, focus: Shape): Code {
    const definition = functionNamed(expression.name);
    const { name, args, at } = expression;
    if (!definition) throw new FhirPathError('semantic', `no function ${name}()`, at);
    const [least, most] = definition.arity;
    if (args.length < least || args.length > most) {
      const wanted = least === most ? `${least}` : `${least} to ${most}`;
      throw new FhirPathError('semantic', `${name}() takes ${wanted} arguments, not ${args.length}`, at);
    }
    const target = expression.target ? this.code(expression.target, focus) : this.thisCode(focus);
    return definition.compile({ compiler: this, call: expression, target, focus });
  }

  private variable(name: string): Code {
    if (Object.hasOwn(constants, name)) return constantCode(constants[name], systemTypes.string);
    if (name.startsWith('vs-'))
      return constantCode(`http://hl7.org/fhir/ValueSet/${name.slice(3)}`, systemTypes.string);
    if (name.startsWith('ext-')) {
      return constantCode(`http://hl7.org/fhir/StructureDefinition/${name.slice(4)}`, systemTypes.string);
    }
    const open = { type: undefined, single: true };
    const resource = this.model.type('Resource');
    const resources = resource ? { ...open, among: [resource] } : open;
    if (name === 'resource') return { ...resources, run: (_, scope) => scope.resource };
    if (name === 'rootResource') return { ...resources, run: (_, scope) => scope.rootResource };
    if (name === 'context') return { ...open, run: (_, scope) => scope.context };
    return {
      type: undefined,
      single: false,
      run: (_, scope) => {
        if (scope.defined?.has(name)) return scope.defined.get(name);
        const { variables } = scope.env;
        if (!variables || !Object.hasOwn(variables, name)) throw executionError(`no variable %${name}`);
        return (variables[name] ?? undefined) as Collection;
      },
    };
  }
}

function numberLiteral(text: string): Code {
  if (text.includes('.')) return constantCode(Decimal.parse(text)!, systemTypes.decimal);
  const value = Number(text);
  return Number.isSafeInteger(value)
    ? constantCode(value, systemTypes.integer)
    : constantCode(Decimal.parse(text)!, systemTypes.decimal);
}

function temporalLiteral({ type, text, at }: Extract<Expression, { kind: 'temporal' }>): Code {
  const value = Temporal.parse(type, text);
  if (!value) throw new FhirPathError('syntax', `@${text} is no ${type}`, at);
  return constantCode(value, systemTypes[type]);
}

function indexer(target: Code, index: Code): Code {
  const { run } = target;
  return {
    type: target.type,
    among: target.among,
    single: true,
    run: (focus, scope) => {
      const items = itemsOf(run(focus, scope));
      const at = onlyItem(index.run(focus, scope), 'indexer');
      const number = at instanceof Node ? at.value : at;
      if (number === undefined) return undefined;
      if (typeof number !== 'number') throw executionError('an index must be an integer');
      return items[number];
    },
  };
}
