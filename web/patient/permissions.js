/** The permission matrix: organisations by kinds of records, each field a decision of the contract (`$permissions`). */
import { doing, fill, make, say } from './dom.js';
import { accountOf, signChoices } from './keys.js';
import { kind, knownKinds, texts } from './language.js';
import { choices, learnNames, nameOf, personName } from './names.js';
import { fhir, signIn, signOut, valuesOf } from './session.js';

/** Rows and columns that were added by hand. */
const added = { organization: new Set(), type: new Set() };
let session;

async function show(given) {
  const query = new URLSearchParams();
  for (const name of ['organization', 'type']) for (const one of added[name]) query.append(name, one);
  const path = `Patient/${session.patient}/$permissions?${query}`;
  const { parameter = [] } = await fhir(session, given === undefined ? 'GET' : 'POST', path, given);
  const cells = parameter.filter(({ name }) => name === 'cell').map(({ part }) => valuesOf(part));
  await learnNames(
    session,
    cells.map(({ organization }) => organization.reference),
  );
  draw(cells);
}

function draw(cells) {
  const rows = [...new Set(cells.map(({ organization }) => organization.reference))];
  const columns = [...new Set(cells.map(({ type }) => type))];
  if (rows.length === 0)
    return fill('#matrix', make('tbody', {}, make('tr', {}, make('td', {}, texts.noOrganisation))));
  const head = make(
    'tr',
    {},
    make('th', { scope: 'col' }, texts.organisation),
    ...columns.map((type) => make('th', { scope: 'col' }, kind(type))),
  );
  const body = rows.map((organization) => {
    const fields = columns.map((type) => {
      const cell = cells.find((one) => one.organization.reference === organization && one.type === type);
      return make('td', {}, field(organization, type, cell));
    });
    return make('tr', {}, make('th', { scope: 'row' }, nameOf(organization)), ...fields);
  });
  fill('#matrix', make('thead', {}, head), make('tbody', {}, ...body));
}

function field(organization, type, { permit, reason, text }) {
  const label = `${nameOf(organization)}, ${kind(type)}: ${permit ? texts.sees : texts.doesNotSee}`;
  const onclick = () => change(organization, type, permit ? 'deny' : 'permit');
  const attributes = {
    type: 'button',
    title: texts.reasons[reason.replace(/-\d.*$/, '')] ?? text,
    'aria-label': label,
    'aria-pressed': String(permit),
    class: 'field',
    onclick,
  };
  return make('button', attributes, permit ? `✓ ${texts.sees}` : `✕ ${texts.doesNotSee}`);
}

function change(organization, type, effect) {
  const part = [
    { name: 'organization', valueReference: { reference: organization } },
    { name: 'type', valueCode: type },
    { name: 'effect', valueCode: effect },
  ];
  return doing(
    texts.moment,
    async () => {
      await show({ resourceType: 'Parameters', parameter: [{ name: 'set', part }] });
      const { owner } = await accountOf(session);
      if (owner === 'server') return;
      await signChoices(session);
      await show();
    },
    effect === 'permit' ? texts.allowed : texts.refused,
  );
}

try {
  session = await signIn();
  const patient = await fhir(session, 'GET', `Patient/${session.patient}`);
  fill('#who', personName(patient.name?.[0]));
  const option = ([value, name]) => make('option', { value }, name);
  fill('#known', ...(await choices(session, 'Organization')).map(option));
  fill('#kinds', ...knownKinds.map(option));
  document.querySelector('#leave').addEventListener('click', signOut);
  document.querySelector('#add').addEventListener('submit', (event) => {
    event.preventDefault();
    for (const [name, value] of new FormData(event.target)) if (value !== '') added[name].add(value);
    event.target.reset();
    void doing(texts.moment, () => show(), '');
  });
  await show();
  document.body.dataset.ready = 'true';
} catch (error) {
  say(error.message, true);
}
