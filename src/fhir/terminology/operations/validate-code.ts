/**
 * `$validate-code` of ValueSet and CodeSystem.
 *
 * Spec: https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
 */
import { fhirError } from '../../../base/outcome.js';
import type { Coding, Resource } from '../../../base/resource.js';
import { designationsOf } from '../resource-system.js';
import type { Terminology } from '../terminology.js';
import type { CodeVerdict, CodingInput } from '../verdict.js';
import { parametersOf, type Input } from './parameters.js';
import { codeSystemSubject, valueSetSubject, type TerminologyServices } from './subject.js';

/**
 * Parameters `result`, `message`, `display`. A code that cannot be decided has `result` false and a message that says so: never a silent pass.
 * @throws FhirError 400 for odd or missing parameters, 404 `not-found` for an unknown value set.
 */
export function validateCodeInValueSet(services: TerminologyServices, input: Input, instance?: Resource): Resource {
  const { canonical, terminology } = valueSetSubject(services, input, instance);
  if (!terminology.knowsValueSet(canonical)) {
    throw fhirError(404, 'not-found', `The value set ${canonical} is not known here.`);
  }
  const codings = codingsOf(input, input.text('system'), input.text('systemVersion'));
  return answer(terminology, codings, input.boolean('abstract'), (coding) =>
    terminology.validateCode(coding, canonical),
  );
}

/** Like `validateCodeInValueSet`, for all codes of a system. @throws FhirError 404 `not-found` for an unknown code system. */
export function validateCodeInSystem(services: TerminologyServices, input: Input, instance?: Resource): Resource {
  const given = codeSystemSubject(services, input, instance);
  const terminology = given?.terminology ?? services.terminology;
  const [url] = (given?.canonical ?? input.text('url'))?.split('|') ?? [];
  const codings = codingsOf(input, url, input.text('version'));
  for (const { system } of codings) {
    if (system === undefined)
      throw fhirError(400, 'required', "A code system is needed: 'url', 'codeSystem' or the system of the coding.");
    if (url !== undefined && system !== url) {
      throw fhirError(400, 'invalid', `The coding is of the system ${system}; expected ${url}.`);
    }
    if (!terminology.system(system)) throw fhirError(404, 'not-found', `The code system ${system} is not known here.`);
  }
  return answer(terminology, codings, input.boolean('abstract'), (coding) => terminology.validateInSystem(coding));
}

function codingsOf(input: Input, system: string | undefined, version: string | undefined): readonly CodingInput[] {
  const concept = input.codeableConcept('codeableConcept');
  const coding = input.coding('coding');
  const code = input.text('code');
  const given = [concept, coding, code].filter((each) => each !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none' : 'several';
    throw fhirError(
      400,
      given.length === 0 ? 'required' : 'invalid',
      `One of 'code', 'coding' and 'codeableConcept' is needed; ${found} was given.`,
    );
  }
  if (code !== undefined) return [{ system, version, code, display: input.text('display') }];
  const codings: readonly Coding[] = coding ? [coding] : (concept?.coding ?? []);
  if (codings.length === 0) throw fhirError(400, 'required', 'The codeableConcept has no coding.');
  for (const { code: each } of codings) {
    if (typeof each !== 'string') throw fhirError(400, 'required', 'A coding without code was given.');
  }
  // A Coding without a system is not the same as a code whose system the value set gives.
  return codings.map(({ system: its = '', ...rest }) => ({ ...rest, system: its }));
}

function answer(
  terminology: Terminology,
  codings: readonly CodingInput[],
  allowsAbstract: boolean | undefined,
  verdictOf: (coding: CodingInput) => CodeVerdict,
): Resource {
  let problem: string | undefined;
  for (const coding of codings) {
    const verdict = verdictOf(coding);
    if (verdict.result !== 'in') {
      problem ??= verdict.message;
      continue;
    }
    const system = coding.system ?? verdict.system ?? '';
    const concept = terminology.lookup(system, coding.code ?? '')?.concept;
    if (concept?.isAbstract && allowsAbstract === false) {
      problem ??= `'${system}#${coding.code}' is abstract, and abstract codes are not allowed`;
      continue;
    }
    const displays = concept ? [concept.display, ...designationsOf(concept.source).map(({ value }) => value)] : [];
    if (
      coding.display !== undefined &&
      concept?.display !== undefined &&
      !displays.some((text) => same(text, coding.display))
    ) {
      problem ??= `The display of '${system}#${coding.code}' is '${concept.display}', not '${coding.display}'`;
      continue;
    }
    return parametersOf([
      { name: 'result', valueBoolean: true },
      { name: 'display', valueString: concept?.display },
      { name: 'code', valueCode: coding.code },
      { name: 'system', valueUri: system === '' ? undefined : system },
    ]);
  }
  return parametersOf([
    { name: 'result', valueBoolean: false },
    { name: 'message', valueString: problem },
  ]);
}

function same(a: string | undefined, b: string | undefined): boolean {
  return a?.trim().toLowerCase() === b?.trim().toLowerCase();
}
