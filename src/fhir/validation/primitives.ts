/**
 * Formats and ranges of R4's primitive types, to the letter.
 *
 * Spec: https://hl7.org/fhir/R4/datatypes.html#primitive. Every expression here runs in linear time.
 */
import { EXACT } from '../../base/exact-numbers.js';

/**
 * Checks one primitive value.
 * @param holder object or array that holds the value at `key` (exact number texts are looked up there).
 * @returns what was expected, as the end of the sentence "expected …", or undefined when the value is right.
 */
export type PrimitiveCheck = (value: unknown, holder: object, key: string | number) => string | undefined;

const code = /^[^\s\u0085]+(?: [^\s\u0085]+)*$/;
const id = /^[A-Za-z0-9\-.]{1,64}$/;
const oid = /^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$/;
const uuid = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const date = /^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?$/;
const zone = '(?:Z|[+-](?:(?:0\\d|1[0-3]):[0-5]\\d|14:00))';
const clock = '(?:[01]\\d|2[0-3]):[0-5]\\d:(?:[0-5]\\d|60)(?:\\.\\d+)?';
const dateTime = new RegExp(`^(\\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\\d|3[01])(?:T${clock}${zone})?)?)?$`);
const instant = new RegExp(`^(\\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T${clock}${zone}$`);
const time = new RegExp(`^${clock}$`);
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;
const scheme = /^[a-z][a-z0-9+.-]*$/;
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const maxInteger = 2147483647;

/** The check of a primitive type; undefined for `xhtml` (see narrative.ts) and for names that are no primitive type. */
export function primitiveCheck(type: string): PrimitiveCheck | undefined {
  return checks[type];
}

const checks: Readonly<Record<string, PrimitiveCheck>> = {
  boolean: (value) => (typeof value === 'boolean' ? undefined : 'true or false'),
  string: text(isPlain, 'text without control characters'),
  markdown: text(isPlain, 'text without control characters'),
  code: text((value) => code.test(value), 'a code: no white space at its ends, single spaces inside'),
  id: text((value) => id.test(value), 'an id: 1 to 64 letters, digits, "-" and "."'),
  uri: text(isUri, 'a URI: no white space, valid OID or UUID after urn:oid: or urn:uuid:'),
  url: text(isUri, 'a URL without white space'),
  canonical: text(isCanonical, 'an absolute canonical URL or a #fragment'),
  oid: text((value) => oid.test(value) && isUri(value), 'an OID such as urn:oid:1.2.3'),
  uuid: text(
    (value) => uuid.test(value),
    'a UUID such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520, in lower case',
  ),
  date: text((value) => isDate(date.exec(value)), 'a date: YYYY, YYYY-MM or YYYY-MM-DD'),
  dateTime: text(
    (value) => isDate(dateTime.exec(value)),
    'a dateTime: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz',
  ),
  instant: text((value) => isDate(instant.exec(value)), 'an instant: YYYY-MM-DDThh:mm:ss.sss+zz:zz'),
  time: text((value) => time.test(value), 'a time: hh:mm:ss'),
  base64Binary: text(isBase64, 'base64 text'),
  decimal: (value) => (typeof value === 'number' ? undefined : 'a decimal number'),
  integer: integer(-maxInteger - 1, 'an integer of 32 bits'),
  unsignedInt: integer(0, 'an integer of 0 or more'),
  positiveInt: integer(1, 'an integer of 1 or more'),
};

function text(isRight: (value: string) => boolean, expected: string): PrimitiveCheck {
  return (value) => {
    if (typeof value !== 'string') return expected;
    if (value.length === 0) return 'a value that is not empty';
    return isRight(value) ? undefined : expected;
  };
}

function integer(least: number, expected: string): PrimitiveCheck {
  return (value, holder, key) => {
    if (!Number.isInteger(value)) return expected;
    if ((value as number) < least || (value as number) > maxInteger) return expected;
    const written = (holder as { [EXACT]?: Record<string, string> })[EXACT]?.[key];
    return written === undefined || /^-?\d+$/.test(written) ? undefined : expected;
  };
}

function isPlain(value: string): boolean {
  return !control.test(value) && value.length <= 1048576;
}

function isUri(value: string): boolean {
  if (/\s/.test(value) || value.startsWith('oid:') || value.startsWith('uuid:')) return false;
  if (value.startsWith('urn:oid:')) return isOidRoot(value);
  return !value.startsWith('urn:uuid:') || uuid.test(value.split(/[#|]/, 1)[0]);
}

/** Roots shorter than four characters name no space of identifiers, but for 1.3. */
function isOidRoot(value: string): boolean {
  return oid.test(value) && (value.lastIndexOf('.') >= 12 || value.startsWith('urn:oid:1.3'));
}

function isCanonical(value: string): boolean {
  return isUri(value) && (value.charCodeAt(0) === 0x23 || isAbsoluteUrl(value));
}

/** True when `url` begins with a scheme in lower case that something follows. */
export function isAbsoluteUrl(url: string): boolean {
  const colon = url.indexOf(':');
  return colon > 0 && colon < url.length - 1 && scheme.test(url.slice(0, colon)) && !url.includes(' ');
}

function isDate(match: RegExpExecArray | null): boolean {
  if (match === null || match[1] === '0000') return false;
  return match[3] === undefined || Number(match[3]) <= daysIn(Number(match[1]), Number(match[2]));
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function isBase64(value: string): boolean {
  const bare = /\s/.test(value) ? value.replace(/\s+/g, '') : value;
  return bare.length % 4 === 0 && base64.test(bare);
}
