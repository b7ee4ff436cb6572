/** The words of the pages for patients: each language has all of them, and the pages use no others. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { languages } from '../../src/smart/authorization-server/texts/languages.js';

type Words = Record<string, unknown>;

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../web/patient');
const files = readdirSync(folder);
const pages = await Promise.all(
  files
    .filter((file) => file.startsWith('texts-'))
    .map(async (file) => ((await import(pathToFileURL(path.join(folder, file)).href)) as { default: Words }).default),
);
const english = pages.find(({ language }) => language === 'en') ?? {};

/** What a word needs, so that languages can be compared: functions with how many facts. */
function shape(words: Words): Words {
  return Object.fromEntries(
    Object.entries(words)
      .map(([name, word]) => {
        if (typeof word === 'function') return [name, word.length] as const;
        return [name, typeof word === 'object' && word !== null ? shape(word as Words) : typeof word] as const;
      })
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

describe('the pages for patients', () => {
  it('are in every language that the sign-in pages are in, with the same words', () => {
    const known = languages.map(({ language }) => language).sort();
    assert.deepEqual(pages.map(({ language }) => language).sort(), known);
    for (const words of pages) assert.deepEqual(shape(words), shape(english), String(words.language));
    for (const words of pages) {
      for (const [name, word] of Object.entries(words)) assert.notEqual(word, '', `${String(words.language)} ${name}`);
    }
  });

  it('name only words that are there, and none is unused', () => {
    const used = new Set<string>(['language']);
    for (const file of files.filter((one) => !one.startsWith('texts-') && /\.(html|js)$/.test(one))) {
      const text = readFileSync(path.join(folder, file), 'utf8');
      for (const [, attribute, property] of text.matchAll(/data-(?:text|label)="(\w+)"|\btexts\.(\w+)/g)) {
        used.add(attribute ?? property ?? '');
      }
    }
    assert.deepEqual(
      [...used].filter((name) => !(name in english)),
      [],
      'not there',
    );
    assert.deepEqual(
      Object.keys(english).filter((name) => !used.has(name)),
      [],
      'unused',
    );
  });

  it('have every text of their HTML in the words, so that no English is left in another language', () => {
    for (const file of files.filter((one) => one.endsWith('.html'))) {
      const body = readFileSync(path.join(folder, file), 'utf8');
      for (const [, name, text] of body.matchAll(/data-text="(\w+)"[^>]*>([^<]*)</g)) {
        assert.equal(text?.replaceAll(/\s+/g, ' ').trim(), english[name ?? ''], `${file}: ${String(name)}`);
      }
      const bare = body
        .replaceAll(/<(\w+)[^>]*data-text=[^>]*>[^<]*</g, '<')
        .replaceAll(/<(script|style|code)[\s\S]*?<\/\1>/g, '')
        .replaceAll(/<!?[^>]*>/g, '')
        .replaceAll(/[\s.]/g, '');
      assert.equal(bare, '', file);
    }
  });
});
