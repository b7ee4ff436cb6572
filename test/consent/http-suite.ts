/**
 * The cases of test/cases/consent against a running server, over HTTP alone.
 *
 * What a server must offer: docs/consent.md, "The suite". Each case has patients and records of its own; what all cases need is written in two
 * transactions, so that a run costs little more than its reads.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dateTimeBounds } from '../../src/consent/period.js';

/** Who asks, as a token has to say it. */
export interface TokenRequest {
  readonly actor: string;
  readonly purpose: string;
  readonly memberships: readonly string[];
}

export interface SuiteOptions {
  /** Below it are the resource types. */
  readonly baseUrl: string;
  /** A token with the scope `system/*.cruds`. */
  readonly token: (request: TokenRequest) => Promise<string>;
  /** Of the organisation that runs the server: may write everything, and file Consents for patients. */
  readonly adminToken: string;
  /** What the server decides where no consent speaks: cases for the other are left out. */
  readonly implicit: 'deny' | 'permit';
}

export interface CaseResult {
  readonly name: string;
  /** `skipped`: it cannot be asked over HTTP here. */
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly detail?: string;
}

// Cases are JSON as the README beside them says.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Json = any;

const folder = fileURLToPath(new URL('../../../test/cases/consent/', import.meta.url));
const base = JSON.parse(readFileSync(`${folder}base.json`, 'utf8')) as Json;

interface Prepared {
  readonly name: string;
  readonly request: TokenRequest & { readonly action: string };
  readonly patients: readonly string[];
  readonly record: Json;
  readonly consents: readonly Json[];
  /** Stored because a token cannot say them: roles by code, identifiers. */
  readonly directory: readonly Json[];
  readonly expect: { readonly permit: boolean; readonly reason: string; readonly provision?: string };
}

/** Runs all cases; resolves with one result for each. */
export async function runConsentSuite(options: SuiteOptions): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  const skip = (name: string, detail: string) => void results.push({ name, outcome: 'skipped', detail });
  const prepared: Prepared[] = [];
  const refusals: Json[] = [];
  let number = 0;
  for (const file of readdirSync(folder)
    .filter((name) => /^\d.*\.json$/.test(name))
    .sort()) {
    for (const one of (JSON.parse(readFileSync(folder + file, 'utf8')) as Json).cases) {
      number += 1;
      const problem = unaskable(one);
      if (problem !== undefined) skip(one.name, problem);
      else if (one.refused !== undefined) refusals.push({ ...one, number });
      else if ((one.implicit ?? 'deny') !== options.implicit && one.expect.reason !== 'patient') {
        if (needsImplicit(one)) skip(one.name, `the operator's implicit policy is ${options.implicit}`);
        else prepared.push(prepare(one, number));
      } else prepared.push(prepare(one, number));
    }
  }
  const http = new Http(options.baseUrl);
  const unfit = await setUp(http, options, prepared);
  for (const [{ name }, problem] of unfit) skip(name, problem);
  const runnable = prepared.filter((one) => !unfit.has(one));
  const tokens = new Map<string, Promise<string>>();
  const tokenOf = (request: TokenRequest) => {
    const key = JSON.stringify([request.actor, request.purpose, request.memberships]);
    const known = tokens.get(key) ?? options.token(request);
    tokens.set(key, known);
    return known;
  };
  await inParallel(runnable, 8, async (one) => {
    const token = await tokenOf(one.request);
    let detail = await problemOf(http, options, one, token);
    // What was filed just now may not be mined: a server may answer by what is.
    for (let attempt = 0; detail !== undefined && attempt < 20; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      detail = await problemOf(http, options, one, token);
    }
    results.push({
      name: one.name,
      outcome: detail === undefined ? 'passed' : 'failed',
      ...(detail === undefined ? {} : { detail }),
    });
  });
  await inParallel(refusals, 8, async ({ name, consent, number: place }: Json) => {
    const draft = renamed(merged(consent, 0), `k${place}-`);
    const { status } = await http.send('POST', 'Consent', options.adminToken, { ...draft, id: undefined });
    const isRefused = status === 422 || status === 400;
    results.push({
      name,
      outcome: isRefused ? 'passed' : 'failed',
      ...(isRefused ? {} : { detail: `answered ${status}` }),
    });
  });
  return results;
}

/** Why a case cannot be put to a server; undefined when it can. */
function unaskable({ request = {}, consents = [], expect }: Json): string | undefined {
  if (!/^[A-Z]/.test(request.actor ?? 'Practitioner/doctor')) return 'an actor of another server';
  if (consents.some(({ meta }: Json) => meta !== undefined)) return 'when a Consent is stored is up to the server';
  if (request.action === 'collect' && expect.reason === 'no-consent') return 'whoever creates a record is its author';
  return undefined;
}

/** Whether the decision would be another one under the other implicit policy. */
function needsImplicit({ expect }: Json): boolean {
  return expect.reason === 'no-consent' || expect.reason === 'implicit' || expect.reason === 'author';
}

