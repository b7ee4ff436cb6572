/** Claims of a verified token -> principal: every claim is checked for its form, whoever issued it. */
import type { Principal } from '../consent/gate.js';
import { badToken } from './challenges.js';
import { isRole, type Role } from './roles.js';

const referenceForm = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;
const idForm = /^[A-Za-z0-9\-.]{1,64}$/;
const codeForm = /^[A-Za-z0-9_-]{1,64}$/;

/** What tokens of every issuer come down to. */
export interface PrincipalClaims {
  readonly [claim: string]: unknown;
  readonly fhirUser?: unknown;
  readonly scope?: unknown;
  readonly purpose_of_use?: unknown;
  readonly patient?: unknown;
  readonly memberships?: unknown;
  readonly roles?: unknown;
  readonly client_id?: unknown;
  readonly jti?: unknown;
}

/** @throws FhirError 401 `login` naming the claim that is not of its form. */
export function principalOf(claims: PrincipalClaims): Principal {
  const actor = text(claims, 'fhirUser');
  if (!referenceForm.test(actor)) throw badToken('the token\'s "fhirUser" is no reference such as Practitioner/1');
  const purposeOfUse = claims.purpose_of_use === undefined ? 'TREAT' : text(claims, 'purpose_of_use');
  if (!codeForm.test(purposeOfUse)) throw badToken('the token\'s "purpose_of_use" is no code such as TREAT');
  const patient = claims.patient === undefined ? undefined : text(claims, 'patient');
  if (patient !== undefined && !idForm.test(patient)) throw badToken('the token\'s "patient" is no id');
  const roles = rolesIn(claims.roles);
  return {
    actor,
    memberships: membershipsIn(claims.memberships),
    purposeOfUse,
    scopes: text(claims, 'scope').split(' ').filter(Boolean),
    ...(claims.client_id === undefined ? {} : { client: text(claims, 'client_id') }),
    ...(patient === undefined ? {} : { patient }),
    ...(roles === undefined ? {} : { roles }),
    ...(typeof claims.jti === 'string' ? { tokenId: claims.jti } : {}),
  };
}

function membershipsIn(claim: unknown): readonly string[] {
  if (claim === undefined) return [];
  const areReferences =
    Array.isArray(claim) && claim.every((member) => typeof member === 'string' && referenceForm.test(member));
  if (!areReferences) throw badToken('the token\'s "memberships" is no list of references');
  return claim as string[];
}

function rolesIn(claim: unknown): readonly Role[] | undefined {
  if (claim === undefined) return undefined;
  if (!Array.isArray(claim) || claim.length === 0 || !claim.every(isRole))
    throw badToken('the token\'s "roles" is no list of roles');
  return claim;
}

function text(claims: PrincipalClaims, claim: string): string {
  const value = claims[claim];
  if (typeof value !== 'string' || value === '') throw badToken(`the token's "${claim}" is no text`);
  return value;
}
