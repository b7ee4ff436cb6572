/** What procedures of the table of faults have in common: what each does over HTTP, and what has to hold whether or not it was acknowledged. */
import assert from 'node:assert/strict';
import type { Answer, TestServer } from '../../e2e/server.js';

export interface Run {
  /** Does it once. @returns the answer that the client got. */
  act(): Promise<Answer>;
  /**
   * Holds after any failure: all of it is there or nothing; all of it when it was acknowledged.
   * @param isAcknowledged a 2xx answer reached the client.
   */
  check(isAcknowledged: boolean): Promise<void>;
  /** Does it again, as a client that was refused would; afterwards everything is there. */
  again(): Promise<void>;
}

export interface Procedure {
  readonly name: string;
  /** The step that decides whether it was done. */
  readonly decisive: string;
  /** Makes what it starts from; before any fault. */
  prepare(server: TestServer): Promise<Run>;
}

export const system = 'urn:mooring:faults';
export const isDone = ({ status }: Answer) => status >= 200 && status < 300;

/** A refusal has to be one that a client understands as "try again". */
export function isTransient({ status }: Answer): boolean {
  return status === 503;
}

export async function made(server: TestServer, resource: object): Promise<string> {
  const { resourceType } = resource as { resourceType: string };
  const answer = await server.post(resourceType, resource);
  assert.equal(answer.status, 201, answer.text);
  return `${resourceType}/${answer.body.id}`;
}

export const patient = (value: string, family = 'Fault') => ({
  resourceType: 'Patient',
  identifier: [{ system, value }],
  name: [{ family }],
});

export const observation = (reference: string, value: string) => ({
  resourceType: 'Observation',
  status: 'final',
  identifier: [{ system, value }],
  code: { text: 'fault' },
  subject: { reference },
});

/** How many resources of a type carry the identifier; every one of them can be read. */
export async function found(server: TestServer, type: string, value: string): Promise<number> {
  const answer = await server.get(`${type}?identifier=${system}|${value}&_total=accurate`);
  assert.equal(answer.status, 200, answer.text);
  const { total, entry = [] } = answer.body as { total: number; entry?: { resource: { id: string } }[] };
  assert.equal(entry.length, total);
  for (const { resource } of entry) assert.equal((await server.get(`${type}/${resource.id}`)).status, 200);
  return total;
}

/** Until it holds, or 20 s have passed: for what loops beside the requests bring about. */
export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const endsAt = performance.now() + 20_000; !(await holds());) {
    assert.ok(performance.now() < endsAt, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
