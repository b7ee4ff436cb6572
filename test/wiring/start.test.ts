/** What an operator meets at a start that cannot be: in words, and with nothing left open. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer } from '../../src/server.js';
import { testConfig, TestServer } from '../e2e/server.js';
import { tempFolder } from '../suites/temp.js';

test('a port or a folder that another server has is named; the folder is free again for a start on another port', async (t) => {
  const first = await TestServer.start();
  t.after(() => first.stop());
  const { port } = new URL(first.baseUrl);
  const folder = await tempFolder();
  await assert.rejects(
    createServer(testConfig(folder, { PORT: port })),
    new RegExp(`port ${port} of 127\\.0\\.0\\.1 is in use: stop what listens there, or set PORT`),
  );
  await assert.rejects(createServer(testConfig(first.folder)), /is in use by (?:the|this) process/);
  const second = await createServer(testConfig(folder));
  await second.close();
  assert.equal((await first.get('metadata')).status, 200, 'the first serves on');
});
