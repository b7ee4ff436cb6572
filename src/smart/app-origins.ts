/**
 * Origins of the pages of registered apps: browsers let those alone read answers (CORS).
 *
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support
 */
import type { Clock } from '../base/clock.js';
import type { SealedStore } from './store/sealed-store.js';

/** An app that was added or removed counts after this time. */
const heldMs = 5_000;

export class AppOrigins {
  #known: Promise<ReadonlySet<string>> = Promise.resolve(new Set());
  #until = -Infinity;

  constructor(
    private readonly store: Pick<SealedStore, 'list'>,
    private readonly clock: Clock,
  ) {}

  async has(origin: string): Promise<boolean> {
    const now = this.clock.now();
    if (now >= this.#until) {
      this.#until = now + heldMs;
      this.#known = originsIn(this.store).catch(() => new Set<string>());
    }
    return (await this.#known).has(origin);
  }
}

async function originsIn(store: Pick<SealedStore, 'list'>): Promise<ReadonlySet<string>> {
  const apps = await store.list<{ readonly redirect_uris?: readonly string[] }>('Client');
  const addresses = apps.flatMap(({ redirect_uris: uris = [] }) => uris.filter((uri) => /^https?:/.test(uri)));
  return new Set(addresses.map((uri) => new URL(uri).origin));
}
