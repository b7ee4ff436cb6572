/** Identifiers and attachments. Spec: https://hl7.org/fhir/R4/datatypes.html#Identifier, #Attachment */
import { shown } from './run.js';
import type { TypeRule } from './type-rules.js';

/** `system` is absolute; the value of a URI identifier is a URI. */
export const identifierRule: TypeRule = (run, identifier, path) => {
  const { system, value } = identifier as { system?: unknown; value?: unknown };
  if (typeof system !== 'string') return;
  if (!isSystem(system)) {
    run.error(
      'code-invalid',
      'identifier-system',
      path,
      `Identifier.system is ${shown(system)}; expected an absolute URI`,
    );
  }
  if (system === 'urn:ietf:rfc:3986' && typeof value === 'string' && !isUri(value)) {
    const text = `Identifier.value is ${shown(value)}; expected a full URI, as its system is urn:ietf:rfc:3986`;
    run.error('code-invalid', 'identifier-uri', path, text);
  }
};

/** `size` is the number of bytes that `data` stands for. */
export const attachmentRule: TypeRule = (run, attachment, path) => {
  const { data, size } = attachment as { data?: unknown; size?: unknown };
  if (typeof data !== 'string' || typeof size !== 'number') return;
  const bare = data.replace(/\s+/g, '');
  const padding = bare.endsWith('==') ? 2 : bare.endsWith('=') ? 1 : 0;
  const actual = (bare.length / 4) * 3 - padding;
  if (actual !== size) {
    run.error('value', 'attachment-size', path, `Attachment.size is ${size}, but data has ${actual} bytes`);
  }
};

const isSystem = (system: string): boolean => /^(?:https?|urn|ldap):/.test(system);
const isUri = (value: string): boolean => /^[A-Za-z][A-Za-z0-9+.-]*:/.test(value);
