import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { startEmbeddedChain, type EmbeddedChain } from '../../src/chain/embedded-anvil.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { TestServer } from '../e2e/server.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

describe('web/verify.html in Chromium', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-verify-page-'));
  let server: TestServer;
  let other: EmbeddedChain;
  let browser: Browser;
  let page: Page;
  let host: Server;
  let proof = '';
  let element = '';
  let contract = '';
  /** Where the page sent requests to, since it was opened. */
  const asked: string[] = [];

  before(async () => {
    server = await TestServer.start({ ANCHOR_MAX_AGE_MS: '20' });
    other = await startEmbeddedChain({ folder, chainId: 1337 });
    const body = { resourceType: 'Basic', code: { text: 'seen' }, author: { display: 'Ångström' } };
    const created = await server.post('Basic', body, { headers: { Prefer: 'wait=30' } });
    proof = (await server.get(`Basic/${created.body.id}/$proof`)).text;
    element = (await server.get(`Basic/${created.body.id}/$disclose?element=Basic.code`)).text;
    contract = /"name":"contract","valueString":"(0x[0-9a-f]{40})"/.exec(proof)?.[1] ?? '';
    host = createServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
      response.end(readFileSync(path.join(root, 'web/verify.html')));
    });
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 900, height: 1100 } });
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(`http://127.0.0.1:${(host.address() as AddressInfo).port}/verify.html`);
  });
  after(async () => {
    await browser.close();
    await new Promise((resolve) => host.close(resolve));
    await other.stop();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  async function check(text: string, rpc: string, trusted = contract): Promise<{ kind: string; text: string }> {
    await page.fill('#proof', text);
    await page.fill('#rpc', rpc);
    await page.fill('#contract', trusted);
    await page.click('button');
    await page.waitForSelector('output.holds, output.fails');
    const result = page.locator('#result');
    const found = { kind: (await result.getAttribute('class')) ?? '', text: await result.innerText() };
    const shots = process.env.SCREENSHOTS;
    if (shots !== undefined)
      await page.screenshot({ path: path.join(shots, `verify-${found.kind}.png`), fullPage: true });
    await page.evaluate(() => {
      const output = (
        globalThis as unknown as { document: { getElementById(id: string): { className: string } } }
      ).document.getElementById('result');
      output.className = '';
    });
    return found;
  }

  it('says that a proof holds, whole and in parts, and what it shows', async () => {
    const whole = await check(proof, server.chainUrl);
    assert.equal(whole.kind, 'holds', whole.text);
    assert.match(whole.text, /The proof holds[\s\S]*the resource is the one that was committed/);
    const part = await check(element, server.chainUrl);
    assert.equal(part.kind, 'holds', part.text);
    assert.match(part.text, /Basic\.code\.text = "seen"/);
  });

  it('says why it does not hold when a byte of it was changed', async () => {
    const changed = await check(proof.replace('"seen"', '"sees"'), server.chainUrl);
    assert.equal(changed.kind, 'fails');
    assert.match(changed.text, /The proof does not hold[\s\S]*its content was changed/);
  });

  it('refuses it on another chain, and for another contract', async () => {
    assert.match((await check(proof, other.url)).text, /serves chain 1337, on which the proof is not anchored/);
    const foreign = await check(proof, server.chainUrl, `0x${'12'.repeat(20)}`);
    assert.match(foreign.text, /the trusted one is/);
  });

  it('asks nobody but the chain', () => {
    const ours = server.baseUrl.replace(/\/fhir$/, '');
    const [own, ...rest] = [...new Set(asked.map((url) => new URL(url).origin))];
    assert.ok(own !== undefined && !rest.includes(ours));
    assert.deepEqual(rest.sort(), [new URL(server.chainUrl).origin, new URL(other.url).origin].sort());
  });
});
