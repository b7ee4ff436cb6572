/** The permission matrix: organisations by kinds of records, each field a decision of the contract (`$permissions`). */
import { doing, fill, make, say } from './dom.js';
import { accountOf, signChoices } from './keys.js';
import { fhir, signIn, signOut, valuesOf } from './session.js';

/** Rows and columns that were added by hand. */
const added = { organization: new Set(), type: new Set() };
const names = new Map();
let session;

async function show(given) {
  const query = new URLSearchParams();
  for (const name of ['organization', 'type']) for (const one of added[name]) query.append(name, one);
  const path = `Patient/${session.patient}/$permissions?${query}`;
  const { parameter = [] } = await fhir(session, given === undefined ? 'GET' : 'POST', path, given);
  draw(parameter.filter(({ name }) => name === 'cell').map(({ part }) => valuesOf(part)));
}

function draw(cells) {
  const rows = [...new Set(cells.map(({ organization }) => organization.reference))];
  const columns = [...new Set(cells.map(({ type }) => type))];
  if (rows.length === 0)
    return fill(
      '#matrix',
      make('tbody', {}, make('tr', {}, make('td', {}, 'No organisation is named yet. Add one below.'))),
    );
  const head = make(
    'tr',
    {},
    make('th', { scope: 'col' }, 'Organisation'),
    ...columns.map((type) => make('th', { scope: 'col' }, words(type))),
  );
  const body = rows.map((organization) => {
    const fields = columns.map((type) => {
      const cell = cells.find((one) => one.organization.reference === organization && one.type === type);
      return make('td', {}, field(organization, type, cell));
    });
    return make('tr', {}, make('th', { scope: 'row' }, names.get(organization) ?? organization), ...fields);
  });
  fill('#matrix', make('thead', {}, head), make('tbody', {}, ...body));
}

function field(organization, type, { permit, text }) {
  const label = `${names.get(organization) ?? organization}, ${words(type)}: ${permit ? 'sees' : 'does not see'}`;
  const onclick = () => change(organization, type, permit ? 'deny' : 'permit');
  const attributes = {
    type: 'button',
    title: text,
    'aria-label': label,
    'aria-pressed': String(permit),
    class: 'field',
    onclick,
  };
  return make('button', attributes, permit ? '✓ sees' : '✕ does not see');
}

function change(organization, type, effect) {
  const part = [
    { name: 'organization', valueReference: { reference: organization } },
    { name: 'type', valueCode: type },
    { name: 'effect', valueCode: effect },
  ];
  return doing(
    'One moment …',
    async () => {
      await show({ resourceType: 'Parameters', parameter: [{ name: 'set', part }] });
      const { owner } = await accountOf(session);
      if (owner === 'server') return;
      await signChoices(session);
      await show();
    },
    effect === 'permit' ? 'Allowed.' : 'Refused.',
  );
}

/** `AllergyIntolerance` as people write it. */
function words(type) {
  return type.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}

try {
  session = await signIn();
  const patient = await fhir(session, 'GET', `Patient/${session.patient}`);
  const [{ text, given = [], family = '' } = {}] = patient.name ?? [];
  fill('#who', text ?? [...given, family].join(' '));
  const { entry = [] } = await fhir(session, 'GET', 'Organization?_count=50');
  for (const { resource } of entry) names.set(`Organization/${resource.id}`, resource.name ?? resource.id);
  fill('#known', ...[...names].map(([value, name]) => make('option', { value }, name)));
  document.querySelector('#leave').addEventListener('click', signOut);
  document.querySelector('#add').addEventListener('submit', (event) => {
    event.preventDefault();
    for (const [name, value] of new FormData(event.target)) if (value !== '') added[name].add(value);
    event.target.reset();
    void doing('One moment …', () => show(), '');
  });
  await show();
  document.body.dataset.ready = 'true';
} catch (error) {
  say(error.message, true);
}
