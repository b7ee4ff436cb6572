/** The page of a patient's consents and her key. */
import { day, doing, fill, make, say } from './dom.js';
import { accountOf, perform, signChoices, signConsent, usePasskey, useWallet } from './keys.js';
import { fhir, signIn, signOut, valuesOf } from './session.js';

const states = {
  active: 'In force',
  'pending-filing': 'Being written down by the network',
  'pending-revocation': 'Taken back; the network is writing it down',
  none: 'Ended',
};
let session;
let account;

async function show() {
  const [bundle, now] = await Promise.all([
    fhir(session, 'GET', `Consent?patient=${session.patient}&_sort=-_lastUpdated&_count=100`),
    accountOf(session),
  ]);
  account = now;
  const consents = (bundle.entry ?? []).map(({ resource }) => resource);
  const told = await Promise.all(consents.map(({ id }) => fhir(session, 'GET', `Consent/${id}/$status`)));
  const items = consents.map((consent, i) => item(consent, valuesOf(told[i].parameter)));
  if (items.length === 0) fill('#consents', make('p', {}, 'You have not allowed or refused anything yet.'));
  else fill('#consents', make('ul', { class: 'cards' }, ...items));
  showKey();
}

const ownChoices = 'urn:mooring:permissions';

/** The Consent in which everything is kept that is set on these pages. */
function isOwnChoice({ identifier = [] }) {
  return identifier.some(({ system }) => system === ownChoices);
}

function item(consent, { state, needsSignature }) {
  const isOpen = consent.status === 'active' || needsSignature;
  const stage = needsSignature ? 'unsigned' : isOpen ? state : 'none';
  const buttons = needsSignature ? [button('Sign', () => sign(consent))] : [];
  const isActive = consent.status === 'active';
  if (isActive && !isOwnChoice(consent)) buttons.push(button('Take back', () => takeBack(consent), 'second'));
  return make(
    'li',
    { 'data-state': stage },
    make('p', { class: 'state' }, stage === 'unsigned' ? 'Waits for your signature' : states[stage]),
    ...rulesOf(consent).map((rule) => line(rule, isActive && isOwnChoice(consent))),
    ...others(consent).map((text) => make('p', {}, text)),
    make('p', { class: 'quiet' }, `Since ${day(consent.dateTime ?? consent.meta.lastUpdated)}`),
    make('div', { class: 'buttons' }, ...buttons),
  );
}

/** Provisions about somebody. */
function rulesOf({ provision = {} }) {
  return [provision, ...(provision.provision ?? [])].filter(({ actor }) => actor !== undefined);
}

/** One rule in a sentence, with a button where it was set on these pages. */
function line(rule, canEnd) {
  const who = rule.actor.map(({ reference = {} }) => reference.display ?? nameOf(reference.reference)).join(', ');
  const what = rule.class === undefined ? 'your record' : rule.class.map(({ code }) => code).join(', ');
  const until = rule.period?.end === undefined ? '' : ` until ${day(rule.period.end)}`;
  const text = `${who} ${rule.type === 'deny' ? 'may not see' : 'may see'} ${what}${until}.`;
  const end = canEnd ? [button('Take back', () => set(rule, 'none', 'Taken back.'), 'second')] : [];
  return make('div', { class: 'rule' }, make('p', {}, text), ...end);
}

/** What holds for everybody else, where the Consent says so. */
function others({ provision, policyRule }) {
  const codes = (policyRule?.coding ?? []).map(({ code }) => code);
  const isClosed = provision?.type === 'deny' || codes.includes('OPTOUT') || codes.includes('OPTOUTE');
  const isOpen = provision?.type === 'permit' || codes.includes('OPTIN') || codes.includes('OPTINR');
  if (provision?.actor !== undefined) return [];
  if (isClosed) return ['Others may not see your record.'];
  return isOpen ? ['Whoever treats you may see your record.'] : [];
}

const names = new Map();

function nameOf(reference) {
  return names.get(reference) ?? reference ?? 'somebody';
}

