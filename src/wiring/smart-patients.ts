/** The patients of authorization pages, asked from the FHIR door as the user: consent and access log hold for them as for any read. */
import { randomUUID } from 'node:crypto';
import { FhirError } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';
import type { Principal } from '../consent/gate.js';
import { JsonText } from '../fhir/json-text.js';
import type { Query } from '../fhir/request.js';
import type { Router } from '../fhir/router.js';
import type { SearchContext } from '../fhir/search/context.js';
import { parseSearch } from '../fhir/search/query.js';
import { steadily } from '../fhir/search/steady.js';
import type { PatientOnPage } from '../smart/authorization-server/authorize-pages.js';
import type { PatientDirectory } from '../smart/authorization-server/patient-directory.js';
import type { Storage } from './storage.js';

/** More are no choice but a list to scroll. */
const mostFound = 20;

interface Patient extends Resource {
  readonly id: string;
  readonly name?: readonly { readonly text?: string; readonly family?: string; readonly given?: readonly string[] }[];
  readonly birthDate?: string;
}

export function fhirPatients(handle: Router, baseUrl: string): PatientDirectory {
  async function get(principal: Principal, path: readonly string[], query: Query = []): Promise<Resource | undefined> {
    try {
      const request = { method: 'GET', path, query, prefer: {} } as const;
      const { resource } = await handle(request, { principal, requestId: randomUUID(), baseUrl });
      return resource instanceof JsonText ? resource.value() : resource;
    } catch (error) {
      if (error instanceof FhirError && error.status < 500) return undefined;
      throw error;
    }
  }

  async function search(principal: Principal, query: Query): Promise<Patient[]> {
    const bundle = await get(principal, ['Patient'], [...query, ['_count', String(mostFound)]]);
    const entries = (bundle?.entry ?? []) as readonly { readonly resource?: Patient | JsonText }[];
    return entries.flatMap(({ resource }) => {
      const patient = resource instanceof JsonText ? (resource.value() as Patient) : resource;
      return patient?.resourceType === 'Patient' ? [patient] : [];
    });
  }

  return {
    async describe(principal, patientId) {
      const patient = await get(principal, ['Patient', patientId]);
      return patient === undefined ? undefined : described(patient as Patient);
    },

    async find(principal, text) {
      const words = text.split(/\s+/).filter(Boolean).slice(0, 5);
      const byName = await search(
        principal,
        words.map((word) => ['name', word] as const),
      );
      const byIdentifier = await search(principal, [['identifier', text.trim()]]);
      const unique = new Map([...byName, ...byIdentifier].map((patient) => [patient.id, patient]));
      return [...unique.values()].slice(0, mostFound).map(described);
    },

    async relatives(principal) {
      const person = await get(principal, principal.actor.split('/'));
      const reference = (person?.patient as { readonly reference?: unknown } | undefined)?.reference;
      const [, id] = /^Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(String(reference)) ?? [];
      return id === undefined ? [] : [id];
    },
  };
}

function described({ id, name = [], birthDate }: Patient): PatientOnPage {
  const [{ text, given = [], family } = {}] = name;
  const whole = text ?? [...given, family].filter(Boolean).join(' ');
  return { id, ...(whole === '' ? {} : { name: whole }), ...(birthDate === undefined ? {} : { birthDate }) };
}

/** Finds people by identifier, to know who a token of an outside issuer is about. Nothing of them is released. */
export function personFinder({ catalog, headers }: Pick<Storage, 'catalog' | 'headers'>, search: SearchContext) {
  return async (system: string, value: string): Promise<string | undefined> => {
    const found: string[] = [];
    for (const type of ['Patient', 'Practitioner']) {
      const rows = await steadily(search.blinder, catalog.refresh?.bind(catalog), async () => {
        const { plan } = parseSearch(search, type, [['identifier', `${escaped(system)}|${escaped(value)}`]], 'strict');
        return catalog.search({ plan, asOf: catalog.head().seq, order: 'newest', limit: 2 });
      });
      found.push(...rows.map((row) => `${type}/${headers.open(row.resource, row.versionId, row.header).id}`));
    }
    return found.length === 1 ? found[0] : undefined;
  };
}

/** Spec: https://hl7.org/fhir/R4/search.html#escaping */
function escaped(text: string): string {
  return text.replaceAll(/[\\,|$]/g, String.raw`\$&`);
}
