/** Names of those whom consents are about, as far as the patient may see them; who is hidden or unknown keeps the reference. */
import { fhir } from './session.js';

const names = new Map();
const form =
  /^(Organization|Practitioner|PractitionerRole|CareTeam|Group|RelatedPerson|Person|Patient|Device)\/([A-Za-z0-9\-.]{1,64})$/;

/** What a reference is called, once `learnNames` has asked. */
export function nameOf(reference) {
  return names.get(reference) ?? reference;
}

/** Asks for names that are not known yet: one search for each type. */
export async function learnNames(session, references) {
  const ids = new Map();
  for (const reference of new Set(references)) {
    const [, type, id] = form.exec(reference ?? '') ?? [];
    if (type !== undefined && !names.has(reference)) ids.set(type, [...(ids.get(type) ?? []), id]);
  }
  await Promise.all(
    [...ids].map(([type, some]) => take(session, `${type}?_id=${some.join(',')}&_count=${some.length}`)),
  );
}

/** Those whom the patient may choose, as `[reference, name]`. */
export async function choices(session, ...types) {
  const lists = await Promise.all(types.map((type) => take(session, `${type}?_count=50`)));
  return lists.flat();
}

async function take(session, search) {
  const withRole = search.startsWith('PractitionerRole?')
    ? '&_include=PractitionerRole:practitioner&_include=PractitionerRole:organization'
    : '';
  try {
    const { entry = [] } = await fhir(session, 'GET', search + withRole);
    for (const { resource, search: { mode } = {} } of [...entry].reverse())
      if (mode === 'include') names.set(referenceTo(resource), ownName(resource));
    return entry
      .filter(({ search: { mode } = {} }) => mode !== 'include')
      .map(({ resource }) => {
        const name = resource.resourceType === 'PractitionerRole' ? roleName(resource) : ownName(resource);
        names.set(referenceTo(resource), name);
        return [referenceTo(resource), name];
      });
  } catch (error) {
    // Whoever may not look at a whole type sees references.
    if (error.status === 403) return [];
    throw error;
  }
}

function referenceTo({ resourceType, id }) {
  return `${resourceType}/${id}`;
}

function ownName({ resourceType, id, name, deviceName }) {
  const given = Array.isArray(name) ? personName(name[0]) : (name ?? deviceName?.[0]?.name);
  return given === undefined || given === '' ? `${resourceType}/${id}` : given;
}

/** Of a patient, too, at the head of a page. */
export function personName({ text, prefix = [], given = [], family = '' } = {}) {
  return text ?? [...prefix, ...given, family].filter((part) => part !== '').join(' ');
}

function roleName({ resourceType, id, practitioner, organization }) {
  const parts = [practitioner, organization].flatMap((one) => one?.display ?? names.get(one?.reference) ?? []);
  return parts.length === 0 ? `${resourceType}/${id}` : parts.join(', ');
}
