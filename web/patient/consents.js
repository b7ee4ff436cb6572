/** The page of a patient's consents and her key. */
import { doing, fill, make, say } from './dom.js';
import { accountOf, perform, signChoices, signConsent, usePasskey, useWallet } from './keys.js';
import { day, kind, moment, texts } from './language.js';
import { choices, learnNames, nameOf, personName } from './names.js';
import { fhir, signIn, signOut, valuesOf } from './session.js';

const states = {
  active: texts.active,
  'pending-filing': texts.pendingFiling,
  'pending-revocation': texts.pendingRevocation,
  none: texts.ended,
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
  await learnNames(
    session,
    consents.flatMap(rulesOf).flatMap(({ actor }) => actor.map(({ reference }) => reference?.reference)),
  );
  const told = await Promise.all(consents.map(({ id }) => fhir(session, 'GET', `Consent/${id}/$status`)));
  const items = consents.map((consent, i) => item(consent, valuesOf(told[i].parameter)));
  if (items.length === 0) fill('#consents', make('p', {}, texts.nothingYet));
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
  const buttons = needsSignature ? [button(texts.sign, () => sign(consent))] : [];
  const isActive = consent.status === 'active';
  if (isActive && !isOwnChoice(consent)) buttons.push(button(texts.takeBack, () => takeBack(consent), 'second'));
  return make(
    'li',
    { 'data-state': stage },
    make('p', { class: 'state' }, stage === 'unsigned' ? texts.unsigned : states[stage]),
    ...rulesOf(consent).map((rule) => line(rule, isActive && isOwnChoice(consent))),
    ...others(consent).map((text) => make('p', {}, text)),
    make('p', { class: 'quiet' }, texts.since(day(consent.dateTime ?? consent.meta.lastUpdated))),
    make('div', { class: 'buttons' }, ...buttons),
  );
}

/** Provisions about somebody. */
function rulesOf({ provision = {} }) {
  return [provision, ...(provision.provision ?? [])].filter(({ actor }) => actor !== undefined);
}

/** One rule in a sentence, with a button where it was set on these pages. */
function line(rule, canEnd) {
  const who = rule.actor.map(
    ({ reference = {} }) => reference.display ?? nameOf(reference.reference) ?? texts.somebody,
  );
  const what = rule.class === undefined ? [texts.yourRecord] : rule.class.map(({ code }) => kind(code));
  const until = rule.period?.end === undefined ? undefined : day(rule.period.end);
  const text = texts.rule(list(who), rule.type === 'deny', list(what), until);
  const end = canEnd ? [button(texts.takeBack, () => set(rule, 'none', texts.takenBack), 'second')] : [];
  return make('div', { class: 'rule' }, make('p', {}, text), ...end);
}

function list(words) {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} ${texts.and} ${words.at(-1)}`;
}

/** What holds for everybody else, where the Consent says so. */
function others({ provision, policyRule }) {
  const codes = (policyRule?.coding ?? []).map(({ code }) => code);
  const isClosed = provision?.type === 'deny' || codes.includes('OPTOUT') || codes.includes('OPTOUTE');
  const isOpen = provision?.type === 'permit' || codes.includes('OPTIN') || codes.includes('OPTINR');
  if (provision?.actor !== undefined) return [];
  if (isClosed) return [texts.othersMayNot];
  return isOpen ? [texts.treatersMay] : [];
}

function showKey() {
  const { owner, kind: form, recoveryKey, recoveryDelay, nextKey, recoveryReady, key } = account;
  const whose = owner === 'server' ? texts.serverKeeps : texts.youSign(form === 'passkey');
  fill(
    '#key',
    make('p', { id: 'whose' }, whose),
    ...(key === undefined ? [] : [make('p', { class: 'quiet mono' }, key)]),
  );
  document.querySelector('#wallet').hidden = window.ethereum === undefined;
  const lines = [];
  if (recoveryKey === undefined) lines.push(make('p', {}, texts.noGuardians));
  else lines.push(make('p', {}, texts.guardiansCan(recoveryDelay / 86_400)));
  if (nextKey !== undefined) {
    lines.push(make('p', { class: 'problem' }, texts.recovering(moment(recoveryReady))));
    lines.push(button(texts.stop, () => act('recover', { step: 'cancel' }, texts.stopped)));
  }
  fill('#recovery', ...lines);
}

function button(text, onclick, style) {
  return make('button', { type: 'button', onclick, class: style }, text);
}

const confirm = () => (account.owner === 'own' ? texts.confirm : texts.moment);

function sign({ id }) {
  return doing(
    texts.confirm,
    async () => {
      await signConsent(session, id);
      await show();
    },
    texts.signed,
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
    texts.takenBack,
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
    return set(rule, 'permit', texts.allowed, () => form.reset());
  });
  on('#delegate', ({ actor, until }, what) => {
    if (what === 'end') return act('delegate', { actor, end: true }, texts.isEnded);
    if (until === '') return say(texts.sayUntil, true);
    const end = new Date(`${until}T00:00:00`);
    end.setDate(end.getDate() + 1);
    return act('delegate', { actor, until: end.toISOString() }, texts.theyAct);
  });
  on('#guardians', ({ key, days }, what) =>
    what === 'end'
      ? act('guardians', { end: true }, texts.guardiansGone)
      : act('guardians', { key, delay: 86_400 * Number(days) }, texts.guardiansNamed),
  );
  const take = (use) => () =>
    doing(
      texts.confirm,
      async () => {
        await use();
        await show();
      },
      texts.fromNowOn,
    );
  click(
    '#passkey',
    take(() => usePasskey(session, texts.passkeyName)),
  );
  click(
    '#wallet',
    take(() => useWallet(session)),
  );
  click('#leave', signOut);
}

/** Whom the fields offer. */
async function offerNames() {
  const options = async (...types) =>
    (await choices(session, ...types)).map(([value, name]) => make('option', { value }, name));
  fill('#known', ...(await options('Organization', 'Practitioner')));
  fill('#relatives', ...(await options('RelatedPerson')));
}

try {
  session = await signIn();
  const patient = await fhir(session, 'GET', `Patient/${session.patient}`);
  fill('#who', personName(patient.name?.[0]));
  listen();
  await offerNames();
  await show();
  document.body.dataset.ready = 'true';
} catch (error) {
  say(error.message, true);
}
