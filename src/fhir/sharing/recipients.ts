/** Whom a Consent permits anything: the organisations and groups among the actors of its permits. */
import type { Resource } from '../../base/resource.js';

interface Provision {
  readonly type?: string;
  readonly actor?: readonly { readonly reference?: { readonly reference?: string } }[];
  readonly provision?: readonly Provision[];
}

const shareable = /^(Organization|Group)\/[A-Za-z0-9\-.]{1,64}$/;

/** References such as `Organization/2`, each once. Whether the permit holds for a record is the contract's to say. */
export function permittedRecipients(consent: Resource): string[] {
  const { status, provision } = consent as Resource & { status?: string; provision?: Provision };
  if (status !== 'active' || provision === undefined) return [];
  return [...new Set(actorsOf(provision, true))];
}

/** A root without type may permit by its policy rule. */
function actorsOf({ type, actor = [], provision = [] }: Provision, isRoot: boolean): string[] {
  const own = type === 'permit' || (isRoot && type === undefined) ? actor : [];
  const references = own.map(({ reference }) => reference?.reference ?? '').filter((one) => shareable.test(one));
  return [...references, ...provision.flatMap((nested) => actorsOf(nested, false))];
}
