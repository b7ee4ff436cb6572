/**
 * Which format a body is in and which one an answer shall have.
 *
 * Spec: https://hl7.org/fhir/R4/http.html#mime-type, https://hl7.org/fhir/R4/http.html#parameters
 */
import { fhirError } from '../../base/outcome.js';

export type Format = 'json' | 'xml';

const formats: Record<string, Format> = {
  json: 'json',
  'application/json': 'json',
  'application/fhir+json': 'json',
  'text/json': 'json',
  'application/json+fhir': 'json',
  xml: 'xml',
  'application/xml': 'xml',
  'application/fhir+xml': 'xml',
  'text/xml': 'xml',
  'application/xml+fhir': 'xml',
};

const wildcards = new Set(['*/*', 'application/*', 'text/html', 'text/*', 'html', 'text/plain']);

/**
 * @param format value of `_format`; wins over `accept`, unless it is empty.
 * @param accept the Accept header.
 * @throws FhirError 406 `not-supported` when no format asked for is one of `offered`, or another FHIR version is asked for.
 */
export function chooseFormat(
  format: string | undefined,
  accept: string | undefined,
  offered: readonly Format[],
): Format {
  if (format !== undefined && format !== '') {
    const chosen = formatOf(format.replace(/ /g, '+'), offered);
    if (chosen !== undefined) return chosen;
    throw fhirError(406, 'not-supported', `_format "${format}" is none of ${offered.join(', ')}.`);
  }
  if (accept === undefined || accept === '' || accept === '*/*') return 'json';
  if (accept === 'application/fhir+json' || accept === 'application/json') return 'json';
  for (const range of byPreference(accept)) {
    const chosen = formatOf(range, offered);
    if (chosen !== undefined) return chosen;
  }
  throw fhirError(406, 'not-supported', `Accept "${accept}" names none of ${offered.join(', ')} in FHIR 4.0.`);
}

function formatOf(range: string, offered: readonly Format[]): Format | undefined {
  const [type, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
  const version = parameters.find((parameter) => parameter.startsWith('fhirversion='));
  if (version !== undefined && !/^fhirversion="?4\.0(\.\d+)?"?$/.test(version)) return undefined;
  if (wildcards.has(type)) return 'json';
  const format = Object.hasOwn(formats, type) ? formats[type] : undefined;
  return format !== undefined && offered.includes(format) ? format : undefined;
}

function byPreference(accept: string): string[] {
  return accept
    .split(',')
    .map((range, index) => ({ range: range.trim(), index, quality: qualityOf(range) }))
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality || a.index - b.index)
    .map(({ range }) => range);
}

function qualityOf(range: string): number {
  const match = /;\s*q=([0-9.]+)/i.exec(range);
  return match === null ? 1 : Number(match[1]);
}

/** How a request body is written. */
export type BodyFormat = 'json' | 'xml' | 'json-patch' | 'merge-patch' | 'xml-patch' | 'graphql' | 'form' | 'other';

/** @param contentType the Content-Type header; absent counts as FHIR JSON. @throws FhirError 415 for another version of FHIR. */
export function bodyFormatOf(contentType: string | undefined): BodyFormat {
  if (contentType === undefined) return 'json';
  const [type, ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  const version = parameters.find((parameter) => parameter.startsWith('fhirversion='));
  if (version !== undefined && !/^fhirversion="?4\.0(\.\d+)?"?$/.test(version)) {
    throw fhirError(415, 'not-supported', `Content-Type "${contentType}": this server speaks FHIR 4.0.`);
  }
  if (type === 'application/json-patch+json') return 'json-patch';
  if (type === 'application/merge-patch+json') return 'merge-patch';
  if (type === 'application/xml-patch+xml') return 'xml-patch';
  if (type === 'application/graphql') return 'graphql';
  if (type === 'application/x-www-form-urlencoded') return 'form';
  return Object.hasOwn(formats, type) ? formats[type] : 'other';
}
