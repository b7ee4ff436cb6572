/**
 * Port: who of several servers does what only one may do at a time. Present where servers share a catalog.
 *
 * Consistency: of two servers one wins. A holder that died is followed after `leaseMs`; one that was stopped for longer than that and goes on does not
 *   notice by itself: what it does must be harmless when done twice (the chain's contracts refuse a second batch; entries are appended once).
 * Concurrency: any number of calls.
 */
export interface Locks {
  /** Runs `task` while no other server runs one under this name; within a server, one after the other. @throws CatalogUnavailable */
  exclusively<T>(name: string, task: () => Promise<T>): Promise<T>;

  /** True when this server has the lead under `name`; it takes the lead when nobody has it, and keeps it while it asks. @throws CatalogUnavailable */
  leads(name: string): Promise<boolean>;

  /** Gives up what this server leads: under `name`, or everything. */
  release(name?: string): Promise<void>;
}