/** What R4 demands of a record and no case is about. */
const demanded: Record<string, Json> = {
  Consent: { ...base.consent, id: undefined, meta: undefined, status: 'proposed' },
  DocumentReference: { status: 'current', content: [{ attachment: { title: 'x' } }] },
  Encounter: { status: 'finished', class: { code: 'AMB' } },
};

function prepare(data: Json, number: number): Prepared {
  const prefix = `k${number}-`;
  const { actor = 'Practitioner/doctor', memberships = [], purpose = 'TREAT', action = 'access' } = data.request ?? {};
  const at = Date.parse(data.at ?? base.at);
  const record = { ...demanded[data.record?.resourceType ?? ''], ...(data.record ?? base.record) };
  const consents = (data.consents ?? []).map((consent: Json, index: number) => inTime(merged(consent, index), at));
  const all = renamed({ actor, memberships, record, consents, patients: ['Patient/p1', 'Patient/p2'] }, prefix);
  const coded = (all.memberships as string[]).filter((one) => one.includes('|'));
  return {
    name: data.name,
    request: {
      actor: all.actor,
      purpose,
      action,
      memberships: (all.memberships as string[]).filter((one) => !one.includes('|')),
    },
    patients: all.patients,
    record: all.record,
    consents: all.consents.map((consent: Json, index: number) => ({ ...consent, id: `${prefix}c${index + 1}` })),
    directory: coded.length === 0 ? [] : directoryOf(all.actor, all.memberships, coded),
    expect: data.expect,
  };
}

/** What makes an actor a holder of roles by code, and known by identifiers. */
function directoryOf(actor: string, memberships: readonly string[], coded: readonly string[]): Json[] {
  const [resourceType, id] = actor.split('/');
  const organization = memberships.find((one) => one.startsWith('Organization/'));
  const split = (text: string) => [text.slice(0, text.lastIndexOf('|')), text.slice(text.lastIndexOf('|') + 1)];
  const identifier = coded
    .filter((one) => one.startsWith('identifier:'))
    .map((one) => split(one.slice('identifier:'.length)))
    .map(([system, value]) => ({ system, value }));
  const code = coded
    .filter((one) => !one.startsWith('identifier:'))
    .map(split)
    .map(([system, value]) => ({ coding: [{ system, code: value }] }));
  return [
    { resourceType, id, ...(identifier.length === 0 ? {} : { identifier }) },
    ...(code.length === 0
      ? []
      : [
          {
            resourceType: 'PractitionerRole',
            id: `${id}-role`,
            practitioner: { reference: actor },
            ...(organization === undefined ? {} : { organization: { reference: organization } }),
            code,
          },
        ]),
  ];
}

/** Two transactions: patients, directory and records by their author; then the Consents. */
async function setUp(
  http: Http,
  { token, adminToken }: SuiteOptions,
  prepared: readonly Prepared[],
): Promise<Map<Prepared, string>> {
  const put = (resource: Json) => ({
    resource,
    request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
  });
  const people = prepared.flatMap(({ patients, directory }) => [
    ...patients.map((name) => ({ resourceType: 'Patient', id: name.slice('Patient/'.length) })),
    ...directory,
  ]);
  await http.transaction(adminToken, people.map(put));
  const byAuthor = new Map<string, Json[]>();
  for (const { record, request } of prepared) {
    // Who creates in a case writes the record then.
    const author = base.author as string;
    if (request.action === 'collect' && record === undefined) continue;
    byAuthor.set(author, [...(byAuthor.get(author) ?? []), put(record)]);
  }
  for (const [author, entries] of byAuthor) {
    await http.transaction(await token({ actor: author, purpose: 'TREAT', memberships: [] }), entries);
  }
  // A Consent that R4's own rules refuse is for the compiler's tests alone: the case is left out.
  const unfit = new Map<Prepared, string>();
  for (;;) {
    const owners = prepared
      .filter((one) => !unfit.has(one))
      .flatMap((one) => one.consents.map((consent) => ({ one, consent })));
    const refused = await http.tryTransaction(
      adminToken,
      owners.map(({ consent }) => put(consent)),
    );
    if (refused === undefined) return unfit;
    const before = unfit.size;
    for (const { severity, diagnostics, expression } of refused) {
      const [, place] = /^Bundle\.entry\[(\d+)\]/.exec(expression?.[0] ?? '') ?? [];
      const owner = place === undefined || severity === 'warning' ? undefined : owners[Number(place)]?.one;
      if (owner !== undefined) unfit.set(owner, `R4 refuses its Consent: ${String(diagnostics)}`);
    }
    if (unfit.size === before) throw new Error(`the Consents were refused: ${JSON.stringify(refused).slice(0, 2_000)}`);
  }
}

