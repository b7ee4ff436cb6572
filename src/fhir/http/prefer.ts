/** The `Prefer` header. Spec: RFC 7240, https://hl7.org/fhir/R4/http.html#ops. */
import type { Preference } from '../request.js';

const none: Preference = {};

/** Unknown preferences are passed over, as RFC 7240 says. */
export function parsePrefer(header: string | undefined): Preference {
  if (header === undefined || header === '') return none;
  const preference: { -readonly [K in keyof Preference]: Preference[K] } = {};
  for (const part of header.split(/[,;]/)) {
    const [name, value = ''] = part.split('=').map((side) => side.trim().replace(/^"(.*)"$/, '$1'));
    switch (name.toLowerCase()) {
      case 'return':
        if (value === 'minimal' || value === 'representation' || value === 'OperationOutcome')
          preference.return = value;
        break;
      case 'handling':
        if (value === 'strict' || value === 'lenient') preference.handling = value;
        break;
      case 'respond-async':
        preference.respondAsync = true;
        break;
      case 'wait':
        if (/^[0-9]{1,4}$/.test(value)) preference.wait = Number(value);
        break;
    }
  }
  return preference;
}
