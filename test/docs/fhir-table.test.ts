/** The tables of docs/fhir.md name tests that exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { convertOperation } from '../../src/fhir/operations/convert.js';
import { documentOperation } from '../../src/fhir/operations/document.js';
import { everythingOperation } from '../../src/fhir/operations/everything.js';
import { graphOperation } from '../../src/fhir/operations/graph.js';
import { graphqlOperation } from '../../src/fhir/operations/graphql.js';
import { lastnOperation } from '../../src/fhir/operations/lastn.js';
import { matchOperation } from '../../src/fhir/operations/match.js';
import { metaOperations } from '../../src/fhir/operations/meta.js';
import { routes } from '../../src/fhir/routes.js';

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const text = (file: string) => readFileSync(path.join(repository, file), 'utf8');

/** Files and titles of the second column. */
function proofs(page: string): { file: string; title: string }[] {
  const rows = page.split('\n').filter((line) => line.startsWith('|'));
  return rows.flatMap((row) =>
    (row.split(/(?<!\\)\|/)[2] ?? '').split('<br>').flatMap((one) => {
      const match = /^\s*`(test\/[^`]+)`: (.*?)\s*$/.exec(one);
      return match === null ? [] : [{ file: match[1], title: match[2].replaceAll('\\|', '|') }];
    }),
  );
}

/** What of a table names a test that is not there. */
function missing(page: string): string[] {
  return proofs(page)
    .filter(({ file, title }) => {
      if (!existsSync(path.join(repository, file))) return true;
      return !text(file).includes(title) && !text(file).replaceAll("\\'", "'").includes(title);
    })
    .map(({ file, title }) => `${file}: ${title}`);
}

describe('the tables of docs/fhir.md', () => {
  const page = text('docs/fhir.md');

  it('name only tests that exist', () => {
    assert.ok(proofs(page).length > 100);
    assert.deepEqual(missing(page), []);
  });

  it('would be found out: a row with a test that does not exist is missed', () => {
    const row = '| x | `test/e2e/rest.test.ts`: no such title<br>`test/none.test.ts`: y |';
    assert.equal(missing(row).length, 2);
  });

  it('have a proof in every row', () => {
    const rows = page
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| item') && !/^\| -+/.test(line));
    assert.deepEqual(
      rows.filter((row) => proofs(row).length === 0),
      [],
    );
  });

  it('name every interaction and every operation of REST that the CapabilityStatement is made from', () => {
    const operations = [
      everythingOperation,
      documentOperation,
      graphOperation,
      graphqlOperation,
      lastnOperation,
      matchOperation,
      convertOperation,
      ...metaOperations,
    ];
    for (const { name } of operations) assert.ok(page.includes(`\`$${name}\``), name);
    for (const { code } of routes) assert.ok(page.includes(code.split('-')[0]) || code === 'capabilities', code);
  });
});
