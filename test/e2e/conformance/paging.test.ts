import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer, type Answer } from '../server.js';

const linkOf = ({ body }: Answer, relation: string) =>
  (body.link as { relation: string; url: string }[]).find((link) => link.relation === relation)?.url;
const idsOf = ({ body }: Answer) =>
  ((body.entry ?? []) as { resource: { id: string } }[]).map(({ resource }) => resource.id);

const total = 11;

describe('pages', () => {
  let server: TestServer;

  const page = async (url: string | undefined) => {
    assert.ok(url !== undefined, 'there is a link');
    const answer = await server.get(url);
    assert.equal(answer.status, 200, answer.text);
    return answer;
  };
  const walked = async (first: Answer): Promise<Answer[]> => {
    const next = linkOf(first, 'next');
    return next === undefined ? [first] : [first, ...(await walked(await page(next)))];
  };
  const patient = (index: number) => ({
    resourceType: 'Patient',
    id: `p${index}`,
    name: [{ family: `Fam${String(index).padStart(2, '0')}` }],
  });

  before(async () => {
    server = await TestServer.start();
    for (let index = 0; index < total; index += 1) await server.put(`Patient/p${index}`, patient(index));
  });
  after(() => server.stop());

  for (const order of ['', '&_sort=_lastUpdated', '&_sort=family', '&_sort=-family']) {
    it(`every match is on the way to the last page, and on the way back${order}`, async () => {
      const first = await page(`Patient?_count=4${order}`);
      const pages = await walked(first);
      const all = pages.flatMap(idsOf);
      assert.deepEqual([all.length, new Set(all).size], [total, total]);
      const last = pages[pages.length - 1]!;
      let seen: string[] = idsOf(last);
      for (let at = last; linkOf(at, 'previous') !== undefined;) {
        at = await page(linkOf(at, 'previous'));
        seen = [...idsOf(at), ...seen];
      }
      assert.deepEqual(seen, all);
    });
  }

  it('previous and first show the state of the beginning, whatever was written since', async () => {
    const first = await page('Patient?_count=4');
    const second = await page(linkOf(first, 'next'));
    await server.put('Patient/late', { resourceType: 'Patient', id: 'late' });
    for (const id of idsOf(first)) await server.put(`Patient/${id}`, { resourceType: 'Patient', id, active: true });
    assert.deepEqual(idsOf(await page(linkOf(second, 'previous'))), idsOf(first));
    assert.deepEqual(idsOf(await page(linkOf(second, 'first'))), idsOf(first));
    assert.ok(!(await walked(first)).flatMap(idsOf).includes('late'));
    assert.ok((await walked(await page('Patient?_count=4'))).flatMap(idsOf).includes('late'));
  });

  it('what fits on one page has no other pages, and tells its total', async () => {
    const { body } = await page(`Patient?_count=${total + 5}&family=fam`);
    const relations = (body.link as { relation: string }[]).map(({ relation }) => relation);
    assert.deepEqual(relations, ['self']);
    assert.equal(body.total, body.entry.length);
  });

  it('_total: estimate and accurate count, none does not, on every page alike', async () => {
    for (const kind of ['estimate', 'accurate']) {
      const pages = await walked(await page(`Patient?_count=4&_total=${kind}`));
      const count = pages.flatMap(idsOf).length;
      for (const { body } of pages) assert.equal(body.total, count, kind);
    }
    for (const { body } of await walked(await page('Patient?_count=4&_total=none'))) {
      assert.equal(body.total, undefined);
    }
  });

  it('a cursor that was changed anywhere, cut or made up opens nothing; neither does one on another path', async () => {
    const next = linkOf(await page('Patient?_count=4'), 'next') ?? '';
    const url = new URL(next);
    const cursor = url.searchParams.get('_cursor') ?? '';
    const open = (changed: string, path = 'Patient') => server.get(`${path}?_cursor=${changed}&_count=4`);
    assert.equal((await open(cursor)).status, 200);
    const other = (letter: string) => (letter === 'A' ? 'B' : 'A');
    for (let at = 0; at < cursor.length; at += 7) {
      const refused = await open(cursor.slice(0, at) + other(cursor.charAt(at)) + cursor.slice(at + 1));
      assert.deepEqual([refused.status, firstIssue(refused).code], [400, 'invalid'], `letter ${at}`);
    }
    for (const changed of ['', 'x', cursor.slice(0, -4), `${cursor}AAAA`, `${cursor}=`, cursor.toLowerCase()]) {
      assert.equal((await open(changed)).status, 400, changed);
    }
    for (const path of ['Observation', '_history', 'Patient/_history', 'Patient/p1/Observation', '']) {
      assert.equal((await open(cursor, path)).status, 400, path);
    }
  });

  it('a history goes from page to page without a version twice, whatever is written meanwhile', async () => {
    const count = (await page('Patient/_history?_count=0')).body.total as number;
    const seen: string[] = [];
    for (let at: Answer | undefined = await page('Patient/_history?_count=3'); at !== undefined;) {
      for (const { fullUrl, response } of at.body.entry as { fullUrl: string; response: { etag: string } }[]) {
        seen.push(`${fullUrl} ${response.etag}`);
      }
      await server.put('Patient/p1', { ...patient(1), birthDate: `19${10 + (seen.length % 80)}` });
      const next = linkOf(at, 'next');
      at = next === undefined ? undefined : await page(next);
    }
    assert.equal(seen.length, count);
    assert.equal(new Set(seen).size, count);
  });
});
