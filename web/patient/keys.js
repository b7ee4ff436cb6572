/** Keys of the patient's own: a passkey of this device or a wallet in this browser, and what they sign. */
import { texts } from './language.js';
import { fhir, parameters, Refused, toBytes, toText, valuesOf } from './session.js';

const es256 = -7;

/** Makes a passkey on this device and gives it the patient's account. */
export async function usePasskey(session, name) {
  const made = await navigator.credentials.create({
    publicKey: {
      rp: { name: texts.passkeyName },
      user: { id: crypto.getRandomValues(new Uint8Array(16)), name, displayName: name },
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      pubKeyCredParams: [{ type: 'public-key', alg: es256 }],
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
    },
  });
  const key = { publicKey: toText(made.response.getPublicKey()), credential: toText(made.rawId) };
  return takeKey(session, key, (toSign) => byPasskey(toSign, key.credential));
}

/** Gives the account to the wallet of this browser. */
export async function useWallet(session) {
  const [key] = await ethereum().request({ method: 'eth_requestAccounts' });
  return takeKey(session, { key }, (toSign) => byWallet(toSign, key));
}

/** The new key signs; so does the present one, where the patient has one of her own. */
async function takeKey(session, key, signWithNew) {
  const account = await accountOf(session);
  const operation = `Patient/${session.patient}/$consent-key`;
  const toSign = valuesOf((await fhir(session, 'POST', operation, parameters(key))).parameter);
  const signature = await signWithNew(toSign);
  const previous = account.owner === 'own' ? await signFor(account, toSign) : undefined;
  const given = { ...key, index: toSign.index, deadline: toSign.deadline, signature, previous };
  await fhir(session, 'POST', operation, parameters(given));
}

/** Whose key files for the patient: what `$consent-account` tells. */
export async function accountOf(session) {
  return valuesOf((await fhir(session, 'GET', `Patient/${session.patient}/$consent-account`)).parameter);
}

/** An operation on the account: signed here where the key is the patient's own. */
export async function perform(session, operation, given) {
  const path = `Patient/${session.patient}/$${operation}`;
  const answer = valuesOf((await fhir(session, 'POST', path, parameters(given))).parameter);
  if (answer.state !== 'to-sign') return answer;
  const signature = await signFor(await accountOf(session), answer);
  const signed = { ...given, index: answer.index, deadline: answer.deadline, signature };
  return valuesOf((await fhir(session, 'POST', path, parameters(signed))).parameter);
}

/** Signs everything of a Consent that waits for the patient's own key. */
export async function signConsent(session, id) {
  const account = await accountOf(session);
  for (;;) {
    const { parameter } = await fhir(session, 'POST', `Consent/${id}/$sign`, parameters({}));
    const waiting = parameter.find(({ name }) => name === 'to-sign');
    if (waiting === undefined) return valuesOf(parameter);
    const toSign = valuesOf(waiting.part);
    const { statement, index, deadline } = toSign;
    const signature = await signFor(account, toSign);
    await fhir(session, 'POST', `Consent/${id}/$sign`, parameters({ statement, index, deadline, signature }));
  }
}

/** Signs what was set on these pages: it is kept in one Consent (`$permissions`). */
export async function signChoices(session) {
  const own = encodeURIComponent(`urn:mooring:permissions|${session.patient}`);
  const { entry = [] } = await fhir(session, 'GET', `Consent?identifier=${own}`);
  for (const { resource } of entry) await signConsent(session, resource.id);
}

function signFor({ kind, key, credential }, toSign) {
  return kind === 'passkey' ? byPasskey(toSign, credential) : byWallet(toSign, key);
}

async function byPasskey({ challenge }, credential) {
  const assertion = await navigator.credentials.get({
    publicKey: {
      challenge: toBytes(challenge),
      allowCredentials: credential === undefined ? [] : [{ type: 'public-key', id: toBytes(credential) }],
      userVerification: 'required',
    },
  });
  const { clientDataJSON, authenticatorData, signature } = assertion.response;
  const response = {
    clientDataJSON: toText(clientDataJSON),
    authenticatorData: toText(authenticatorData),
    signature: toText(signature),
  };
  return JSON.stringify({ id: assertion.id, type: 'public-key', response });
}

function byWallet({ typedData }, address) {
  return ethereum().request({ method: 'eth_signTypedData_v4', params: [address, typedData] });
}

function ethereum() {
  if (window.ethereum === undefined) throw new Refused(0, texts.noWallet);
  return window.ethereum;
}
