/**
 * BCP-47 language tags: form by RFC 5646, subtags by the IANA registry (package language-subtag-registry).
 *
 * A tag that is not well formed or has unregistered subtags is `unknown`, not `out`: the HL7 validator warns, and so do we.
 */
import { createRequire } from 'node:module';
import { plainConcept, type KnownSystem } from './known-system.js';

type Kind = 'language' | 'extlang' | 'script' | 'region' | 'variant' | 'grandfathered';

const form =
  /^([a-z]{2,3}|[a-z]{4,8})((?:-[a-z]{3}){0,3})(-[a-z]{4})?(-(?:[a-z]{2}|[0-9]{3}))?((?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)((?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*)(-x(?:-[a-z0-9]{1,8})+)?$/;

const kinds = new Map<Kind, ReadonlySet<string>>();

function registered(kind: Kind): ReadonlySet<string> {
  let subtags = kinds.get(kind);
  if (!subtags) {
    const file = createRequire(import.meta.url)(`language-subtag-registry/data/json/${kind}.json`) as object;
    subtags = new Set(Object.keys(file).map((subtag) => subtag.toLowerCase()));
    kinds.set(kind, subtags);
  }
  return subtags;
}

/** What is wrong with a tag; undefined when it is well formed and all its subtags are registered. */
function languageProblem(tag: string): string | undefined {
  const lower = tag.toLowerCase();
  if (lower.length > 100) return 'it is too long';
  if (/^x(-[a-z0-9]{1,8})+$/.test(lower) || registered('grandfathered').has(lower)) return undefined;
  const parts = form.exec(lower);
  if (!parts) return 'it has not the form of BCP 47';
  const [, language, extlang, script, region, variants] = parts;
  const isKnown = (kind: Kind, subtag: string) => registered(kind).has(subtag);
  const unknown = [
    ...(isKnown('language', language) || /^q[a-t][a-z]$/.test(language) ? [] : [language]),
    ...extlang.split('-').filter((subtag) => subtag !== '' && !isKnown('extlang', subtag)),
    ...[script?.slice(1)].filter((tag) => tag && !isKnown('script', tag) && !/^qa[ab][a-z]$/.test(tag)),
    ...[region?.slice(1)].filter((tag) => tag && !isKnown('region', tag) && !/^(aa|q[m-z]|x[a-z]|zz)$/.test(tag)),
    ...variants.split('-').filter((subtag) => subtag !== '' && !isKnown('variant', subtag)),
  ];
  return unknown.length === 0 ? undefined : `${unknown.map((subtag) => `'${subtag}'`).join(', ')} is not registered`;
}

/** Spec: https://hl7.org/fhir/R4/valueset-all-languages.html */
export const languages: KnownSystem = {
  url: 'urn:ietf:bcp:47',
  name: 'BCP 47',
  status: 'fragment',
  isCaseSensitive: false,
  contains: (code) => (languageProblem(code) === undefined ? 'in' : 'unknown'),
  find: (code) => (languageProblem(code) === undefined ? plainConcept(code) : undefined),
  concepts: () => undefined,
  explain: languageProblem,
};
