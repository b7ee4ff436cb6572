/**
 * The pages for patients (web/patient, and base.css of web), below `/patient/`: files as they are, which use the public API like any other app.
 *
 * They may load and run nothing but themselves. Spec: https://www.w3.org/TR/CSP3/
 */
import { readFileSync, readdirSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename } from 'node:path';

/** Where these pages are, seen from the root of the server. */
export const patientPagesPath = '/patient/';

/** The client id under which the pages sign people in. */
export const patientPagesClient = 'mooring-patient';

/** The pages that people come back to after signing in. */
export const patientPages = ['consents.html', 'permissions.html'] as const;

const webFolder = new URL('../../../web/', import.meta.url);
const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
};

/**
 * @param connect origins, beside its own, with which a page may talk: where tokens are given out.
 * @param kinds words for kinds of records, by language and resource type: the pages' module `kinds.js`.
 */
export function servePatientPages(
  connect: readonly string[],
  kinds: Readonly<Record<string, Readonly<Record<string, string>>>>,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const names = [...readdirSync(new URL('patient/', webFolder)).map((name) => `patient/${name}`), 'base.css'];
  const files = new Map(names.map((name) => [basename(name), readFileSync(new URL(name, webFolder))]));
  files.set('kinds.js', Buffer.from(`export const kinds = ${JSON.stringify(kinds)};\n`));
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    ['connect-src', "'self'", ...connect].join(' '),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

  return ({ url = '/', method }, response) => {
    const path = url.split('?', 1)[0] as string;
    if (path === patientPagesPath || `${path}/` === patientPagesPath) {
      response.writeHead(302, { Location: `${patientPagesPath}${patientPages[0]}` }).end();
      return true;
    }
    if (!path.startsWith(patientPagesPath)) return false;
    const name = path.slice(patientPagesPath.length);
    const file = files.get(name);
    if (file === undefined || (method !== 'GET' && method !== 'HEAD')) {
      response
        .writeHead(file === undefined ? 404 : 405, { 'Content-Type': 'text/plain' })
        .end('There is no such page.\n');
      return true;
    }
    response.writeHead(200, {
      'Content-Type': types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
      'Content-Length': file.byteLength,
      'Content-Security-Policy': policy,
      'Cache-Control': 'no-cache',
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
    });
    response.end(method === 'HEAD' ? undefined : file);
    return true;
  };
}
