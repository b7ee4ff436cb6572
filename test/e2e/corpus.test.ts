/** Synthea's patients, whole. CORPUS_PATIENTS: so many of them, for engines that search without indexes. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { parseJson, stringifyJson } from '../../src/base/json.js';
import { rewriteLinks } from '../../src/fhir/bundle/references.js';
import { TestServer } from './server.js';

const folder = new URL('../../../../shared/corpus/synthea/', import.meta.url);

interface Entry {
  fullUrl: string;
  resource: { resourceType: string; [element: string]: unknown };
  request: { method: string; url: string; ifNoneExist?: string };
}

describe('whole Synthea patients', () => {
  let server: TestServer;
  // The hospitals and practitioners that all patients refer to come first.
  const files = readdirSync(folder)
    .sort()
    .slice(0, 2 + Number(process.env.CORPUS_PATIENTS ?? Infinity));
  const texts = files.map((file) => readFileSync(new URL(file, folder), 'utf8'));
  const locations = new Map<string, string>();

  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  const load = async () => {
    const statuses = new Map<string, number>();
    const places: string[][] = [];
    for (const text of texts) {
      const { status, body } = await server.post('', text);
      assert.equal(status, 200, JSON.stringify(body).slice(0, 2000));
      for (const { response } of body.entry) {
        const refusal = JSON.stringify(response.outcome ?? {});
        assert.match(response.status, /^20[01] /, refusal);
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      }
      places.push(body.entry.map(({ response }: { response: { location: string } }) => response.location));
    }
    return { statuses, places };
  };

  it('load without a refusal, and every resource reads back equal to what was sent, plus id and meta', async () => {
    const { statuses, places } = await load();
    assert.deepEqual([...statuses.keys()], ['201 Created']);
    const bundles = texts.map((text) => parseJson(text) as unknown as { type: string; entry: Entry[] });
    bundles.forEach(({ entry }, file) =>
      entry.forEach(({ fullUrl, resource, request }, index) => {
        const place = places[file][index].replace(/\/_history\/.*/, '');
        locations.set(fullUrl, place);
        if (request.ifNoneExist !== undefined) locations.set(`${resource.resourceType}?${request.ifNoneExist}`, place);
      }),
    );
    const byIdentifier = new Map<string, string>();
    for (const { entry } of bundles) {
      for (const { fullUrl, resource } of entry) {
        for (const { system, value } of (resource.identifier ?? []) as { system?: string; value?: string }[]) {
          byIdentifier.set(`${resource.resourceType}?identifier=${system}|${value}`, locations.get(fullUrl) ?? '');
        }
      }
    }
    const check = async (place: string, resource: Entry['resource']) => {
      const { text } = await server.get(place);
      const linked = rewriteLinks(resource, (link) => locations.get(link) ?? byIdentifier.get(link));
      const got = parseJson(text) as unknown as Entry['resource'];
      assert.equal(place.split('/')[1], got.id);
      const { versionId, lastUpdated, ...meta } = got.meta as Record<string, unknown>;
      assert.equal(versionId, '1');
      assert.match(String(lastUpdated), /^\d{4}-\d\d-\d\dT/);
      const content = (resource: Entry['resource']) => stringifyJson({ ...resource, id: undefined, meta: undefined });
      assert.equal(content(got), content(linked), place);
      assert.deepEqual(meta, linked.meta ?? {});
    };
    for (const [file, { entry }] of bundles.entries()) {
      for (let from = 0; from < entry.length; from += 16) {
        const some = entry.slice(from, from + 16);
        await Promise.all(some.map(({ resource }, at) => check(places[file][from + at], resource)));
      }
    }
  });

  it('load a second time: what has ifNoneExist is found again, not made twice', async () => {
    const before = await server.get('Organization?_summary=count');
    const { statuses } = await load();
    assert.ok((statuses.get('200 OK') ?? 0) >= 100);
    const afterwards = await server.get('Organization?_summary=count');
    assert.equal(afterwards.body.total, before.body.total);
    const patients = await server.get('Patient?_summary=count');
    assert.equal(patients.body.total, 2 * (files.length - 2));
  });
});
