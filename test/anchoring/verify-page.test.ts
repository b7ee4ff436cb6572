import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sha256, toHex } from '../../src/base/bytes.js';
import { stringifyJson } from '../../src/base/json.js';
import { buildProof } from '../../src/anchoring/proof-builder.js';
import { anchorerOf, proofSourceOf, settle, startNetwork, type Network } from './harness.js';

type Bytes = Uint8Array;
/** What the script of the page exports. */
interface Page {
  sha256(...parts: Bytes[]): Bytes;
  readJson(text: string): { resourceType: string };
  elementsOf(resource: object): [string, string][];
  commitmentOfResource(resource: object, salt: Bytes): Bytes;
  commitmentOfDisclosure(elements: [string, string, Bytes, string][], hidden: [string, Bytes][]): Bytes;
  urlSaltOf(salt: Bytes): Bytes;
  cidDigest(cid: string): Bytes;
  versionLeaf(profileSet: Bytes, level: number, commitment: Bytes, block: Bytes, urlHash: Bytes, receipt: Bytes): Bytes;
  deletionLeaf(urlHash: Bytes, time: number): Bytes;
  rootFromInclusion(leaf: Bytes, index: number, size: number, path: Bytes[]): Bytes | undefined;
  headDigest(chainId: number, contract: Bytes, head: Record<string, Bytes | number>): Bytes;
  recover(digest: Bytes, r: Bytes, vs: Bytes): string | undefined;
  endpoint(url: string): unknown;
  verify(text: string, rpc: unknown, trusted?: string): Promise<{ content: string; confirmations: number }>;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));
const html = readFileSync(`${root}web/verify.html`, 'utf8');
const script = /<script type="module">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';
const page = (await import(`data:text/javascript;base64,${Buffer.from(script).toString('base64')}`)) as Page;
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
/* eslint-disable @typescript-eslint/no-explicit-any */
const vectors = JSON.parse(readFileSync(`${root}test/cases/poi/vectors.json`, 'utf8')) as Record<string, any[]>;
/* eslint-enable @typescript-eslint/no-explicit-any */

describe('the page web/verify.html', () => {
  it('loads nothing from anywhere', () => {
    assert.doesNotMatch(html, /<script[^>]+src=|<link|@import|url\(/);
    assert.match(html, /default-src 'none'/);
  });

  it('hashes as FIPS 180-4 says', () => {
    for (const size of [0, 1, 55, 56, 63, 64, 65, 200]) {
      const data = new Uint8Array(size).fill(size);
      assert.equal(toHex(page.sha256(data)), toHex(sha256(data)));
    }
  });

  it('agrees with the published test vectors', () => {
    for (const vector of vectors.versions) {
      const resource = page.readJson(vector.resource as string);
      assert.deepEqual(
        page.elementsOf(resource).map(([path, text]) => `${path} = ${text}`),
        vector.elements,
        vector.name as string,
      );
      const commitment = page.commitmentOfResource(resource, bytes(vector.leafSalt));
      assert.equal(toHex(commitment), vector.commitment);
      const urlHash = page.sha256(page.urlSaltOf(bytes(vector.leafSalt)), Buffer.from(vector.url as string));
      const leaf = page.versionLeaf(
        bytes(vector.profileSet),
        vector.level,
        commitment,
        page.cidDigest(vector.cid),
        urlHash,
        bytes(vector.receipt),
      );
      assert.equal(toHex(leaf), vector.leaf);
    }
    for (const vector of vectors.deletions) {
      const urlHash = page.sha256(page.urlSaltOf(bytes(vector.leafSalt)), Buffer.from(vector.url as string));
      assert.equal(toHex(page.deletionLeaf(urlHash, vector.lastUpdated)), vector.leaf);
    }
    for (const vector of vectors.disclosures) {
      const elements = vector.elements.map((each: Record<string, string>) => [
        each.path,
        each.json,
        bytes(each.salt),
        each.place,
      ]);
      const hidden = vector.hidden.map((each: string) => [each.split(':')[0], bytes(each.split(':')[1])]);
      assert.equal(toHex(page.commitmentOfDisclosure(elements, hidden)), vector.commitment);
    }
    for (const { leaf, index, size, path, root: expected } of vectors.inclusions)
      assert.equal(toHex(page.rootFromInclusion(bytes(leaf), index, size, path.map(bytes)) ?? Buffer.of()), expected);
    for (const { chainId, contract, head, digest, signer, r, vs } of vectors.attestations) {
      const statement = Object.fromEntries(
        Object.entries(head as Record<string, string | number>).map(([name, value]) => [
          name,
          typeof value === 'string' ? bytes(value) : value,
        ]),
      );
      assert.equal(toHex(page.headDigest(chainId, bytes(contract), statement)), digest);
      assert.equal(page.recover(bytes(digest), bytes(r), bytes(vs)), `0x${signer}`);
    }
  });

  describe('with a proof and a chain', () => {
    let network: Network;
    let [whole, element, deletion] = ['', '', ''];
    before(async () => {
      network = await startNetwork();
      const anchorer = anchorerOf(network);
      network.log.addMany(40);
      const row = network.log.add(
        '{"resourceType":"Observation","id":"o1","meta":{"versionId":"1"},"status":"final","valueQuantity":{"value":13.50}}',
      );
      const gone = network.log.delete('Observation', 'o1', 2);
      await settle(anchorer);
      const source = proofSourceOf(network, [anchorer]);
      whole = stringifyJson(await buildProof(source, row));
      element = stringifyJson(await buildProof(source, row, { show: { elements: ['Observation.valueQuantity'] } }));
      deletion = stringifyJson(await buildProof(source, gone));
    });
    after(() => network.close());

    it('says that it holds, and what it shows', async () => {
      const rpc = page.endpoint(network.embedded.url);
      assert.equal(
        (await page.verify(whole, rpc, network.contracts.anchorLog)).content,
        'the resource is the one that was committed',
      );
      assert.equal((await page.verify(element, rpc)).content, 'Observation.valueQuantity.value = 13.50');
      assert.equal((await page.verify(deletion, rpc)).content, 'no content is shown');
    });

    it('refuses it with the reason when something was changed', async () => {
      const rpc = page.endpoint(network.embedded.url);
      const refusals: [string, RegExp, string?][] = [
        [whole.replace('13.50', '13.5'), /content was changed/],
        [element.replace('13.50', '13.51'), /another commitment/],
        [deletion.replace('.123Z', '.124Z'), /parts of the leaf/],
        [whole.replace(/("name":"inclusion","valueString":"0x)(.)/, otherDigit), /inclusion path leads to/],
        [whole.replace(/("name":"vs","valueString":"0x.{20})(.)/, otherDigit), /is not its signature/],
        [whole.replace(/"name":"batch","valueDecimal":1/, '"name":"batch","valueDecimal":2'), /anchored another head/],
        [whole.replace('mooring-proof-1', 'other'), /another form/],
        [whole, /the trusted one is/, `0x${'12'.repeat(20)}`],
        ['{"resourceType":"Patient"}', /no FHIR Parameters/],
        [whole.slice(1), /not JSON/],
      ];
      for (const [text, reason, trusted] of refusals) await assert.rejects(page.verify(text, rpc, trusted), reason);
    });
  });
});

/** For String.replace: another digit in the place of the one behind what matched first. */
function otherDigit(_match: string, before: string, digit: string): string {
  return before + (digit === 'f' ? 'e' : 'f');
}
