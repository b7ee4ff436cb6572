/** Starts sharing, and tells it where keys of recipients are: the directory on the chain, and the groups that this organisation manages. */
import type { Clock } from '../base/clock.js';
import { directoryEntry } from '../chain/directory.js';
import { createBlinder } from '../consent/blinder.js';
import { publishMembers } from '../consent/group-memberships.js';
import type { OpenedCache } from '../fhir/opened-cache.js';
import type { SharingParts } from '../fhir/operations/share.js';
import { compartmentPlan } from '../fhir/search/compartment.js';
import type { SearchContext } from '../fhir/search/context.js';
import { GroupKeys } from '../fhir/sharing/group-keys.js';
import { ShareStore } from '../fhir/sharing/share-store.js';
import { Sharing } from '../fhir/sharing/sharing.js';
import { hpkeKeyOfJwk } from '../vault/hpke.js';
import { activeConsents, type Consent } from './consent.js';
import type { Network } from './network.js';
import type { Storage } from './storage.js';

/** Keys of the directory are asked for again after so long. */
const keyMs = 10_000;
const settleMs = 30_000;

export async function startSharing(
  storage: Storage,
  network: Network,
  consent: Consent,
  search: SearchContext,
  opened: OpenedCache,
  clock: Clock,
  onProblem: (problem: unknown) => void,
): Promise<SharingParts & { readonly sharing: Sharing }> {
  const { catalog, records, vault, keyRing } = storage;
  const store = new ShareStore({ state: catalog, ring: keyRing });
  const groupKeys = new GroupKeys(store, keyRing);
  const known = new Map<string, { readonly key: Uint8Array | undefined; readonly until: number }>();

  const organisationKey = async (recipient: string): Promise<Uint8Array | undefined> => {
    const remembered = known.get(recipient);
    if (remembered !== undefined && clock.now() < remembered.until) return remembered.key;
    const entry = await directoryEntry(network.publisherChain, network.contracts.network, recipient);
    const keys = entry?.status === 'active' ? entry.keys.map(hpkeKeyOfJwk) : [];
    const key = keys.find((one) => one !== undefined);
    known.set(recipient, { key, until: clock.now() + keyMs });
    return key;
  };
  const sharing = await Sharing.start({
    catalog,
    records,
    opened,
    vault,
    ring: keyRing,
    gate: consent.gate,
    clock,
    activeConsents: (patientId) => activeConsents(storage, search, patientId),
    compartment: (patientId) => compartmentPlan(search, 'Patient', patientId),
    keyOf: (recipient) => (recipient.startsWith('Group/') ? groupKeys.keyOf(recipient) : organisationKey(recipient)),
    groupOf: (recipient) => groupKeys.bundleOf(recipient),
    settled: (patientId) => consent.publisher.whenSettled(patientId, settleMs),
    onProblem,
  });
  const services = {
    chain: network.publisherChain,
    groups: network.contracts.groups,
    blinder: createBlinder(keyRing.derive('consent')),
    store,
  };
  return {
    sharing,
    groupKeys,
    async publishMembers(group, members) {
      const change = await publishMembers(services, group, members);
      // Decisions know of it before the answer leaves.
      await consent.gate.sync();
      return change;
    },
  };
}
