/** Which language these pages are in: what the browser prefers, as far as there is one; else English. */
import { kinds } from './kinds.js';
import english from './texts-english.js';
import french from './texts-french.js';
import german from './texts-german.js';
import spanish from './texts-spanish.js';

const all = [english, german, spanish, french];
const wanted = navigator.languages.map((tag) => all.find(({ language }) => language === tag.split('-')[0]));

/** Every word on these pages. */
export const texts = wanted.find((one) => one !== undefined) ?? english;

/** A kind of record (`Observation`) as people call it, in the words of the sign-in pages. */
export function kind(type) {
  return kinds[texts.language][type] ?? type.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}

/** Kinds of records that have a word, as `[type, word]`. */
export const knownKinds = Object.entries(kinds[texts.language]);

/** A day in words. */
export function day(text) {
  return new Date(text).toLocaleDateString(texts.language, { dateStyle: 'long' });
}

/** A moment in words. */
export function moment(text) {
  return new Date(text).toLocaleString(texts.language, { dateStyle: 'long', timeStyle: 'short' });
}

document.documentElement.lang = texts.language;
for (const element of document.querySelectorAll('[data-text]')) element.textContent = texts[element.dataset.text];
for (const element of document.querySelectorAll('[data-label]'))
  element.setAttribute('aria-label', texts[element.dataset.label]);
