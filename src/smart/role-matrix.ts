/**
 * Which role may do what to which type: profiles/role-matrix.json, or the operator's own file, as a look-up.
 *
 * The matrix comes before scopes and consent: it never lets anybody see a record, it only says what a role has no business with.
 * Format: docs/smart.md, "Roles".
 */
import type { RoleGrant } from '../consent/gate.js';
import { isRole, type Role } from './roles.js';
import type { Permission } from './scopes.js';

/** The words of the file for the permissions of SMART scopes: read is also vread and history of an instance, update also patch, search also history of a type. */
export const permissionOf: Readonly<Record<string, Permission>> = {
  create: 'c',
  read: 'r',
  update: 'u',
  delete: 'd',
  search: 's',
};

interface Rule {
  /** Types, groups, `*` for every type; `-Type` takes out of `*`. */
  readonly types: readonly string[];
  readonly interactions: readonly string[];
}

export interface RoleMatrixFile {
  /** Groups of types, for the rules. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** What each role may do. */
  readonly roles: Readonly<Record<string, readonly Rule[]>>;
  /** Operations that only some roles may call; the others are open to every role. */
  readonly operations: Readonly<Record<string, readonly string[]>>;
}

export class RoleMatrixError extends Error {
  override readonly name = 'RoleMatrixError';
}

export class RoleMatrix {
  /** `role permission Type`, `role permission *`, and `-role permission Type` for what is taken out of `*`. */
  private readonly known = new Set<string>();
  private readonly grants = new Map<string, RoleGrant>();

  /** @throws RoleMatrixError naming the first thing in the file that is not understood. */
  constructor(private readonly file: RoleMatrixFile) {
    for (const [role, rules] of Object.entries(file.roles)) {
      if (!isRole(role)) throw new RoleMatrixError(`"${role}" is no role`);
      for (const rule of rules) this.learn(role, rule);
    }
    for (const [name, allowed] of Object.entries(file.operations)) {
      const unknown = allowed.find((role) => !isRole(role));
      if (unknown !== undefined) throw new RoleMatrixError(`operation "${name}": "${unknown}" is no role`);
    }
  }

  /** What these roles may do together. */
  grantFor(roles: readonly Role[]): RoleGrant {
    const key = roles.join(' ');
    const known = this.grants.get(key);
    if (known !== undefined) return known;
    const grant: RoleGrant = {
      may: (permission, resourceType) => roles.some((role) => this.isAllowed(role, permission, resourceType)),
      mayCall: (operation) => this.isCallable(roles, operation),
    };
    this.grants.set(key, grant);
    return grant;
  }

  private isAllowed(role: Role, permission: Permission, resourceType: string): boolean {
    const { known } = this;
    return (
      known.has(`${role} ${permission} ${resourceType}`) ||
      (known.has(`${role} ${permission} *`) && !known.has(`-${role} ${permission} ${resourceType}`))
    );
  }

  private isCallable(roles: readonly Role[], operation: string): boolean {
    const { operations } = this.file;
    if (!Object.hasOwn(operations, operation)) return roles.length > 0;
    return roles.some((role) => operations[operation].includes(role));
  }

  private learn(role: Role, { types, interactions }: Rule): void {
    for (const interaction of interactions) {
      if (!Object.hasOwn(permissionOf, interaction)) throw new RoleMatrixError(`"${interaction}" is no interaction`);
      const permission = permissionOf[interaction];
      for (const name of types.flatMap((name) => this.typesIn(name))) {
        const [sign, type] = name.startsWith('-') ? ['-', name.slice(1)] : ['', name];
        this.known.add(`${sign}${role} ${permission} ${type}`);
      }
    }
  }

  private typesIn(name: string): readonly string[] {
    const [sign, plain] = name.startsWith('-') ? ['-', name.slice(1)] : ['', name];
    if (plain === '*' || /^[A-Z]/.test(plain)) return [name];
    if (!Object.hasOwn(this.file.groups, plain)) throw new RoleMatrixError(`"${plain}" is neither a type nor a group`);
    return this.file.groups[plain].map((type) => sign + type);
  }
}
