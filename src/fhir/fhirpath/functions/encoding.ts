/** `encode`, `decode`, `escape`, `unescape`. Spec: https://hl7.org/fhirpath/2025Jan/#encodeformat--string--string */

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };

/** @param format `hex`, `base64` or `urlbase64`; undefined for another. */
export function encode(text: string, format: string): string | undefined {
  const bytes = Buffer.from(text, 'utf8');
  if (format === 'hex' || format === 'base64') return bytes.toString(format);
  if (format !== 'urlbase64') return undefined;
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** @returns undefined when `text` is not of the format. */
export function decode(text: string, format: string): string | undefined {
  if (format === 'hex') {
    return /^(?:[0-9a-fA-F]{2})*$/.test(text) ? Buffer.from(text, 'hex').toString('utf8') : undefined;
  }
  const alphabet =
    format === 'base64' ? /^[A-Za-z0-9+/]*={0,2}$/ : format === 'urlbase64' ? /^[A-Za-z0-9_-]*={0,2}$/ : null;
  return alphabet?.test(text) ? Buffer.from(text, 'base64').toString('utf8') : undefined;
}

/** @param target `html` or `json`; undefined for another. */
export function escapeText(text: string, target: string): string | undefined {
  if (target === 'json') return JSON.stringify(text).slice(1, -1);
  if (target !== 'html') return undefined;
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** @returns undefined when `text` is not escaped for the target. */
export function unescapeText(text: string, target: string): string | undefined {
  if (target === 'json') {
    try {
      const value: unknown = JSON.parse(`"${text.replace(/\\[^]|"/g, (hit) => (hit === '"' ? '\\"' : hit))}"`);
      return typeof value === 'string' ? value : undefined;
    } catch {
      return undefined;
    }
  }
  if (target !== 'html') return undefined;
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]+));/g, (whole, decimal, hex, name: string) => {
    if (name !== undefined) return named[name] ?? whole;
    const code = decimal !== undefined ? Number(decimal) : parseInt(hex as string, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : (whole as string);
  });
}
