/** `mooring token`: prints a bearer token of the local issuer, and nothing else on standard output. */
import { parseArgs } from 'node:util';
import { systemClock } from '../base/clock.js';
import { ConfigError, readConfig } from '../config.js';
import { isRole, roles } from '../smart/roles.js';
import { TokenIssuer } from '../smart/token-issuer.js';

const usage = `Usage: mooring token --scope SCOPES [--actor REFERENCE] [--purpose CODE] [--patient ID] [--member REFERENCE ...] [--role ROLE ...] [--expires SECONDS]
  --scope    SMART scopes, separated by spaces, e.g. 'system/*.cruds' or 'patient/Observation.rs'
  --actor    who acts, e.g. Practitioner/1 (default: the server's own organisation)
  --purpose  v3-ActReason code (default TREAT)
  --patient  id of the patient in context
  --member   a further identity of the actor (organisation, role, care team); may be repeated
  --role     a role of the actor (patient, practitioner, system, auditor, operator) instead of what its type implies; may be repeated
  --expires  lifetime in seconds, 1 to 31536000 (default 3600)
The issuer's key is read from DATA_DIR (default ./data).`;

const reference = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

export async function run(args: string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args,
      options: {
        scope: { type: 'string' },
        actor: { type: 'string' },
        purpose: { type: 'string', default: 'TREAT' },
        patient: { type: 'string' },
        member: { type: 'string', multiple: true },
        role: { type: 'string', multiple: true },
        expires: { type: 'string', default: '3600' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.error(usage);
      return 0;
    }
    const config = readConfig(process.env);
    const actor = values.actor ?? config.organization;
    const problems = [
      ...(values.scope === undefined || values.scope.trim() === '' ? ['--scope is missing'] : []),
      ...[actor, ...(values.member ?? [])]
        .filter((text) => !reference.test(text))
        .map((text) => `"${text}" is no reference such as Practitioner/1`),
      ...(values.role ?? [])
        .filter((role) => !isRole(role))
        .map((role) => `"${role}" is no role; expected one of ${roles.join(', ')}`),
      ...(/^[1-9][0-9]{0,7}$/.test(values.expires) && Number(values.expires) <= 31_536_000
        ? []
        : [`--expires is "${values.expires}"`]),
      ...(/^[A-Za-z0-9_-]+$/.test(values.purpose)
        ? []
        : [`--purpose is "${values.purpose}"; expected a v3-ActReason code such as TREAT`]),
    ];
    if (problems.length > 0) {
      console.error(`${problems.join('\n')}\n${usage}`);
      return 2;
    }
    const issuer = await TokenIssuer.open(config.keysDir);
    const token = await issuer.issue(
      {
        actor,
        scope: values.scope as string,
        purpose: values.purpose,
        ...(values.patient === undefined ? {} : { patient: values.patient }),
        ...(values.member === undefined ? {} : { memberships: values.member }),
        ...(values.role === undefined ? {} : { roles: values.role }),
        expiresInSeconds: Number(values.expires),
      },
      systemClock,
    );
    process.stdout.write(`${token}\n`);
    return 0;
  } catch (error) {
    if (error instanceof ConfigError || (error instanceof TypeError && 'code' in error)) {
      console.error(`${error.message}\n${usage}`);
      return 2;
    }
    throw error;
  }
}