function showKey() {
  const { owner, kind, recoveryKey, recoveryDelay, nextKey, recoveryReady, key } = account;
  const whose =
    owner === 'server'
      ? 'This server keeps your key, and signs when you allow or refuse something.'
      : `You sign yourself, with ${kind === 'passkey' ? 'a passkey' : 'your wallet'}.`;
  fill(
    '#key',
    make('p', { id: 'whose' }, whose),
    ...(key === undefined ? [] : [make('p', { class: 'quiet mono' }, key)]),
  );
  document.querySelector('#wallet').hidden = window.ethereum === undefined;
  const lines = [];
  if (recoveryKey === undefined)
    lines.push(make('p', {}, 'You have named no guardians: a lost key of your own could not be replaced.'));
  else
    lines.push(
      make('p', {}, `Your guardians can replace your key; you have ${recoveryDelay / 86_400} days to object.`),
    );
  if (nextKey !== undefined) {
    lines.push(
      make(
        'p',
        { class: 'problem' },
        `Your guardians are giving your account to another key, from ${new Date(recoveryReady).toLocaleString()} on.`,
      ),
    );
    lines.push(button('Stop this', () => act('recover', { step: 'cancel' }, 'It is stopped.')));
  }
  fill('#recovery', ...lines);
}

function button(text, onclick, style) {
  return make('button', { type: 'button', onclick, class: style }, text);
}

const confirm = () => (account.owner === 'own' ? 'Please confirm with your key …' : 'One moment …');

function sign({ id }) {
  return doing(
    'Please confirm with your key …',
    async () => {
      await signConsent(session, id);
      await show();
    },
    'Signed.',
  );
}

function takeBack({ id }) {
  return doing(
    confirm(),
    async () => {
      await fhir(session, 'POST', `Consent/${id}/$revoke`);
      if (account.owner === 'own') await signConsent(session, id);
      await show();
    },
    'Taken back.',
  );
}

function act(operation, given, done) {
  return doing(
    confirm(),
    async () => {
      await perform(session, operation, given);
      await show();
    },
    done,
  );
}

/** Sets what somebody may see, in the Consent of the patient's own choices; signs it where the key is hers. */
function set({ actor: [{ reference }], class: types = [], period }, effect, done, then) {
  const type = types[0]?.code;
  const part = [
    { name: 'actor', valueReference: { reference: reference.reference } },
    { name: 'effect', valueCode: effect },
    ...(type === undefined ? [] : [{ name: 'type', valueCode: type }]),
    ...(period?.end === undefined ? [] : [{ name: 'until', valueDate: period.end }]),
  ];
  return doing(
    confirm(),
    async () => {
      const path = `Patient/${session.patient}/$permissions`;
      await fhir(session, 'POST', path, { resourceType: 'Parameters', parameter: [{ name: 'set', part }] });
      if (account.owner === 'own') await signChoices(session);
      then?.();
      await show();
    },
    done,
  );
}

function listen() {
  const on = (id, run) =>
    document.querySelector(id).addEventListener('submit', (event) => {
      event.preventDefault();
      void run(Object.fromEntries(new FormData(event.target)), event.submitter?.value, event.target);
    });
  const click = (id, run) => document.querySelector(id).addEventListener('click', run);
  on('#allow', ({ actor, until }, _, form) => {
    const rule = { actor: [{ reference: { reference: actor } }], period: until === '' ? undefined : { end: until } };
    return set(rule, 'permit', 'Allowed.', () => form.reset());
  });
  on('#delegate', ({ actor, until }, what) => {
    if (what === 'end') return act('delegate', { actor, end: true }, 'It is ended.');
    if (until === '') return say('Please say until when.', true);
    const end = new Date(`${until}T00:00:00`);
    end.setDate(end.getDate() + 1);
    return act('delegate', { actor, until: end.toISOString() }, 'They act for you now.');
  });
  on('#guardians', ({ key, days }, what) =>
    what === 'end'
      ? act('guardians', { end: true }, 'You have no guardians now.')
      : act('guardians', { key, delay: 86_400 * Number(days) }, 'Your guardians are named.'),
  );
  const take = (use) => () =>
    doing(
      'Please confirm with your key …',
      async () => {
        await use();
        await show();
      },
      'From now on you sign yourself.',
    );
  click(
    '#passkey',
    take(() => usePasskey(session, 'Your health record')),
  );
  click(
    '#wallet',
    take(() => useWallet(session)),
  );
  click('#leave', signOut);
}

/** Names of the organisations that the patient can see, also for the field of whom to allow. */
async function learnNames() {
  const { entry = [] } = await fhir(session, 'GET', 'Organization?_count=50');
  for (const { resource } of entry) names.set(`Organization/${resource.id}`, resource.name ?? resource.id);
  fill('#known', ...[...names].map(([value, name]) => make('option', { value }, name)));
}

try {
  session = await signIn();
  const patient = await fhir(session, 'GET', `Patient/${session.patient}`);
  const [{ text, given = [], family = '' } = {}] = patient.name ?? [];
  fill('#who', text ?? [...given, family].join(' '));
  listen();
  await learnNames();
  await show();
  document.body.dataset.ready = 'true';
} catch (error) {
  say(error.message, true);
}
