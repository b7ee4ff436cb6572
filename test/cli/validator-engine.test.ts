import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEngine } from '../../src/cli/validator-engine.js';

/** Finds one error in what is marked, cannot judge a Bundle, and ends when it sees a List. */
const script = `
import { createInterface } from 'node:readline';
console.log('ready');
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, resource } = JSON.parse(line);
  if (resource.resourceType === 'List') process.exit(3);
  const problem = resource.resourceType === 'Bundle' ? { problem: 'too large' } : { errors: resource.marked ? 1 : 0 };
  console.log(JSON.stringify({ id, ...problem }));
});`;

describe('a second engine behind a command', () => {
  it('judges each content, and says when it cannot', async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'mooring-engine-'));
    const file = path.join(folder, 'engine.mjs');
    writeFileSync(file, script);
    const engine = startEngine(`"${process.execPath}" "${file}"`);
    t.after(() => {
      engine.stop();
      rmSync(folder, { recursive: true });
    });
    const verdicts = [{ resourceType: 'Basic' }, { resourceType: 'Basic', marked: true }].map((resource) =>
      engine.judge(resource, []),
    );
    assert.deepEqual(await Promise.all(verdicts), [true, false]);
    await assert.rejects(engine.judge({ resourceType: 'Bundle' }, []), /could not judge: too large/);
    await assert.rejects(engine.judge({ resourceType: 'List' }, []), /ended: status 3/);
    await assert.rejects(engine.judge({ resourceType: 'Basic' }, []), /ended/);
  });
});
