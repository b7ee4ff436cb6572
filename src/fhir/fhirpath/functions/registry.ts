/** The functions of FHIRPath by name. Spec: https://hl7.org/fhirpath/N1/#functions */
import type { Code, Shape } from '../code.js';
import type { Compiler } from '../compiler.js';
import type { CallExpression } from '../syntax.js';
import { booleanFunctions } from './boolean.js';
import { boundaryFunctions } from './boundary.js';
import { combiningFunctions } from './combining.js';
import { conversionFunctions } from './conversion.js';
import { existenceFunctions } from './existence.js';
import { fhirFunctions } from './fhir.js';
import { filteringFunctions } from './filtering.js';
import { mathFunctions } from './math.js';
import { stringFunctions } from './strings.js';
import { subsettingFunctions } from './subsetting.js';
import { treeFunctions } from './tree.js';
import { utilityFunctions } from './utility.js';

/** A call that is being compiled. */
export interface CallSite {
  readonly compiler: Compiler;
  readonly call: CallExpression;
  /** What the function is called on; `$this` at the head of a path. */
  readonly target: Code;
  /** Shape of `$this` around the call; arguments that are no lambdas see it. */
  readonly focus: Shape;
}

export interface FunctionDefinition {
  /** Least and largest number of arguments. */
  readonly arity: readonly [number, number];
  compile(site: CallSite): Code;
}

export type FunctionTable = Readonly<Record<string, FunctionDefinition>>;

const functions = new Map<string, FunctionDefinition>(
  [
    existenceFunctions,
    filteringFunctions,
    subsettingFunctions,
    combiningFunctions,
    booleanFunctions,
    conversionFunctions,
    stringFunctions,
    mathFunctions,
    treeFunctions,
    utilityFunctions,
    boundaryFunctions,
    fhirFunctions,
  ].flatMap((table: FunctionTable) => Object.entries(table)),
);

export function functionNamed(name: string): FunctionDefinition | undefined {
  return functions.get(name);
}
