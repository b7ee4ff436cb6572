/** Another FHIR terminology server, asked by `$validate-code` over HTTP. */
import type { Answer, ExternalTerminology, Question } from './external.js';

export interface HttpTerminologyOptions {
  /** FHIR base URL, without a slash at the end. */
  readonly url: string;
  /** For one request, in milliseconds. */
  readonly timeoutMs: number;
  /** Sent as bearer token. */
  readonly token?: string;
}

const answerLimitBytes = 1_000_000;

export class HttpTerminology implements ExternalTerminology {
  constructor(private readonly options: HttpTerminologyOptions) {}

  async ask({ system, code, valueSet }: Question): Promise<Answer | undefined> {
    const query =
      valueSet === undefined
        ? `CodeSystem/$validate-code?${new URLSearchParams({ url: system, code }).toString()}`
        : `ValueSet/$validate-code?${new URLSearchParams({ url: valueSet, system, code }).toString()}`;
    const { url, timeoutMs, token } = this.options;
    try {
      const response = await fetch(`${url}/${query}`, {
        headers: {
          accept: 'application/fhir+json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
      });
      const text = await response.text();
      return response.ok && text.length <= answerLimitBytes ? answerOf(JSON.parse(text)) : undefined;
    } catch {
      return undefined; // not reachable, too slow, or not JSON: the code stays unchecked, and the warning says so
    }
  }
}

/** `result` false with a note that the system is not known is no answer. */
function answerOf(body: unknown): Answer | undefined {
  const { resourceType, parameter } = (body ?? {}) as { resourceType?: unknown; parameter?: unknown };
  if (resourceType !== 'Parameters' || !Array.isArray(parameter)) return undefined;
  const byName = new Map(
    (parameter as { name?: string; valueBoolean?: unknown; valueString?: unknown; [value: string]: unknown }[]).map(
      (each) => [each?.name, each],
    ),
  );
  const isMember = byName.get('result')?.valueBoolean;
  if (typeof isMember !== 'boolean') return undefined;
  if (!isMember && (byName.has('x-unknown-system') || byName.has('x-caused-by-unknown-system'))) return undefined;
  const message = byName.get('message')?.valueString;
  return { isMember, ...(typeof message === 'string' ? { message: message.slice(0, 500) } : {}) };
}
