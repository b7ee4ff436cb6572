/** The policies that stand above a Consent's provisions, as far as the operator knows them. */
import { ACT_CODE } from './hierarchies.js';

/**
 * Name (`system|code` of a policyRule, or the `uri` of a policy) to what it says where no provision does: `none` leaves it to the
 * operator's implicit policy. A name that is missing is unknown: consents under it cannot permit.
 */
export type OverarchingPolicies = ReadonlyMap<string, 'permit' | 'deny' | 'none'>;

const POLICY_CODES = 'http://terminology.hl7.org/CodeSystem/consentpolicycodes';

const entries = (system: string, codes: string, effect: 'permit' | 'deny' | 'none') =>
  codes.split(' ').map((code) => [`${system}|${code}`, effect] as const);

/** HL7's own codes. Sources: v3-ActCode (consent directives), https://hl7.org/fhir/R4/codesystem-consentpolicycodes.html */
export const DEFAULT_OVERARCHING: OverarchingPolicies = new Map([
  ...entries(ACT_CODE, 'OPTIN OPTINR', 'permit'),
  ...entries(ACT_CODE, 'OPTOUT OPTOUTE NOCONSENT NOPP EMRGONLY', 'deny'),
  ...entries(
    ACT_CODE,
    'IMPLIED IMPLIEDD GRANTORCHOICE ICOL IDSCL INFA INFAO INFASO IRDSCL RESEARCH RSDID RSREID',
    'none',
  ),
  ...entries(
    POLICY_CODES,
    'cric illinois-minor-procedure hipaa-auth hipaa-notice hipaa-restrictions hipaa-research hipaa-self-pay mdhhs-5515 nyssipp va-10-0484 va-10-0485 va-10-5345 va-10-5345a va-10-5345a-mhv va-10-10116 va-21-4142 ssa-827 dch-3927 squaxin nl-lsp at-elga nih-hipaa nci nih-grdr nih-527 ga4gh',
    'none',
  ),
  // The base policy of the examples of IHE's Privacy Consent on FHIR, so that they can be tried as they are.
  ['http://example.org/policies/basePrivacyConsentPolicy.txt', 'none'],
]);

/** The default, extended by what the operator configured. @param extra names with their effect. */
export function overarchingPolicies(
  extra: Iterable<readonly [string, 'permit' | 'deny' | 'none']>,
): OverarchingPolicies {
  return new Map([...DEFAULT_OVERARCHING, ...extra]);
}
