/** Identifiers and attachments. Spec: https://hl7.org/fhir/R4/datatypes.html#Identifier, #Attachment */
import { createHash } from 'node:crypto';
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

/** `data` and `hash` have no white space, `size` is the number of bytes that `data` stands for, `hash` their SHA-1. */
export const attachmentRule: TypeRule = (run, attachment, path) => {
  const { data, size, hash } = attachment as { data?: unknown; size?: unknown; hash?: unknown };
  for (const [name, text] of Object.entries({ data, hash })) {
    if (typeof text === 'string' && /\s/.test(text)) {
      run.error('value', 'attachment-data', path, `Attachment.${name} holds white space; expected base64 without any`);
      return;
    }
  }
  if (typeof data !== 'string' || data.length % 4 !== 0) return;
  const actual = (data.length / 4) * 3 - (data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0);
  if (typeof size === 'number' && actual !== size) {
    run.error('value', 'attachment-size', path, `Attachment.size is ${size}, but data has ${actual} bytes`);
  }
  if (typeof hash === 'string') {
    const digest = createHash('sha1').update(Buffer.from(data, 'base64')).digest('base64');
    if (digest !== hash)
      run.error('value', 'attachment-hash', path, `Attachment.hash is ${shown(hash)}; data has ${shown(digest)}`);
  }
};

const isSystem = (system: string): boolean => /^(?:https?|urn|ldap):/.test(system);
const isUri = (value: string): boolean => /^[A-Za-z][A-Za-z0-9+.-]*:/.test(value);
