/** HL7's Java validator (tools/hl7-validator.mjs) as a validator's second engine. HL7_CASES: how many of the corpus' cases it is asked about. */
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseJson } from '../../src/base/json.js';
import { fromParameters } from '../../src/anchoring/proof-parameters.js';
import { fetchRpc, verifyProof } from '../../src/anchoring/verify-proof.js';
import { startEngine, type Engine } from '../../src/cli/validator-engine.js';
import { TestServer } from '../e2e/server.js';
import { casesOf, readLines, run } from '../fhir/validation/corpus.js';
import { freePort } from './support/engine-process.js';
import { ValidatorProcess } from './support/validator-process.js';

const caseCount = Number(process.env.HL7_CASES ?? 200);
const tool = fileURLToPath(new URL('../../../tools/hl7-validator.mjs', import.meta.url));
const command = `"${process.execPath}" "${tool}" 2>/dev/null`;

describe("HL7's validator", () => {
  let engine: Engine;
  before(() => {
    engine = startEngine(command);
  });
  after(() => engine.stop());

  it('says what our validator says of resources, valid ones and ones that were changed in one place', async (t) => {
    // Leaving out what HL7's validator lets pass against the specification (corpus/README.md, "lenient").
    const cases = casesOf('mutations').filter(
      ({ resource, supporting = [], lenient }) => resource && supporting.length === 0 && lenient !== true,
    );
    const step = Math.max(1, Math.floor(cases.length / caseCount));
    const asked = cases.filter((_, n) => n % step === 0);
    const verdicts = await Promise.all(asked.map((one) => engine.judge(one.resource!, one.profiles ?? [])));
    const other = asked.filter((one, n) => verdicts[n] !== run(one).isValid).map(({ id }) => id);
    t.diagnostic(`${asked.length} cases, ${verdicts.filter((isValid) => !isValid).length} of them invalid`);
    assert.deepEqual(other, []);
    assert.ok(verdicts.includes(true) && verdicts.includes(false));
  });

  it('finds what is no resource wrong, and goes on', async () => {
    assert.equal(await engine.judge({ resourceType: 'Nothing' }, []), false);
    assert.equal(await engine.judge({ resourceType: 'Patient' }, []), true);
    assert.equal(await engine.judge({ resourceType: 'Patient', birthDate: 'soon' } as never, []), false);
  });
});

/** A narrative link to a place that is not there: HL7's validator finds an error, ours does not look. */
const disputed = {
  resourceType: 'Patient',
  text: {
    status: 'generated',
    div: '<div xmlns="http://www.w3.org/1999/xhtml"><p id="a">planted</p></div>',
    extension: [
      {
        url: 'http://hl7.org/fhir/StructureDefinition/textLink',
        extension: [
          { url: 'htmlid', valueString: 'nowhere' },
          { url: 'data', valueUri: '#1' },
        ],
      },
    ],
  },
};

describe("a validator that asks HL7's validator as well", () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-hl7-'));
  let server: TestServer;
  let validator: ValidatorProcess;
  before(async () => {
    const port = await freePort();
    const file = path.join(folder, 'validators.json');
    const url = `http://127.0.0.1:${port}`;
    validator = new ValidatorProcess(path.join(folder, 'v'), await freePort(), url, ['--engine', command]);
    writeFileSync(file, JSON.stringify([await validator.describe()]));
    server = await TestServer.start({ VALIDATORS: file, PORT: String(port), ANCHOR_MAX_AGE_MS: '50' });
    await validator.start();
  });
  after(async () => {
    await validator.stop();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  /** The proof of a resource that is created, as soon as it is there. */
  async function proven(resource: { resourceType: string }) {
    const created = await server.post(resource.resourceType, resource, { headers: { prefer: 'wait=60' } });
    assert.equal(created.status, 201, created.text.slice(0, 500));
    const url = `${resource.resourceType}/${created.body.id}/$proof`;
    for (let round = 0; round < 300; round += 1) {
      const { status, text } = await server.get(url);
      if (status === 200) return fromParameters(parseJson(text));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`${url} is never answered`);
  }

  it('attests what both find valid: its receipts are the server’s', async () => {
    const samples = readLines(path.join('throughput', 'mixed-2000.ndjson')).filter((_, n) => n % 100 === 0);
    for (const sample of samples) {
      // Without its references, which lead nowhere here, and without its id.
      const text = JSON.stringify({ ...sample, id: undefined }).replace(/"reference":"[^#"][^"]*"/g, '"display":"x"');
      const proof = await proven(JSON.parse(text));
      await verifyProof(proof, fetchRpc(server.chainUrl));
    }
    assert.deepEqual(validator.disagreements(), []);
  });

  it('refuses what HL7’s validator finds wrong, records it without its content, and goes on', async () => {
    const rpc = fetchRpc(server.chainUrl);
    const proof = await proven(disputed);
    await assert.rejects(verifyProof(proof, rpc), /the validators refused to attest it/);
    const [{ leaf, code, own }, ...others] = validator.disagreements();
    assert.deepEqual([leaf, code, others], [proof.leafIndex, 'engine-disagrees', []]);
    assert.equal(JSON.parse(own).resourceType, 'Patient');
    assert.ok(!JSON.stringify(validator.disagreements()).includes('planted'));
    await verifyProof(await proven({ resourceType: 'Patient' }), rpc);
  });
});
