/**
 * One `Consent.provision` as a rule. Spec: https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision
 *
 * Where a value cannot be decided (a coding without system, text without code, an actor without reference), the stricter reading is taken:
 * it never makes a permit match, and always makes a deny match.
 */
import { fhirError } from '../base/outcome.js';
import type { Coding } from '../base/resource.js';
import { EMERGENCY_PURPOSES } from './claims.js';
import { ACT_REASON, CONFIDENTIALITY, canonicalSystem, confidentialityLevel } from './hierarchies.js';
import { periodBounds } from './period.js';
import type { Alternative, Criterion, Rule } from './policy.js';
import { type CodingKind, codingTerm, identifierReference, referenceTerm } from './terms.js';

type Element = Readonly<Record<string, unknown>>;
type Effect = 'deny' | 'permit';

/** The contract follows so many levels. */
const MAX_DEPTH = 30;
const KNOWN = new Set(
  [
    'id extension modifierExtension type period actor action securityLabel purpose class code dataPeriod data provision'.split(
      ' ',
    ),
  ].flat(),
);
const ALWAYS: Alternative = { kind: 'always' };

/**
 * @param base effect of the root when the provision has no type; nested provisions must have one.
 * @throws FhirError 422 naming the element that cannot be understood.
 */
export function compileProvision(provision: Element, base: Rule['type'], expression: string, depth = 0): Rule {
  if (depth > MAX_DEPTH)
    throw fhirError(422, 'too-costly', `${expression}: nested deeper than ${MAX_DEPTH} levels`, expression);
  for (const name of Object.keys(provision)) {
    if (!KNOWN.has(name) && !name.startsWith('_'))
      throw fhirError(422, 'structure', `${expression}: unknown element ${name}`, `${expression}.${name}`);
  }
  if (provision['modifierExtension'] !== undefined) {
    throw fhirError(
      422,
      'extension',
      `${expression}: a modifier extension that is not understood`,
      `${expression}.modifierExtension`,
    );
  }
  const type = typeOf(provision, base, expression, depth);
  const nested = list(provision['provision'], `${expression}.provision`);
  const rules = nested.map(([child, place]) => compileProvision(child, type, place, depth + 1));
  const criteria = criteriaOf(provision, type, expression);
  const isFinal = type === 'deny' && namesEmergency(provision['purpose']);
  return { type, criteria, rules, expression, ...(isFinal ? { isFinal } : {}) };
}

/** A denial that names emergencies among its purposes holds in them too. */
function namesEmergency(purposes: unknown): boolean {
  return (
    Array.isArray(purposes) &&
    (purposes as Coding[]).some(
      ({ system, code }) => canonicalSystem(system ?? '') === ACT_REASON && EMERGENCY_PURPOSES.has(code ?? ''),
    )
  );
}

function typeOf(provision: Element, base: Rule['type'], expression: string, depth: number): Rule['type'] {
  const { type } = provision;
  if (type === 'permit' || type === 'deny') return type;
  if (type !== undefined) {
    throw fhirError(
      422,
      'code-invalid',
      `${expression}.type: expected permit or deny, found ${JSON.stringify(type)}`,
      `${expression}.type`,
    );
  }
  if (depth > 0)
    throw fhirError(
      422,
      'required',
      `${expression}.type: a nested provision must say permit or deny`,
      `${expression}.type`,
    );
  return base;
}

function criteriaOf(provision: Element, type: Rule['type'], expression: string): Criterion[] {
  const criteria: Criterion[] = [];
  const add = (element: string, alternatives: readonly Alternative[]) => criteria.push({ element, alternatives });
  /** One criterion of an element that may repeat: any of its values. */
  const addList = (
    element: string,
    read: (value: Element, place: string, effect: Effect) => readonly Alternative[],
  ) => {
    const values = list(provision[element], `${expression}.${element}`);
    if (values.length === 0) return;
    add(
      element,
      values.flatMap(([value, place]) => read(value, place, decided(type, place))),
    );
  };

  const at = (element: string) => `${expression}.${element}`;
  if (provision['period'] !== undefined) {
    const [start, end] = periodBounds(provision['period'], at('period'));
    add('period', [{ kind: 'time-within', start, end }]);
  }
  addList('actor', actorAlternatives);
  addList('action', (value, place, effect) => conceptAlternatives('action', value, place, effect));
  addList('securityLabel', labelAlternatives);
  addList('purpose', (value, _place, effect) => codingAlternatives('purpose', value, effect));
  addList('class', (value, _place, effect) => codingAlternatives('class', value, effect));
  addList('code', (value, place, effect) => conceptAlternatives('code', value, place, effect));
  if (provision['dataPeriod'] !== undefined) {
    const [start, end] = periodBounds(provision['dataPeriod'], at('dataPeriod'));
    // A record whose time is not known, or reaches out of the period, is not permitted; it is denied.
    add('dataPeriod', [
      { kind: decided(type, at('dataPeriod')) === 'permit' ? 'data-within' : 'data-overlaps', start, end },
    ]);
  }
  addList('data', dataAlternatives);
  return criteria;
}

/** A root without effect of its own has no stricter reading, so only criteria that are certain may stand in it. */
function decided(type: Rule['type'], expression: string): Effect {
  if (type !== 'none') return type;
  const [root] = expression.split('.provision');
  throw fhirError(
    422,
    'business-rule',
    `${expression}: needs ${root}.provision.type, or a policy rule that says permit or deny (such as OPTIN or OPTOUT)`,
    expression,
  );
}

const undecidable = (effect: Effect): Alternative[] => (effect === 'deny' ? [ALWAYS] : []);
const term = (text: string): Alternative => ({ kind: 'term', term: text });

