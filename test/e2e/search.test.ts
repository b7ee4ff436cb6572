import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer, type Answer } from './server.js';

interface Found {
  fullUrl: string;
  resource: { resourceType: string; id: string; [element: string]: unknown };
  search: { mode: string };
}

const entriesOf = ({ body }: Answer): Found[] => body.entry ?? [];
const idsOf = (answer: Answer) => entriesOf(answer).map(({ resource }) => resource.id);
const linkOf = ({ body }: Answer, relation: string): string | undefined =>
  body.link.find((link: { relation: string }) => link.relation === relation)?.url;

describe('searches', () => {
  let server: TestServer;
  const total = 25;
  before(async () => {
    server = await TestServer.start();
    const entry = [
      { fullUrl: 'urn:uuid:aaaaaaaa-1111-4111-8111-111111111111', request: { method: 'POST', url: 'Organization' }, resource: { resourceType: 'Organization', name: 'Ward 7' } },
      ...Array.from({ length: total }, (_, index) => ({
        fullUrl: `urn:uuid:bbbbbbbb-1111-4111-8111-${String(index).padStart(12, '0')}`,
        request: { method: 'POST', url: 'Patient' },
        resource: {
          resourceType: 'Patient',
          name: [{ family: `Fam${String((index * 7) % total).padStart(2, '0')}` }],
          birthDate: `19${60 + (index % 10)}-01-01`,
          gender: index % 2 === 0 ? 'male' : 'female',
          managingOrganization: { reference: 'urn:uuid:aaaaaaaa-1111-4111-8111-111111111111' },
        },
      })),
      ...Array.from({ length: 5 }, (_, index) => ({
        request: { method: 'POST', url: 'Observation' },
        resource: {
          resourceType: 'Observation',
          status: 'final',
          code: { coding: [{ system: 'http://loinc.org', code: '8302-2' }] },
          subject: { reference: `urn:uuid:bbbbbbbb-1111-4111-8111-${String(index).padStart(12, '0')}` },
        },
      })),
    ]; // prettier-ignore
    const { status, text } = await server.post('', { resourceType: 'Bundle', type: 'transaction', entry });
    assert.equal(status, 200, text);
  });
  after(() => server.stop());

  /** Follows `next` links; `between` runs before each. */
  const walk = async (first: Answer, between: () => Promise<unknown> = async () => undefined) => {
    const pages = [first];
    for (let next = linkOf(first, 'next'); next !== undefined;) {
      await between();
      const page: Answer = await server.get(next);
      assert.equal(page.status, 200);
      pages.push(page);
      next = linkOf(page, 'next');
    }
    return pages;
  };

  it('answer with fullUrl, mode and an honest self link', async () => {
    const answer = await server.get('Patient?family=fam03');
    assert.equal(answer.body.total, 1);
    const [{ fullUrl, resource, search }] = entriesOf(answer);
    assert.equal(fullUrl, `${server.baseUrl}/Patient/${resource.id}`);
    assert.equal(search.mode, 'match');
    assert.equal(linkOf(answer, 'self'), `${server.baseUrl}/Patient?family=fam03`);
  });

  it('POST _search finds what GET finds', async () => {
    const form = { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } };
    const posted = await server.send('POST', 'Patient/_search?gender=male', { body: 'birthdate=lt1965', ...form });
    const got = await server.get('Patient?gender=male&birthdate=lt1965');
    assert.ok(idsOf(got).length > 0);
    assert.deepEqual(idsOf(posted), idsOf(got));
  });

  it('pages are a snapshot: each match once, whatever is written meanwhile', async () => {
    const expected = new Set(idsOf(await server.get('Patient?_count=100')));
    assert.equal(expected.size, total);
    const pages = await walk(await server.get('Patient?_count=4'), async () => {
      await server.post('Patient', { resourceType: 'Patient', name: [{ family: 'Late' }] });
      const [victim] = [...expected];
      await server.put(`Patient/${victim}`, { resourceType: 'Patient', id: victim, birthDate: '1999-01-01' });
    });
    const seen = pages.flatMap(idsOf);
    assert.equal(seen.length, total);
    assert.deepEqual(new Set(seen), expected);
    assert.equal(pages[0].body.entry.length, 4);
  });

  it('previous and first lead back', async () => {
    const [first, second, third] = await walk(await server.get('Patient?_count=10'));
    const back = await server.get(linkOf(third, 'previous') ?? '');
    assert.deepEqual(idsOf(back), idsOf(second));
    const again = await server.get(linkOf(back, 'previous') ?? '');
    assert.deepEqual(idsOf(again), idsOf(first));
    assert.deepEqual(idsOf(await server.get(linkOf(third, 'first') ?? '')), idsOf(first));
  });

  it('cursors open on their own path alone, and not when they were changed', async () => {
    const next = linkOf(await server.get('Patient?_count=4'), 'next') ?? '';
    assert.equal((await server.get(next)).status, 200);
    assert.equal((await server.get(next.replace('/Patient?', '/Observation?'))).status, 400);
    const changed = next.slice(0, -2) + (next.endsWith('A') ? 'B' : 'A') + next.slice(-1);
    assert.equal((await server.get(changed)).status, 400);
  });

  it('_sort orders across pages', async () => {
    const pages = await walk(await server.get('Patient?_sort=family&family=fam&_count=7'));
    const families = pages.flatMap(entriesOf).map(({ resource }) => (resource.name as { family: string }[])[0].family);
    assert.ok(families.length >= total - 1);
    assert.deepEqual(families, [...families].sort());
    const down = await server.get('Patient?_sort=-family&family=fam&_count=100');
    assert.deepEqual(
      entriesOf(down).map(({ resource }) => (resource.name as { family: string }[])[0].family),
      [...families].reverse(),
    );
  });

  it('_total and _summary=count count what matches', async () => {
    const all = (await server.get('Patient?gender=female&_summary=count')).body;
    assert.equal(all.total, 12);
    assert.equal(all.entry, undefined);
    const paged = (await server.get('Patient?gender=female&_count=2&_total=accurate')).body;
    assert.equal(paged.total, 12);
    assert.equal(paged.entry.length, 2);
    assert.equal((await server.get('Patient?gender=female&_count=0')).body.total, 12);
  });

  it('_include and _revinclude bring what is linked, once, marked as included', async () => {
    const forward = await server.get('Observation?_include=Observation:subject&_include:iterate=Patient:organization');
    const modes = entriesOf(forward).map(({ resource, search }) => `${resource.resourceType} ${search.mode}`);
    assert.equal(modes.filter((mode) => mode === 'Observation match').length, 5);
    assert.equal(modes.filter((mode) => mode === 'Patient include').length, 5);
    assert.equal(modes.filter((mode) => mode === 'Organization include').length, 1);
    const [{ resource }] = entriesOf(forward).filter((entry) => entry.resource.resourceType === 'Patient');
    const reverse = await server.get(`Patient?_id=${resource.id}&_revinclude=Observation:subject`);
    assert.deepEqual(
      entriesOf(reverse).map((entry) => `${entry.resource.resourceType} ${entry.search.mode}`),
      ['Patient match', 'Observation include'],
    );
  });

  it('chains, _has and compartments find the same as the direct question', async () => {
    const direct = entriesOf(await server.get('Observation?_include=Observation:subject'));
    const [{ resource }] = direct.filter((entry) => entry.resource.resourceType === 'Patient');
    const family = (resource.name as { family: string }[])[0].family;
    const chained = await server.get(`Observation?subject:Patient.family:exact=${family}`);
    assert.equal(chained.body.total, 1);
    const has = await server.get('Patient?_has:Observation:patient:code=http://loinc.org|8302-2');
    assert.equal(has.body.total, 5);
    const compartment = await server.get(`Patient/${resource.id}/Observation`);
    assert.deepEqual(idsOf(compartment), idsOf(chained));
    assert.equal((await server.get(`Patient/${resource.id}/*`)).body.total, 2);
  });

  it('strict handling refuses what is unknown, lenient leaves it out and says so', async () => {
    assert.equal((await server.get('Patient?shoe-size=44')).status, 400);
    const lenient = await server.get('Patient?shoe-size=44&family=fam03', { headers: { Prefer: 'handling=lenient' } });
    assert.equal(lenient.status, 200);
    assert.deepEqual(
      entriesOf(lenient).map(({ search }) => search.mode),
      ['match', 'outcome'],
    );
    assert.equal(linkOf(lenient, 'self'), `${server.baseUrl}/Patient?family=fam03`);
  });

  it('the whole system is searched with _type, its history is read with _since', async () => {
    const all = await server.get('?_type=Organization,Observation&_count=100');
    assert.equal(all.body.total, 6);
    const since = new Date().toISOString();
    await server.post('Organization', { resourceType: 'Organization', name: 'Later' });
    const history = await server.get(`_history?_since=${since}`);
    assert.equal(history.body.entry.length, 1);
    assert.equal(history.body.entry[0].resource.name, 'Later');
    const pages = await walk(await server.get('Observation/_history?_count=2'));
    assert.equal(new Set(pages.flatMap(idsOf)).size, 5);
  });

  it('granular scopes narrow reads, searches, totals and writes to what they name', async () => {
    const observation = (code: string) => ({
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code }] },
    });
    const { body: pulse } = await server.post('Observation', observation('8867-4'));
    const token = await server.tokenFor({ scope: 'system/Observation.crs?code=http://loinc.org|8867-4' });
    assert.equal((await server.get(`Observation/${pulse.id}`, { token })).status, 200);
    const all = await server.get('Observation?_total=accurate', { token });
    assert.deepEqual(idsOf(all), [pulse.id]);
    assert.equal(all.body.total, 1);
    const [height] = idsOf(await server.get('Observation?code=8302-2'));
    assert.equal((await server.get(`Observation/${height}`, { token })).status, 404);
    assert.equal((await server.post('Observation', observation('8302-2'), { token })).status, 403);
    assert.equal((await server.post('Observation', observation('8867-4'), { token })).status, 201);
    assert.equal((await server.get('Patient', { token })).status, 403);
  });

  it('$everything of a patient brings the compartment and what it refers to', async () => {
    const [{ resource }] = entriesOf(await server.get('Observation?_include=Observation:subject')).filter(
      (entry) => entry.resource.resourceType === 'Patient',
    );
    const answer = await server.get(`Patient/${resource.id}/$everything`);
    const types = entriesOf(answer).map((entry) => entry.resource.resourceType);
    assert.deepEqual(types.sort(), ['Observation', 'Organization', 'Patient']);
    const narrowed = await server.get(`Patient/${resource.id}/$everything?_type=Observation`);
    assert.deepEqual(
      entriesOf(narrowed).map((entry) => entry.resource.resourceType),
      ['Observation'],
    );
    assert.equal((await server.get('Patient/none/$everything')).status, 404);
  });
});
