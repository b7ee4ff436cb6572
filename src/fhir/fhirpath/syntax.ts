/** The syntax tree of FHIRPath. Spec: https://hl7.org/fhirpath/N1/grammar.html */

/** A type name as written: `Patient`, `FHIR.Patient`, `System.String`. */
export interface TypeSpecifier {
  readonly namespace?: string;
  readonly name: string;
}

export type BinaryOperator =
  | '*'
  | '/'
  | 'div'
  | 'mod'
  | '+'
  | '-'
  | '&'
  | '|'
  | '<'
  | '>'
  | '<='
  | '>='
  | '='
  | '~'
  | '!='
  | '!~'
  | 'in'
  | 'contains'
  | 'and'
  | 'or'
  | 'xor'
  | 'implies';

/** Every node carries `at`: the 0-based offset of its first character (of the operator, for operators). */
export type Expression =
  | { readonly kind: 'empty'; readonly at: number }
  | { readonly kind: 'boolean'; readonly value: boolean; readonly at: number }
  | { readonly kind: 'string'; readonly value: string; readonly at: number }
  /** `text` holds the digits as written; a decimal when it has a point. */
  | { readonly kind: 'number'; readonly text: string; readonly at: number }
  /** `unit` as written: a UCUM code (`ucum`) or a calendar word. */
  | {
      readonly kind: 'quantity';
      readonly text: string;
      readonly unit: string;
      readonly ucum: boolean;
      readonly at: number;
    }
  /** `text` without the `@`; times keep their leading `T`. */
  | {
      readonly kind: 'temporal';
      readonly type: 'date' | 'dateTime' | 'time';
      readonly text: string;
      readonly at: number;
    }
  | { readonly kind: 'variable'; readonly name: string; readonly at: number }
  | { readonly kind: 'this' | 'index' | 'total'; readonly at: number }
  /** `target` absent: the name stands at the head of a path. */
  | { readonly kind: 'member'; readonly target?: Expression; readonly name: string; readonly at: number }
  | {
      readonly kind: 'call';
      readonly target?: Expression;
      readonly name: string;
      readonly args: readonly Expression[];
      readonly at: number;
    }
  | { readonly kind: 'indexer'; readonly target: Expression; readonly index: Expression; readonly at: number }
  | { readonly kind: 'polarity'; readonly sign: '+' | '-'; readonly operand: Expression; readonly at: number }
  | {
      readonly kind: 'type';
      readonly operator: 'is' | 'as';
      readonly operand: Expression;
      readonly type: TypeSpecifier;
      readonly at: number;
    }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly at: number;
    };

export type CallExpression = Extract<Expression, { kind: 'call' }>;
