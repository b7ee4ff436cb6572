/** `mooring app`: apps and backend services (OAuth clients) that the operator registers. Works beside a running server. */
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../base/clock.js';
import { ConfigError, readConfig, type Config } from '../config.js';
import { operatorClient, type AppRegistration } from '../smart/authorization-server/operator-client.js';
import { rotateSigningKeys } from '../smart/authorization-server/signing-keys.js';
import type { SealedStore } from '../smart/store/sealed-store.js';
import { tellServers } from '../smart/told-events.js';
import { openConfiguredRing } from '../wiring/ring-form.js';
import { openSealedStore } from '../wiring/smart.js';

const usage = `Usage: mooring app add [ID] --name TEXT --redirect URL ... [--launch URL] [--scope SCOPES] [--public | --jwks-url URL | --jwks FILE]
       mooring app add [ID] --name TEXT --backend --scope SCOPES (--jwks-url URL | --jwks FILE) [--actor REFERENCE] [--member REFERENCE ...] [--role ROLE ...] [--purpose CODE]
       mooring app token [--hours N]
       mooring app list | mooring app remove ID
       mooring app rotate-keys
  --public        an app that cannot keep a secret (in a browser, on a phone): PKCE alone
  --jwks-url      its public keys by URL; --jwks: from a file. Without either, an app that is not public gets a secret, which is printed
  --backend       a service without a user: signs assertions and acts as --actor (default Device/ID)
  --scope         everything that it may be granted; without it, whatever its users allow
  --introspect    it may ask about tokens of other apps (a resource server)
  --dpop          its tokens must be bound to a key of its own
mooring app token prints a token with which an app may register itself once REGISTRATION is "token".
mooring app rotate-keys makes a new key that signs id tokens, at once and beside a running server; the old one stays in the key set for a day and an hour. The store is in DATA_DIR (default ./data).`;

export async function run(args: string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        redirect: { type: 'string', multiple: true },
        launch: { type: 'string' },
        scope: { type: 'string' },
        public: { type: 'boolean', default: false },
        backend: { type: 'boolean', default: false },
        'jwks-url': { type: 'string' },
        jwks: { type: 'string' },
        actor: { type: 'string' },
        member: { type: 'string', multiple: true },
        role: { type: 'string', multiple: true },
        purpose: { type: 'string' },
        introspect: { type: 'boolean', default: false },
        dpop: { type: 'boolean', default: false },
        hours: { type: 'string', default: '24' },
        help: { type: 'boolean', default: false },
      },
    });
    const [command, id] = positionals;
    if (values.help || command === undefined) {
      console.error(usage);
      return values.help ? 0 : 2;
    }
    const registration: AppRegistration = {
      id: id ?? randomUUID(),
      name: values.name ?? '',
      redirects: values.redirect ?? [],
      launch: values.launch,
      scope: values.scope,
      isPublic: values.public,
      isBackend: values.backend,
      jwksUrl: values['jwks-url'],
      jwks: values.jwks === undefined ? undefined : (JSON.parse(readFileSync(values.jwks, 'utf8')) as unknown),
      actor: values.actor,
      members: values.member ?? [],
      roles: values.role ?? [],
      purpose: values.purpose,
      mayIntrospect: values.introspect,
      needsProof: values.dpop,
    };
    return await withStore(readConfig(process.env), (store) => perform(store, command, id, registration, values.hours));
  } catch (error) {
    const isUsage = error instanceof ConfigError || (error instanceof TypeError && 'code' in error);
    if (isUsage || error instanceof SyntaxError) return refuse([(error as Error).message]);
    throw error;
  }
}

async function perform(
  store: SealedStore,
  command: string,
  id: string | undefined,
  registration: AppRegistration,
  hours: string,
): Promise<number> {
  switch (command) {
    case 'add':
      return add(store, registration);
    case 'list':
      return list(store);
    case 'remove':
      return remove(store, id);
    case 'token':
      return token(store, hours);
    case 'rotate-keys': {
      const [signing] = await rotateSigningKeys(store, systemClock);
      await tell(store, 'rotate-keys');
      process.stdout.write(`id tokens are signed by ${signing}\n`);
      return 0;
    }
    default:
      return refuse([`"${command}" is no command`]);
  }
}

async function add(store: SealedStore, registration: AppRegistration): Promise<number> {
  const { client, problems } = operatorClient(registration, randomBytes(32).toString('base64url'));
  if (problems.length > 0) return refuse(problems);
  const isNew = await store.putNew('Client', registration.id, client, {}, systemClock.now());
  if (!isNew) return refuse([`there is an app "${registration.id}" already`]);
  await tell(store, 'add', registration.id);
  process.stdout.write(`client_id ${registration.id}\n`);
  if (client.client_secret !== undefined) process.stdout.write(`client_secret ${client.client_secret}\n`);
  return 0;
}

async function list(store: SealedStore): Promise<number> {
  for (const client of await store.list<Record<string, unknown>>('Client')) {
    const { client_id: id, client_name: name = '', token_endpoint_auth_method: method } = client;
    process.stdout.write(`${String(id)}\t${String(name)}\t${String(method)}\n`);
  }
  return 0;
}

/** Everything that was granted to the app ends with it. */
async function remove(store: SealedStore, id: string | undefined): Promise<number> {
  if (id === undefined || (await store.get('Client', id)) === undefined)
    return refuse([`there is no app "${id ?? ''}"`]);
  await store.remove('Client', id);
  const grants = await store.list<{ readonly jti: string; readonly clientId?: string }>('Grant');
  for (const { jti, clientId } of grants) {
    if (clientId !== id) continue;
    await store.removeGroup(jti);
    await store.remove('Grant', jti);
  }
  const tokens = await store.list<{ readonly jti: string; readonly clientId?: string }>('ClientCredentials');
  for (const { jti, clientId } of tokens) if (clientId === id) await store.remove('ClientCredentials', jti);
  await tell(store, 'remove', id);
  console.error(`App "${id}" is removed.`);
  return 0;
}

/** An InitialAccessToken (RFC 7591) as oidc-provider stores it. */
async function token(store: SealedStore, hours: string): Promise<number> {
  if (!/^[1-9][0-9]{0,4}$/.test(hours)) return refuse([`--hours is "${hours}"; expected a whole number`]);
  const jti = randomBytes(32).toString('base64url');
  const iat = Math.floor(systemClock.now() / 1000);
  const exp = iat + Number(hours) * 3_600;
  await store.put('InitialAccessToken', jti, { jti, iat, exp, kind: 'InitialAccessToken' }, { expiresAt: exp * 1000 });
  await tell(store, 'token');
  process.stdout.write(`${jti}\n`);
  return 0;
}

/** Has it written down: an AuditEvent of the server. */
function tell(store: SealedStore, command: string, id?: string): Promise<void> {
  const query = `app ${command}${id === undefined ? '' : `&id=${encodeURIComponent(id)}`}`;
  return tellServers(store, systemClock, { kind: 'app', query });
}

async function withStore(config: Config, work: (store: SealedStore) => Promise<number>): Promise<number> {
  const keyRing = await openConfiguredRing(config);
  const store = await openSealedStore(config, keyRing);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

function refuse(problems: readonly string[]): number {
  console.error(`${problems.join('\n')}\n${usage}`);
  return 2;
}
