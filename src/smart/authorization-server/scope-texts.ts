/** Scopes in words that a patient understands: what an app could see or change. */
import { parseScope, type ClinicalScope } from '../scopes.js';
import type { ScopeWords } from './texts/texts.js';

/**
 * What a scope lets an app do, as one line.
 * @param isOwn the patient in context is the user herself.
 * @returns undefined for scopes that no user needs to think about (`openid`, `launch`).
 */
export function scopeText(words: ScopeWords, text: string, isOwn: boolean): string | undefined {
  const scope = parseScope(text);
  if (scope === undefined) return isIdentity(text) ? words.whoYouAre : undefined;
  const { level, resourceType, filter } = scope;
  const things = resourceType === '*' ? words.everything : typeText(words, resourceType);
  const narrowed = filter === undefined ? '' : ` (${filterText(words, filter)})`;
  const whose = level !== 'patient' ? 'all' : isOwn ? 'own' : 'patient';
  return words.line({ verbs: verbText(words, scope), things: `${things}${narrowed}`, whose });
}

/** Whether the user is asked about a scope. */
export function isChoice(text: string): boolean {
  return parseScope(text) !== undefined || isIdentity(text);
}

function isIdentity(scope: string): boolean {
  return scope === 'fhirUser' || scope === 'profile';
}

function verbText({ verbs, and }: ScopeWords, { permissions }: ClinicalScope): string {
  const has = (letter: string) => permissions.includes(letter);
  const words = [
    ...(has('r') || has('s') ? [verbs.see] : []),
    ...(has('c') ? [verbs.add] : []),
    ...(has('u') ? [verbs.change] : []),
    ...(has('d') ? [verbs.delete] : []),
  ];
  const last = words.pop() ?? '';
  const text = words.length === 0 ? last : `${words.join(', ')} ${and} ${last}`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Types without a word of their own keep their name, in words. */
function typeText({ types, otherType }: ScopeWords, resourceType: string): string {
  if (Object.hasOwn(types, resourceType)) return types[resourceType];
  return otherType(resourceType.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase());
}

function filterText({ filters, onlyWhere }: ScopeWords, filter: string): string {
  return [...new URLSearchParams(filter)]
    .map(([name, value]) => {
      const code = value.split('|').at(-1) ?? value;
      return Object.hasOwn(filters, code) ? filters[code] : onlyWhere(name, code);
    })
    .join(', ');
}
