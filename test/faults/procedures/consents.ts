/** Consents in the table of faults: filed and revoked. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestServer } from '../../e2e/server.js';
import { eventually, isDone, made, patient, type Procedure } from './procedure.js';

const other = 'Organization/other';

const coded = (codeSystem: string, code: string) => ({ coding: [{ system: codeSystem, code }] });

const consentFor = (reference: string, status: string) => ({
  resourceType: 'Consent',
  status,
  scope: coded('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
  category: [coded('http://loinc.org', '59284-0')],
  patient: { reference },
  dateTime: '2026-01-01T00:00:00Z',
  policyRule: coded('http://terminology.hl7.org/CodeSystem/v3-ActCode', 'OPTOUT'),
  provision: {
    type: 'permit',
    actor: [
      {
        role: coded('http://terminology.hl7.org/CodeSystem/v3-ParticipationType', 'IRCP'),
        reference: { reference: other },
      },
    ],
  },
});

/** What another organisation's practitioner gets. */
const seenBy = async (server: TestServer, place: string) =>
  (await server.get(place, { token: await server.tokenFor({ actor: 'Practitioner/dr', memberships: [other] }) }))
    .status;

export const filing: Procedure = {
  name: 'consent filing',
  decisive: 'catalog.append 1',
  async prepare(server) {
    const place = await made(server, patient(randomUUID()));
    const isFiled = async () => (await server.get(`Consent?patient=${place}`)).body.total > 0;
    const follows = () =>
      eventually('the chain does not say what the stored Consents say', async () => {
        return (await seenBy(server, place)) === ((await isFiled()) ? 200 : 404);
      });
    const file = () => server.post('Consent', consentFor(place, 'active'));
    return {
      act: file,
      async check(isAcknowledged) {
        if (isAcknowledged) assert.ok(await isFiled());
        await follows();
      },
      async again() {
        if (!(await isFiled())) assert.ok(isDone(await file()));
        await follows();
        assert.equal(await seenBy(server, place), 200);
      },
    };
  },
};

export const revocation: Procedure = {
  name: 'revocation',
  decisive: 'catalog.append 1',
  async prepare(server) {
    const place = await made(server, patient(randomUUID()));
    const consent = await made(server, consentFor(place, 'active'));
    await eventually('the Consent takes effect', async () => (await seenBy(server, place)) === 200);
    const revoke = () => server.put(consent, { ...consentFor(place, 'inactive'), id: consent.split('/')[1] });
    const isRevoked = async () => (await server.get(consent)).body.status === 'inactive';
    return {
      act: revoke,
      async check(isAcknowledged) {
        if (isAcknowledged || (await isRevoked())) assert.equal(await seenBy(server, place), 404, 'it denies at once');
        else assert.equal(await seenBy(server, place), 200);
      },
      async again() {
        assert.ok(isDone(await revoke()));
        assert.equal(await seenBy(server, place), 404);
      },
    };
  },
};

/** Where a Consent of the table permits: stored once. */
export async function prepareWorld(server: TestServer): Promise<void> {
  await server.put(other, { resourceType: 'Organization', id: 'other', name: 'Other' });
}
