/** Examples that a reader of the specification can check: each search on one resource, by the index and by the plain evaluator. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { parseJson } from '../../../src/base/json.js';
import type { Resource } from '../../../src/base/resource.js';
import { matches } from '../../../src/fhir/search/matches.js';
import { parseSearch } from '../../../src/fhir/search/query.js';
import { MemoryIndex, testContext } from './memory-index.js';

interface Case {
  readonly title: string;
  readonly resource: Resource;
  readonly finds: readonly string[];
  readonly passes: readonly string[];
}

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../..');
const file = path.join(repository, 'test/cases/search/values.json');
const cases = parseJson(readFileSync(file, 'utf8')) as unknown as readonly Case[];
const context = testContext();

/** `a=b&c=d` without percent-encoding, so that the cases read as the specification's examples. */
function paramsOf(text: string): (readonly [string, string])[] {
  return text.split('&').map((param) => {
    const at = param.indexOf('=');
    return [param.slice(0, at), param.slice(at + 1)] as const;
  });
}

for (const { title, resource, finds, passes } of cases) {
  test(title, async () => {
    const index = new MemoryIndex(context, [resource]);
    const wrong: string[] = [];
    for (const search of [...finds, ...passes]) {
      const query = parseSearch(context, resource.resourceType, paramsOf(search), 'strict');
      const byIndex = (await index.search(query)).length === 1;
      const byEvaluator = query.conditions.some((condition) => matches(context, resource, condition));
      const expected = finds.includes(search);
      if (byIndex !== expected || byEvaluator !== expected) {
        wrong.push(`${search}: expected ${expected}, index ${byIndex}, evaluator ${byEvaluator}`);
      }
    }
    assert.deepEqual(wrong, []);
  });
}