function codingAlternatives(kind: CodingKind, coding: Element, effect: Effect): Alternative[] {
  const { system, code } = coding as Coding;
  if (typeof code !== 'string' || code === '') return undecidable(effect);
  if (typeof system !== 'string' || system === '') return effect === 'deny' ? [term(codingTerm(kind, '*', code))] : [];
  const exact = term(codingTerm(kind, canonicalSystem(system), code));
  // A record whose coding has no system may mean this one.
  return effect === 'deny' ? [exact, term(codingTerm(kind, '', code))] : [exact];
}

/** The codings of a CodeableConcept say the same thing in several systems. */
function conceptAlternatives(kind: CodingKind, concept: Element, expression: string, effect: Effect): Alternative[] {
  const codings = list(concept['coding'], `${expression}.coding`);
  if (codings.length === 0) return undecidable(effect);
  return codings.flatMap(([coding]) => codingAlternatives(kind, coding, effect));
}

/** Confidentiality is a high-water mark: a permit reaches up to the level, a deny reaches down to it. Other labels are compared as codes. */
function labelAlternatives(label: Element, expression: string, effect: Effect): Alternative[] {
  const { system, code } = label as Coding;
  if (typeof system === 'string' && canonicalSystem(system) === CONFIDENTIALITY) {
    const level = typeof code === 'string' ? confidentialityLevel(code) : undefined;
    if (level === undefined) {
      throw fhirError(
        422,
        'code-invalid',
        `${expression}: ${JSON.stringify(code)} is no level of Confidentiality`,
        expression,
      );
    }
    return [{ kind: effect === 'permit' ? 'confidentiality-at-most' : 'confidentiality-at-least', level }];
  }
  return codingAlternatives('label', label, effect);
}

/** Roles that say whose data it is, not who wants it. */
const RECORD_ROLES = new Set(['AUT', 'PRIMAUTH', 'COAUTH', 'AUCG', 'CST']);
/** Systems whose codes say how somebody takes part; being named in one of them says enough. */
const PARTICIPATION =
  /v3-(ParticipationType|RoleClass|RoleCode|ParticipationFunction)$|\/(extra-security-role-type|contractsignertypecodes|security-role-type)$/;

function actorAlternatives(actor: Element, expression: string, effect: Effect): Alternative[] {
  const reference = referenceOf(actor['reference'] as Element | undefined);
  if (reference === undefined) return undecidable(effect);
  const roles = list((actor['role'] as Element | undefined)?.['coding'], `${expression}.role.coding`).map(
    ([coding]) => coding as Coding,
  );
  const requester = term(referenceTerm('actor', reference));
  const author = term(referenceTerm('author', reference));
  const isOfRecord = roles.some(({ code }) => RECORD_ROLES.has(code ?? ''));
  if (isOfRecord) {
    // A custodian may be the one who asks: a deny takes both.
    const isCustodian = roles.some(({ code }) => code === 'CST');
    return effect === 'deny' && isCustodian ? [author, requester] : [author];
  }
  const isParticipant = roles.length === 0 || roles.some(({ system }) => PARTICIPATION.test(system ?? ''));
  if (isGroup(reference)) {
    // Only the chain says who belongs to a group; a token that says so is enough to be denied.
    const member: Alternative = { kind: 'member-of', term: referenceTerm('actor', reference) };
    if (effect === 'deny') return [requester, member];
    return isParticipant ? [member] : [];
  }
  if (isParticipant || effect === 'deny') return [requester];
  // Any other role (a profession, a function) must hold for the requester too.
  return roles
    .filter(({ system, code }) => system !== undefined && code !== undefined)
    .map(({ system, code }) => ({
      kind: 'all-terms',
      terms: [referenceTerm('actor', reference), codingTerm('role', canonicalSystem(system as string), code as string)],
    }));
}

/** Spec: https://hl7.org/fhir/R4/valueset-consent-data-meaning.html */
function dataAlternatives(data: Element, expression: string, effect: Effect): Alternative[] {
  const reference = referenceOf(data['reference'] as Element | undefined);
  if (reference === undefined) return undecidable(effect);
  const itself = term(referenceTerm('instance', reference));
  const related = term(referenceTerm('refers', reference));
  switch (data['meaning']) {
    case 'instance':
      return [itself];
    case 'related':
    case 'dependents':
      return [itself, related];
    case 'authoredby':
      return [term(referenceTerm('author', reference))];
    default:
      throw fhirError(
        422,
        'code-invalid',
        `${expression}.meaning: found ${JSON.stringify(data['meaning'])}`,
        `${expression}.meaning`,
      );
  }
}

const isGroup = (reference: string) => /(^|\/)Group\/[^/]+(\/_history\/[^/]+)?$/.test(reference);

/** `Type/id`, a URL, or a name made of an identifier; undefined when there is neither. */
function referenceOf(reference: Element | undefined): string | undefined {
  if (typeof reference?.['reference'] === 'string' && reference['reference'] !== '') return reference['reference'];
  const identifier = reference?.['identifier'] as Element | undefined;
  if (typeof identifier?.['system'] !== 'string' || typeof identifier['value'] !== 'string') return undefined;
  return identifierReference(identifier['system'], identifier['value']);
}

/** Items of a list element with the FHIRPath of each. @throws FhirError 422 when it is no list of objects. */
function list(value: unknown, expression: string): [Element, string][] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw fhirError(422, 'structure', `${expression}: expected a list`, expression);
  return value.map((item: unknown, i) => {
    const place = `${expression}[${i}]`;
    if (typeof item !== 'object' || item === null || Array.isArray(item)) {
      throw fhirError(422, 'structure', `${place}: expected an object`, place);
    }
    return [item as Element, place];
  });
}
