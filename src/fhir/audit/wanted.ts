/**
 * A search of AuditEvents as what the access records hold directly: what they show needs no AuditEvent to be made, and parts of the log that cannot
 * have it are not even read. Never too narrow: the AuditEvent itself decides.
 */
import type { SearchQuery } from '../search/query.js';
import type { Wanted } from './audit-index.js';
import { eventCodesOf } from './event-codes.js';

type Writable = { -readonly [K in keyof Wanted]: Wanted[K] };

/** Elements that AuditEvents of the access log never have: nothing is found by them. */
const absent = new Set(['agent-name', 'agent-role', 'altid', 'entity-name', 'policy', 'site']);

const reference = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

/**
 * @param organization reference of who runs this server: it is an agent of every event.
 * @returns undefined when no record can match.
 */
export function wantedBy(applied: SearchQuery['applied'], organization: string): Wanted | undefined {
  const wanted: Writable = {};
  for (const [name, value] of applied) {
    if (value.includes('\\') || value === '') continue;
    if (absent.has(name)) return undefined;
    narrow(wanted, name, value.split(','), organization);
    if (name === 'date') narrowTime(wanted, value);
  }
  return wanted;
}

function narrow(wanted: Writable, name: string, values: readonly string[], organization: string): void {
  switch (name) {
    case 'patient': {
      const ids = values.map((one) => one.replace(/^.*\/Patient\/|^Patient\//, ''));
      if (ids.every((id) => /^[A-Za-z0-9\-.]{1,64}$/.test(id))) wanted.patients = ids;
      return;
    }
    case 'entity':
      if (values.every((one) => reference.test(one))) wanted.entities = values;
      return;
    case 'agent':
      if (values.every((one) => reference.test(one) && one !== organization)) wanted.actors = values;
      return;
    case 'outcome':
      if (values.length === 1 && values[0] === '0') wanted.outcome = 'permit';
      if (values.length === 1 && values[0] === '4') wanted.outcome = 'deny';
      return;
    case 'action':
    case 'subtype':
    case 'type':
      wanted.isKind = both(wanted.isKind, kindBy(name, values));
  }
}

/** @returns undefined when a value names no code: a system alone. */
function kindBy(name: 'action' | 'subtype' | 'type', values: readonly string[]) {
  const codes = values.map((value) => value.slice(value.lastIndexOf('|') + 1).toLowerCase());
  if (codes.includes('')) return undefined;
  return (interaction: string) => {
    const { type, subtype, action } = eventCodesOf(interaction);
    const own = name === 'action' ? [action] : name === 'type' ? [type.code] : subtype.map(({ code }) => code);
    return own.some((code) => codes.includes(code.toLowerCase()));
  };
}

function both(one: Wanted['isKind'], other: Wanted['isKind']): Wanted['isKind'] {
  if (one === undefined || other === undefined) return one ?? other;
  return (interaction) => one(interaction) && other(interaction);
}

function narrowTime(wanted: Writable, value: string): void {
  const [, prefix, instant] = /^(ge|gt|lt|le)(\d{4}-\d{2}-\d{2}T.*(?:Z|[+-]\d{2}:\d{2}))$/.exec(value) ?? [];
  const time = instant === undefined ? Number.NaN : Date.parse(instant);
  if (Number.isNaN(time)) return;
  // A second wider than asked for: the AuditEvent decides.
  if (prefix === 'ge' || prefix === 'gt') wanted.from = Math.max(wanted.from ?? -Infinity, time - 1_000);
  else wanted.until = Math.min(wanted.until ?? Infinity, time + 1_001);
}
