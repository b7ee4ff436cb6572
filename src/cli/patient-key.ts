/**
 * `mooring patient-key`: what a patient does with a key of her own, from a terminal: the operations of docs/patient-keys.md over HTTP, signed with a
 * wallet's key in a file. The server never sees the key.
 */
import { readFile } from 'node:fs/promises';
import { Wallet, type TypedDataField } from 'ethers';
import type { TypedData } from '../chain/account-typed-data.js';
import { argumentsOf, command, CommandRefused } from './command.js';

const usage = `Usage: mooring patient-key show      --server URL --patient ID --token-file FILE
       mooring patient-key register  ... --key FILE [--previous FILE]
       mooring patient-key sign CONSENT_ID ... --key FILE
       mooring patient-key delegate  ... [--key FILE] [--actor REFERENCE] [--to ADDRESS] (--until INSTANT | --end)
       mooring patient-key guardians ... [--key FILE] (--to ADDRESS [--delay SECONDS] | --end)
       mooring patient-key recover start ... --key FILE --to ADDRESS | recover cancel ... [--key FILE] | recover finish ... --to ADDRESS
  --server      base URL, with /fhir (default http://127.0.0.1:8080/fhir)
  --token-file  a file with her bearer token, or that of an operator who passes on what she signed
  --key         file with the private key that signs (0x and 64 digits): hers; of a recovery the one that "mooring guardians join" wrote
  --previous    the key that the account has now, where a new one takes its place
  --to          address of the delegate's key, the recovery key, or the new key of a recovery
Shows what it signs. Without --key the server signs, where it keeps her key. Status: 0 done, 1 refused, 2 wrong use.`;

const options = {
  server: { type: 'string', default: 'http://127.0.0.1:8080/fhir' },
  patient: { type: 'string' },
  'token-file': { type: 'string' },
  key: { type: 'string' },
  previous: { type: 'string' },
  actor: { type: 'string' },
  to: { type: 'string' },
  until: { type: 'string' },
  delay: { type: 'string' },
  end: { type: 'boolean' },
} as const;

type Values = Record<string, string | number | boolean | undefined>;
type Parts = readonly { readonly name: string; readonly part?: Parts; readonly [value: string]: unknown }[];

export function run(args: string[]): Promise<number> {
  return command(usage, async () => {
    const parsed = argumentsOf(usage, args, options);
    if (parsed === undefined) return 0;
    const { values, positionals } = parsed;
    const [name, what] = positionals;
    const patient = required(values.patient, '--patient');
    const token = (await readFile(required(values['token-file'], '--token-file'), 'utf8')).trim();
    const call = (path: string, given?: Values) => ask(`${values.server}/${path}`, token, given);
    const [key, previous] = await Promise.all([walletIn(values.key), walletIn(values.previous)]);
    const on = (operation: string, given: Values) =>
      twice(call, `Patient/${patient}/$${operation}`, given, key, previous);
    const { to, actor, until, end } = values;
    const delay = values.delay === undefined ? undefined : Number(values.delay);
    if (name === 'show') print(await call(`Patient/${patient}/$consent-account`));
    else if (name === 'register') print(await on('consent-key', { key: required(key, '--key').address }));
    else if (name === 'sign') await signConsent(call, required(what, 'CONSENT_ID'), required(key, '--key'));
    else if (name === 'delegate') print(await on('delegate', { actor, key: to, until, end }));
    else if (name === 'guardians') print(await on('guardians', { key: to, delay, end }));
    else if (name === 'recover' && what !== undefined) print(await on('recover', { step: what, key: to }));
    else throw new CommandRefused('expected show, register, sign, delegate, guardians or recover');
    return 0;
  });
}

type Call = (path: string, given?: Values) => Promise<Parts>;

/** Once for the statement, and once more with its signature where one is asked for. */
async function twice(call: Call, path: string, given: Values, key?: Wallet, previous?: Wallet): Promise<Parts> {
  const first = await call(path, given);
  const { state, typedData, index, deadline } = valuesOf(first);
  if (state !== 'to-sign') return first;
  const signature = await sign(required(key, '--key'), String(typedData));
  const before = previous === undefined ? {} : { previous: await sign(previous, String(typedData)) };
  return call(path, { ...given, ...before, signature, index: Number(index), deadline: deadline as string | undefined });
}

/** Signs what waits for it, one statement after the other. */
async function signConsent(call: Call, id: string, key: Wallet): Promise<void> {
  const path = `Consent/${id}/$sign`;
  let answer = await call(path, {});
  for (;;) {
    const waiting = answer.find(({ name }) => name === 'to-sign')?.part;
    if (waiting === undefined) return print(answer);
    const { statement, index, deadline, typedData } = valuesOf(waiting);
    const signature = await sign(key, String(typedData));
    answer = await call(path, { ...{ statement, index, deadline }, signature } as Values);
  }
}

async function sign(key: Wallet, text: string): Promise<string> {
  const { domain, types, primaryType, message } = JSON.parse(text) as TypedData;
  console.error(`signs as ${key.address}: ${primaryType} ${JSON.stringify(message)}`);
  return key.signTypedData(domain, { [primaryType]: types[primaryType] as TypedDataField[] }, message);
}

/** @throws ServerRefused with what the server says when it refuses. */
async function ask(url: string, token: string, given?: Values): Promise<Parts> {
  const response = await reach(url, {
    method: given === undefined ? 'GET' : 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json' },
    ...(given === undefined ? {} : { body: JSON.stringify({ resourceType: 'Parameters', parameter: partsOf(given) }) }),
  });
  const body = (await response.json()) as { parameter?: Parts; issue?: readonly { diagnostics?: string }[] };
  if (response.ok) return body.parameter ?? [];
  throw new ServerRefused(`${response.status}: ${body.issue?.map(({ diagnostics }) => diagnostics).join(' ')}`);
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (problem) {
    throw new ServerRefused(`${url} cannot be reached: ${(problem as Error).message}`);
  }
}

/** The server said no, or nothing: status 1. */
class ServerRefused extends Error {
  override readonly name = 'ServerRefused';
}

function partsOf(given: Values): object[] {
  const type = { string: 'valueString', number: 'valueUnsignedInt', boolean: 'valueBoolean' } as const;
  return Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ({ name, [type[typeof value as keyof typeof type]]: value }));
}

function valuesOf(parts: Parts): Record<string, unknown> {
  return Object.fromEntries(
    parts.map((one) => [one.name, Object.entries(one).find(([key]) => key.startsWith('value'))?.[1]]),
  );
}

function print(parts: Parts): void {
  for (const [name, value] of Object.entries(valuesOf(parts))) {
    if (value !== undefined) process.stdout.write(`${name} ${String(value as string)}\n`);
  }
}

async function walletIn(file: string | undefined): Promise<Wallet | undefined> {
  if (file === undefined) return undefined;
  const text = (await readFile(file, 'utf8')).trim();
  if (!/^0x[0-9a-fA-F]{64}$/.test(text)) throw new CommandRefused(`${file} holds no private key`);
  return new Wallet(text);
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new CommandRefused(`${name} is missing`);
  return value;
}
