/** `$lookup` and `$subsumes`. Spec: https://hl7.org/fhir/R4/codesystem-operation-lookup.html, https://hl7.org/fhir/R4/codesystem-operation-subsumes.html */
import { fhirError } from '../../../base/outcome.js';
import type { Resource } from '../../../base/resource.js';
import type { Concept } from '../known-system.js';
import { designationsOf } from '../resource-system.js';
import { parametersOf, type Input, type OutputParameter } from './parameters.js';
import { codeSystemSubject, type TerminologyServices } from './subject.js';

/**
 * What is known of a code: name of the system, version, display, definition, designations and properties.
 * @throws FhirError 400 for odd or missing parameters, 404 `not-found` for an unknown system or code.
 */
export function lookupOperation(services: TerminologyServices, input: Input): Resource {
  const coding = input.coding('coding');
  const code = coding?.code ?? input.text('code');
  const url = coding?.system ?? input.text('system');
  if (typeof code !== 'string' || typeof url !== 'string') {
    throw fhirError(400, 'required', "'code' and 'system', or 'coding' with both, are needed.");
  }
  const version = coding?.version ?? input.text('version');
  const system = services.terminology.system(url, version);
  if (!system) throw fhirError(404, 'not-found', `The code system ${url} is not known here.`);
  const concept = system.find(code);
  if (!concept) throw fhirError(404, 'not-found', `'${code}' is no known code of ${url}.`);
  const wanted = input.texts('property');
  const isWanted = (property: string) => wanted.length === 0 || wanted.includes(property) || wanted.includes('*');
  return parametersOf([
    { name: 'name', valueString: system.name ?? url },
    { name: 'version', valueString: system.version },
    { name: 'display', valueString: displayIn(concept, input.text('displayLanguage')) ?? concept.code },
    { name: 'definition', valueString: concept.source.definition },
    ...(isWanted('designation') ? designationsOf(concept.source).map(designationParameter) : []),
    ...propertiesOf(concept)
      .filter(({ name }) => isWanted(name))
      .map(propertyParameter),
  ]);
}

function displayIn(concept: Concept, language: string | undefined): string | undefined {
  const wanted = language?.toLowerCase().split('-')[0];
  const translated = designationsOf(concept.source).find(
    (each) => wanted && each.language?.toLowerCase().split('-')[0] === wanted,
  );
  return translated?.value ?? concept.display;
}

function designationParameter({ language, use, value }: ReturnType<typeof designationsOf>[number]): OutputParameter {
  const part = [
    ...(language === undefined ? [] : [{ name: 'language', valueCode: language }]),
    ...(use === undefined ? [] : [{ name: 'use', valueCoding: use }]),
    { name: 'value', valueString: value },
  ];
  return { name: 'designation', part };
}

interface Property {
  readonly name: string;
  readonly key: string;
  readonly value: unknown;
  readonly description?: string;
}

function propertiesOf(concept: Concept): Property[] {
  const related = (name: string, others: readonly Concept[]) =>
    others.map(({ code, display }) => ({ name, key: 'valueCode', value: code, description: display }));
  const own = (concept.source.property ?? []).flatMap(({ code, ...rest }) => {
    const found = Object.entries(rest).find(([key]) => key.startsWith('value'));
    const isRelation = ['parent', 'child', 'subsumedBy', 'inactive'].includes(code);
    return found && !isRelation ? [{ name: code, key: found[0], value: found[1] }] : [];
  });
  return [
    ...related('parent', concept.parents),
    ...related('child', concept.children),
    { name: 'inactive', key: 'valueBoolean', value: concept.isInactive },
    ...own,
  ];
}

function propertyParameter({ name, key, value, description }: Property): OutputParameter {
  const part = [
    { name: 'code', valueCode: name },
    { name: 'value', [key]: value },
    ...(description === undefined ? [] : [{ name: 'description', valueString: description }]),
  ];
  return { name: 'property', part };
}

/**
 * How A relates to B: Parameters with `outcome`.
 * @throws FhirError 400 for odd or missing parameters, 404 `not-found` for an unknown system or code.
 */
export function subsumesOperation(services: TerminologyServices, input: Input, instance?: Resource): Resource {
  const given = codeSystemSubject(services, input, instance);
  const terminology = given?.terminology ?? services.terminology;
  const [a, b] = [input.coding('codingA'), input.coding('codingB')];
  const [codeA, codeB] = [a?.code ?? input.text('codeA'), b?.code ?? input.text('codeB')];
  const url = a?.system ?? b?.system ?? given?.canonical.split('|')[0] ?? input.text('system');
  if (typeof codeA !== 'string' || typeof codeB !== 'string' || typeof url !== 'string') {
    throw fhirError(
      400,
      'required',
      "'codeA', 'codeB' and 'system', or 'codingA' and 'codingB' with both, are needed.",
    );
  }
  if (a && b && a.system !== b.system) throw fhirError(400, 'invalid', 'The codings are of different systems.');
  const system = terminology.system(url, a?.version ?? input.text('version'));
  if (!system) throw fhirError(404, 'not-found', `The code system ${url} is not known here.`);
  for (const code of [codeA, codeB]) {
    if (!system.find(code)) throw fhirError(404, 'not-found', `'${code}' is no known code of ${url}.`);
  }
  const outcome = terminology.subsumes(url, codeA, codeB, a?.version ?? input.text('version'));
  return parametersOf([{ name: 'outcome', valueCode: outcome }]);
}