/** @returns what is not as the case expects; undefined when all is. */
async function problemOf(
  http: Http,
  { adminToken }: SuiteOptions,
  { request, record, expect }: Prepared,
  token: string,
): Promise<string | undefined> {
  const name = `${record.resourceType}/${record.id}`;
  const { action } = request;
  const answer =
    action === 'collect'
      ? await http.send('POST', record.resourceType, token, { ...record, id: undefined })
      : action === 'correct'
        ? await http.send('PUT', name, token, record)
        : await http.send(
            'GET',
            action === 'disclose' ? `${name}/$disclose?element=${record.resourceType}.id` : name,
            token,
          );
  const isAnswered = answer.status < 300 || /not anchored yet|no element/i.test(answer.text);
  if (isAnswered !== expect.permit)
    return `answered ${answer.status}, expected ${expect.permit ? 'a permit' : 'a refusal'}`;
  const query = new URLSearchParams([
    ['actor', request.actor],
    ['purpose', request.purpose],
    ['action', action],
    ...request.memberships.map((one): [string, string] => ['membership', one]),
  ]);
  const explained = await http.send('GET', `${name}/$explain-access?${query.toString()}`, adminToken);
  if (explained.status === 404) return undefined;
  const parts = (JSON.parse(explained.text) as Json).parameter?.[0]?.part ?? [];
  const valueOf = (part: string) =>
    Object.entries((parts.find((one: Json) => one.name === part) ?? {}) as Json).find(([key]) => key !== 'name')?.[1];
  const reason = String(valueOf('reason'))
    .replace(/^(permit|deny):provision-.*/, '$1-provision')
    .replace(/^[a-z]+:/, '');
  if (reason !== expect.reason) return `explained by ${reason}, expected ${expect.reason}`;
  const provision = valueOf('provision');
  if (expect.provision !== undefined && provision !== expect.provision) {
    return `decided by ${String(provision)}, expected ${expect.provision}`;
  }
  return undefined;
}

function merged(changes: Json, index: number): Json {
  const all = { ...base.consent, id: `c${index + 1}`, ...changes, meta: undefined };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined));
}

/** The same with `prefix` before the id of each patient, record and consent of the case; people and organisations too where roles need them. */
function renamed(value: Json, prefix: string): Json {
  const text = JSON.stringify(value);
  const needsPeople = /"[^"]*\|[^"]*"/.test(JSON.stringify(value.memberships ?? []));
  const own = needsPeople
    ? '[A-Z][A-Za-z]+'
    : '(?!Practitioner|Organization|CareTeam|RelatedPerson|Device|Group)[A-Z][A-Za-z]+';
  const references = text.replace(
    new RegExp(`"(${own})/([A-Za-z0-9\\-.]{1,40})(/_history/[0-9]+)?"`, 'g'),
    `"$1/${prefix}$2$3"`,
  );
  const result = JSON.parse(references) as Json;
  if (result.record?.id !== undefined) result.record.id = prefix + result.record.id;
  return result;
}

const hourMs = 3_600_000;
const farMs = 10 * 365 * 24 * hourMs;

/** Periods moved so that what has passed at the time of the case has passed now, and what is to come is still to come. */
function inTime(value: Json, at: number): Json {
  if (Array.isArray(value)) return value.map((one) => inTime(one, at));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value as Json).map(([name, child]) => [
      name,
      name === 'period' ? moved(child, at) : inTime(child, at),
    ]),
  );
}

function moved(period: Json, at: number): Json {
  const now = Date.now();
  const move = (bound: number) => {
    if (Math.abs(bound - at) > farMs) return bound;
    return bound - at + now + (bound > at ? hourMs : 0);
  };
  const instant = (time: number) => new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    ...(period.start === undefined ? {} : { start: instant(move(dateTimeBounds(period.start, '')[0])) }),
    // An end includes the second that it names.
    ...(period.end === undefined ? {} : { end: instant(move(dateTimeBounds(period.end, '')[1]) - 1000) }),
  };
}

async function inParallel<T>(items: readonly T[], width: number, run: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

class Http {
  constructor(private readonly baseUrl: string) {}

  async send(method: string, url: string, token: string, body?: Json): Promise<{ status: number; text: string }> {
    const response = await fetch(`${this.baseUrl}/${url}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await response.text() };
  }

  /** @returns the issues when it is refused. */
  async tryTransaction(token: string, entry: readonly Json[]): Promise<Json[] | undefined> {
    const { status, text } = await this.send('POST', '', token, { resourceType: 'Bundle', type: 'transaction', entry });
    return status === 200 ? undefined : (JSON.parse(text) as Json).issue;
  }

  /** @throws Error with the answer when it is refused. */
  async transaction(token: string, entry: readonly Json[]): Promise<void> {
    if (entry.length === 0) return;
    const { status, text } = await this.send('POST', '', token, { resourceType: 'Bundle', type: 'transaction', entry });
    if (status !== 200) throw new Error(`setting up was refused with ${status}: ${text.slice(0, 2_000)}`);
  }
}
