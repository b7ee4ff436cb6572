/** Reads test/cases/consent (its README says what the fields mean). */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Resource } from '../../src/base/resource.js';
import type { RegistryReason } from '../../src/chain/consent-registry.js';
import type { ConsentAction, Principal, RecordAttributes } from '../../src/consent/gate.js';
import { type OverarchingPolicies, overarchingPolicies } from '../../src/consent/overarching.js';
import { attributesOf } from '../../src/fhir/write/attributes.js';

interface CaseData {
  readonly name: string;
  readonly consents?: readonly Record<string, unknown>[];
  readonly consent?: Record<string, unknown>;
  readonly request?: { actor: string; memberships?: string[]; purpose?: string; action?: ConsentAction };
  readonly record?: Resource;
  readonly implicit?: 'deny' | 'permit';
  readonly at?: string;
  readonly expect?: { readonly permit: boolean; readonly reason: RegistryReason; readonly provision?: string };
  readonly refused?: { readonly status: number; readonly code: string; readonly expression: string };
}

/** A case with everything filled in. */
export interface DecisionCase {
  readonly name: string;
  readonly consents: readonly Resource[];
  readonly principal: Principal;
  readonly action: ConsentAction;
  readonly record: RecordAttributes;
  readonly implicitPolicy: 'deny' | 'permit';
  readonly timeMs: number;
  readonly expect: NonNullable<CaseData['expect']>;
}

export interface RefusedCase {
  readonly name: string;
  readonly consent: Resource;
  readonly refused: NonNullable<CaseData['refused']>;
}

export interface CaseFile {
  readonly title: string;
  readonly decisions: readonly DecisionCase[];
  readonly refusals: readonly RefusedCase[];
}

const folder = fileURLToPath(new URL('../../../test/cases/consent/', import.meta.url));
const read = (name: string): unknown => JSON.parse(readFileSync(folder + name, 'utf8'));

const base = read('base.json') as {
  consent: Resource;
  record: Resource;
  author: string;
  knownPolicies: Record<string, 'permit' | 'deny' | 'none'>;
  at: string;
};

/** What the operator knows in these cases. */
export const knownPolicies: OverarchingPolicies = overarchingPolicies(Object.entries(base.knownPolicies));

export function caseFiles(): CaseFile[] {
  const names = readdirSync(folder).filter((name) => /^\d.*\.json$/.test(name));
  return names.sort().map((name) => {
    const { title, cases } = read(name) as { title: string; cases: CaseData[] };
    return {
      title,
      decisions: cases.filter(({ expect }) => expect !== undefined).map(decisionCase),
      refusals: cases.flatMap(({ name: sentence, consent, refused }) =>
        refused === undefined ? [] : [{ name: sentence, consent: merged(consent ?? {}, 0), refused }],
      ),
    };
  });
}

function decisionCase(data: CaseData): DecisionCase {
  const { actor = 'Practitioner/doctor', memberships = [], purpose = 'TREAT', action = 'access' } = data.request ?? {};
  const record = data.record ?? base.record;
  return {
    name: data.name,
    consents: (data.consents ?? []).map(merged),
    principal: { actor, memberships, purposeOfUse: purpose, scopes: ['system/*.cruds'] },
    action,
    record: attributesOf(record, ['p1'], base.author),
    implicitPolicy: data.implicit ?? 'deny',
    timeMs: Date.parse(data.at ?? base.at),
    expect: data.expect as NonNullable<CaseData['expect']>,
  };
}

function merged(changes: Record<string, unknown>, index: number): Resource {
  const all = { ...base.consent, id: `c${index + 1}`, ...changes };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)) as Resource;
}
