import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser, pkce } from './browser.js';
import { SmartWorld } from './world.js';

describe('a SMART app where nobody has consented to anything', () => {
  let world: SmartWorld;
  before(async () => {
    world = await SmartWorld.start({ DEFAULT_CONSENT: 'deny', PUBLIC_URL: '' });
  });
  after(() => world.stop());

  it("shows a patient her own records, and a clinician's page finds nobody", async () => {
    const { body } = await world.launch({ scope: 'launch/patient patient/*.rs' });
    const found = await world.server.get('Observation', { token: body.access_token });
    assert.equal(found.body.total, 2);
    const browser = new Browser(world.origin);
    const page = await world.toDecision(
      browser,
      { scope: 'launch/patient patient/*.rs', code_challenge: pkce().challenge },
      'dr',
    );
    const search = await browser.open(`${page.url}?search=moor`);
    assert.match(search.text, /Nobody was found/);
    const chosen = await browser.submit(search, '/decide', {
      decision: 'allow',
      scope: 'patient/*.rs',
      patient: 'ada',
    });
    assert.equal(chosen.status, 422, 'nor can she be chosen by id');
  });

  it('does not open to a user scope what consent hides', async () => {
    const { body } = await world.launch({ scope: 'openid fhirUser user/*.cruds' }, { user: 'dr' });
    assert.equal(body.patient, undefined);
    assert.equal((await world.server.get('Patient', { token: body.access_token })).body.total, 0);
    assert.equal((await world.server.get('Patient/ada', { token: body.access_token })).status, 404);
    assert.equal((await world.server.get('Practitioner/dr', { token: body.access_token })).status, 200);
  });
});
