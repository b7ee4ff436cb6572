/** `mooring account`: people who may sign in at the built-in authorization server. Works beside a running server. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../base/clock.js';
import { ConfigError, readConfig, type Config } from '../config.js';
import { Accounts } from '../smart/accounts/accounts.js';
import { longestPassword, shortestPassword } from '../smart/accounts/passwords.js';
import { isRole, roles } from '../smart/roles.js';
import { patientsOf } from '../smart/security-events.js';
import { tellServers } from '../smart/told-events.js';
import { openConfiguredRing } from '../wiring/ring-form.js';
import { openSealedStore } from '../wiring/smart.js';

const usage = `Usage: mooring account add NAME --user REFERENCE [--display TEXT] [--patient ID ... | --any-patient] [--member REFERENCE ...] [--role ROLE ...] [--purpose CODE] [--password-file FILE]
       mooring account password NAME [--password-file FILE]
       mooring account lock|unlock|remove NAME
       mooring account list
  --user          who it is: Patient/1, Practitioner/1, RelatedPerson/1
  --patient       a patient whom the person may choose for apps, beside herself; may be repeated
  --any-patient   she may choose whomever consent lets her see (the default for practitioners)
  --member        an organisation, role or team that she belongs to; may be repeated
  --role          a role instead of what --user implies (${roles.join(', ')}); may be repeated
  --purpose       v3-ActReason code (default TREAT for practitioners, PATRQT for others)
  --password-file file with the password in its first line, "-" for standard input; without it, one is made and printed
A new password, a lock or a removal ends every access that the account has granted. The store is in DATA_DIR (default ./data).`;

const reference = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

export async function run(args: string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        user: { type: 'string' },
        display: { type: 'string' },
        patient: { type: 'string', multiple: true },
        'any-patient': { type: 'boolean', default: false },
        member: { type: 'string', multiple: true },
        role: { type: 'string', multiple: true },
        purpose: { type: 'string' },
        'password-file': { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    const [command, name] = positionals;
    if (values.help || command === undefined) {
      console.error(usage);
      return values.help ? 0 : 2;
    }
    return await withAccounts(readConfig(process.env), async (accounts, told) => {
      if (command === 'list') return list(accounts);
      if (name === undefined) return refuse(['the name of the account is missing']);
      if (command === 'add') return add(accounts, told, name, values);
      return change(accounts, told, command, name, values['password-file']);
    });
  } catch (error) {
    if (error instanceof ConfigError || (error instanceof TypeError && 'code' in error)) return refuse([error.message]);
    throw error;
  }
}

interface AddOptions {
  readonly user?: string;
  readonly display?: string;
  readonly patient?: string[];
  readonly 'any-patient': boolean;
  readonly member?: string[];
  readonly role?: string[];
  readonly purpose?: string;
  readonly 'password-file'?: string;
}

async function add(accounts: Accounts, told: Tell, name: string, values: AddOptions): Promise<number> {
  const { user = '', member = [], role = [], patient = [] } = values;
  const isClinician = /^Practitioner(Role)?\//.test(user);
  const purpose = values.purpose ?? (isClinician ? 'TREAT' : 'PATRQT');
  const { password, made } = passwordFrom(values['password-file']);
  const problems = [
    ...(/^\S.{0,98}\S$/.test(name) ? [] : [`"${name}" is no name of an account: 2 to 100 characters are expected`]),
    ...[user, ...member]
      .filter((text) => !reference.test(text))
      .map((text) => `"${text}" is no reference such as Patient/1`),
    ...patient.filter((id) => !/^[A-Za-z0-9\-.]{1,64}$/.test(id)).map((id) => `--patient "${id}" is no id`),
    ...role.filter((one) => !isRole(one)).map((one) => `"${one}" is no role; expected one of ${roles.join(', ')}`),
    ...(/^[A-Za-z0-9_-]+$/.test(purpose) ? [] : [`--purpose is "${purpose}"; expected a v3-ActReason code`]),
    ...passwordProblems(password),
  ];
  if (problems.length > 0) return refuse(problems);
  const isAny = values['any-patient'] || (isClinician && patient.length === 0);
  const account = {
    name,
    displayName: values.display ?? name,
    fhirUser: user,
    ...(role.length === 0 ? {} : { roles: role.filter(isRole) }),
    memberships: member,
    patients: isAny ? ('any' as const) : patient,
    purpose,
  };
  if (!(await accounts.add(account, password))) return refuse([`there is an account "${name}" already`]);
  await told('add', name, user);
  console.error(`Account "${name}" is ready.`);
  if (made) process.stdout.write(`${password}\n`);
  return 0;
}

async function change(
  accounts: Accounts,
  told: Tell,
  command: string,
  name: string,
  file: string | undefined,
): Promise<number> {
  if (!['password', 'lock', 'unlock', 'remove'].includes(command)) return refuse([`"${command}" is no command`]);
  const { password, made } = command === 'password' ? passwordFrom(file) : { password: '', made: false };
  if (command === 'password' && passwordProblems(password).length > 0) return refuse(passwordProblems(password));
  const user = (await accounts.list()).find((one) => one.name.toLowerCase() === name.toLowerCase())?.fhirUser;
  const isKnown =
    command === 'remove'
      ? await accounts.remove(name)
      : await accounts.change(name, command === 'password' ? { password } : { isLocked: command === 'lock' });
  if (!isKnown) return refuse([`there is no account "${name}"`]);
  await told(command, name, user);
  console.error(`Account "${name}": ${command} done.`);
  if (made) process.stdout.write(`${password}\n`);
  return 0;
}

async function list(accounts: Accounts): Promise<number> {
  for (const { name, fhirUser, isLocked } of await accounts.list()) {
    process.stdout.write(`${name}\t${fhirUser}${isLocked ? '\tlocked' : ''}\n`);
  }
  return 0;
}

/** `made`: nobody gave one, so it has to be shown. */
function passwordFrom(file: string | undefined): { password: string; made: boolean } {
  if (file === undefined) return { password: randomBytes(12).toString('base64url'), made: true };
  const text = readFileSync(file === '-' ? 0 : file, 'utf8');
  return { password: text.split(/\r?\n/, 1)[0], made: false };
}

function passwordProblems(password: string): string[] {
  const isFit = password.length >= shortestPassword && password.length <= longestPassword;
  return isFit
    ? []
    : [`the password has ${password.length} characters; expected ${shortestPassword} to ${longestPassword}`];
}

/** Has it written down who was given what: an AuditEvent of the server. */
type Tell = (command: string, name: string, user?: string) => Promise<void>;

async function withAccounts(
  config: Config,
  work: (accounts: Accounts, told: Tell) => Promise<number>,
): Promise<number> {
  const keyRing = await openConfiguredRing(config);
  const store = await openSealedStore(config, keyRing);
  try {
    return await work(new Accounts(store, systemClock), (command, name, user) =>
      tellServers(store, systemClock, {
        kind: 'account',
        query: `account ${command}&name=${encodeURIComponent(name)}`,
        entities: user === undefined ? [] : [user],
        patients: patientsOf(user),
      }),
    );
  } finally {
    await store.close();
  }
}

function refuse(problems: readonly string[]): number {
  console.error(`${problems.join('\n')}\n${usage}`);
  return 2;
}
