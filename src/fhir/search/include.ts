/** `_include` and `_revinclude`. Spec: https://hl7.org/fhir/R4/search.html#revinclude */
import type { Term } from '../../base/ids.js';
import { typeTerm, type TermSource } from './blind.js';
import { planAnd } from './bounds.js';
import { linksOfParameter } from './compartment.js';
import type { SearchContext } from './context.js';
import type { Plan } from './plan.js';
import { invalid, unknownParameter } from './problems.js';
import { refuseUnindexed } from './unindexed.js';

export interface Include {
  /** The type that refers: `Observation` in `Observation:subject`; `*`: any. */
  readonly source: string;
  /** Code of the reference parameter; `*`: every reference. */
  readonly parameter: string;
  /** Only targets of this type. */
  readonly target?: string;
  /** Applied to what was included, too, until nothing new comes. */
  readonly iterate: boolean;
  /** Blind names of the links to follow; empty: all. */
  readonly links: readonly Term[];
}

/**
 * @param types searched types, to complete `*` and `*:*`.
 * @param modifiers of the parameter name: `iterate` (or STU3's `recurse`).
 * @throws FhirError 400 `invalid`.
 */
export function readInclude(
  context: SearchContext,
  types: readonly string[] | undefined,
  name: string,
  modifiers: readonly string[],
  value: string,
): Include {
  const iterate = modifiers.length > 0;
  if (modifiers.some((modifier) => modifier !== 'iterate' && modifier !== 'recurse')) {
    throw invalid(`Search parameter ${name}: the only modifier is :iterate`);
  }
  const [source, code = '*', target, ...rest] =
    value === '*' ? [types?.length === 1 ? types[0] : '*', '*'] : value.split(':');
  const { resourceTypes } = context.parameters.definitions;
  const odd = [source, target].find((type) => type !== undefined && type !== '*' && !resourceTypes.has(type));
  if (odd !== undefined || rest.length > 0 || source === '') {
    throw invalid(
      `Search parameter ${name}: found '${value}', expected Type:parameter, Type:parameter:Target, Type:* or *`,
    );
  }
  const common = { source, parameter: code, ...(target && target !== '*' ? { target } : {}), iterate };
  if (code === '*') return { ...common, links: source === '*' ? [] : allLinks(context, source) };
  if (source === '*') throw invalid(`Search parameter ${name}: found '${value}', a parameter needs its type`);
  const parameter = context.parameters.get(source, code);
  if (!parameter) throw unknownParameter(context.parameters, source, code).error;
  if (parameter.type !== 'reference')
    throw invalid(`Search parameter ${name}: ${source}.${code} is no reference parameter`);
  refuseUnindexed(context, source, parameter);
  const onlyTargets = new Set(parameter.selections.map((selection) => selection.targetType));
  const [only] = onlyTargets.size === 1 ? onlyTargets : [undefined];
  return { ...(only ? { target: only } : {}), ...common, links: linksOfParameter(context.blinder, parameter) };
}

function allLinks({ parameters, blinder }: SearchContext, type: string): Term[] {
  const references = [...parameters.parametersOf(type).values()].filter((parameter) => parameter.type === 'reference');
  return [...new Set(references.flatMap((parameter) => linksOfParameter(blinder, parameter)))];
}

/** What refers to one of `names` in the way that a `_revinclude` asks for. `*:*` needs `allTypes`. */
export function revincludePlan(context: SearchContext, include: Include, names: readonly Term[]): Plan {
  const { blinder, parameters } = context;
  const target: Plan = { kind: 'resource', names };
  if (include.source !== '*') return linked(blinder, include.source, include.links, target);
  const of = [...parameters.definitions.resourceTypes].map((type) =>
    linked(blinder, type, allLinks(context, type), target),
  );
  return { kind: 'or', of };
}

function linked(blinder: TermSource, type: string, params: readonly Term[], target: Plan): Plan {
  if (params.length === 0) return { kind: 'none' };
  return planAnd([
    { kind: 'term', term: typeTerm(blinder, type) },
    { kind: 'link-to', params, target },
  ]);
}
