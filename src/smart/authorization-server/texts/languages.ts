/** Which language the pages are in: what the browser prefers, as far as there is one; else English. */
import { english } from './english.js';
import { french } from './french.js';
import { german } from './german.js';
import { spanish } from './spanish.js';
import type { Texts } from './texts.js';

export const languages: readonly Texts[] = [english, german, spanish, french];

/**
 * @param preferences an Accept-Language header (RFC 9110, 12.5.4): `de-CH, fr;q=0.8`.
 * @returns the texts of the most wanted language that is there, by its first part.
 */
export function textsFor(preferences: string | undefined): Texts {
  const wanted = (preferences ?? '')
    .split(',', 20)
    .map((range) => {
      const [tag, ...parameters] = range.trim().toLowerCase().split(';');
      const weight = parameters.map((one) => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(one)?.[1]).find(Boolean);
      return { language: tag.split('-')[0], weight: Number(weight ?? 1) };
    })
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
  for (const { language } of wanted) {
    const known = languages.find((texts) => texts.language === language);
    if (known !== undefined) return known;
  }
  return english;
}
