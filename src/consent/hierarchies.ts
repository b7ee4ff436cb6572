/**
 * The code hierarchies that consent depends on: from HL7's v3 code systems as R4 (4.0.1) publishes them.
 *
 * Sources: https://terminology.hl7.org/CodeSystem-v3-ActReason.html, https://terminology.hl7.org/CodeSystem-v3-ActCode.html
 */

export const ACT_REASON = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';
export const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
export const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
export const CONSENT_ACTION = 'http://terminology.hl7.org/CodeSystem/consentaction';
export const RESOURCE_TYPES = 'http://hl7.org/fhir/resource-types';

/** Each line: a code, then its children. */
const PURPOSES = `
PurposeOfUse HMARKT HOPERAT HPAYMT HRESCH PATRQT PUBHLTH TREAT
HOPERAT CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN MEMADMIN MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN
HSYSADMIN LABELING METAMGT
SYSDEV HTEST
HPAYMT CLMATTCH COVAUTH COVERAGE REMITADV
COVERAGE ELIGDTRM ELIGVER ENROLLM MILDCRG
HRESCH BIORCH CLINTRCH DSRCH POARCH TRANSRCH
CLINTRCH CLINTRCHNPC CLINTRCHPC PRECLINTRCH
PATRQT FAMRQT PWATRNY SUPNWK
PUBHLTH DISASTER THREAT
TREAT CLINTRL COC ETREAT POPHLTH
ETREAT BTG ERTREAT`;

const SENSITIVITIES = `
_InformationSensitivityPolicy _ActInformationSensitivityPolicy _EntitySensitivityPolicyType _RoleInformationSensitivityPolicy ADOL CEL DIA DRGIS EMP PDS PHY PRS
_ActInformationSensitivityPolicy ETH GDIS HIV MST SCA SDV SEX SPI STD TBOO VIO
SPI BH MH PSY PSYTHPN SUD
BH COGN DVD EMOTDIS
SUD ETHUD OPIOIDUD
TBOO SICKLE
_EntitySensitivityPolicyType DEMO DOB GENDER LIVARG MARST RACE REL
_RoleInformationSensitivityPolicy B EMPL LOCIS SSP`;

function parentsIn(lines: string): Map<string, string> {
  const parents = new Map<string, string>();
  for (const line of lines.trim().split('\n')) {
    const [parent = '', ...children] = line.split(' ');
    for (const child of children) parents.set(child, parent);
  }
  return parents;
}

const purposeParents = parentsIn(PURPOSES);
const sensitivityParents = parentsIn(SENSITIVITIES);

function withAncestors(code: string, parents: ReadonlyMap<string, string>): string[] {
  const found = [code];
  for (let next = parents.get(code); next !== undefined; next = parents.get(next)) found.push(next);
  return found;
}

/** The code and everything that it is a kind of; a code that the system does not have is only itself. */
export function selfAndAncestors(system: string, code: string): string[] {
  if (system === ACT_REASON) return withAncestors(code, purposeParents);
  if (system === ACT_CODE) return withAncestors(code, sensitivityParents);
  return [code];
}

const LEVELS: Readonly<Record<string, number>> = { U: 0, L: 1, M: 2, N: 3, R: 4, V: 5 };

/** Level of a record without a Confidentiality label: N, normal, as the code system's own default is. */
export const NORMAL = 3;

/** 0 (unrestricted) to 5 (very restricted); undefined for a code that is no level of Confidentiality. */
export function confidentialityLevel(code: string): number | undefined {
  return Object.hasOwn(LEVELS, code) ? LEVELS[code] : undefined;
}

const ALIASES: readonly (readonly [RegExp, string])[] = [
  [/^http:\/\/hl7\.org\/fhir\/v3\//, 'http://terminology.hl7.org/CodeSystem/v3-'],
  [/^http:\/\/hl7\.org\/fhir\/consentaction$/, CONSENT_ACTION],
  [/^urn:oid:2\.16\.840\.1\.113883\.5\.8$/, ACT_REASON],
  [/^urn:oid:2\.16\.840\.1\.113883\.5\.4$/, ACT_CODE],
  [/^urn:oid:2\.16\.840\.1\.113883\.5\.25$/, CONFIDENTIALITY],
];

/** One name for systems that earlier FHIR releases or OIDs name differently. */
export function canonicalSystem(system: string): string {
  for (const [form, canonical] of ALIASES) if (form.test(system)) return system.replace(form, canonical);
  return system;
}
