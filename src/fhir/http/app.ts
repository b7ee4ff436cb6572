/**
 * The HTTP door: turns requests into FhirRequests, lets the router answer, and turns answers and errors back.
 *
 * Spec: https://hl7.org/fhir/R4/http.html
 */
import { randomUUID } from 'node:crypto';
import express, { type Express } from 'express';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseJson } from '../../base/json.js';
import { FhirError } from '../../base/outcome.js';
import { senderOf } from '../../base/sender.js';
import type { Resource } from '../../base/resource.js';
import type { Principal } from '../../consent/gate.js';
import { recordRefused } from '../audit/refused-logins.js';
import { writeXml } from '../format/xml-writer.js';
import { graphQlErrors } from '../graphql/errors.js';
import type { Context, FhirResponse } from '../request.js';
import { renderError } from '../outcome.js';
import { createRouter } from '../router.js';
import type { Credentials, FhirServices } from '../services.js';
import { AsyncJobs, asyncFolder, asyncInteraction } from './async-jobs.js';
import { chooseFormat } from './negotiation.js';
import { allowOrigin, isPreflight, answerPreflight } from './cors.js';
import { breakGlassReasonOf, withPurpose } from './purpose.js';
import { isNativeRead, readRequest, splitUrl, type RequestUrl } from './read-request.js';
import { respond, type Presentation } from './respond.js';

/** An express application that serves FHIR below `/fhir`; the composition root may add routes of its own before and after. */
export function createFhirApp(serve: ReturnType<typeof createFhirHandler>): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use('/fhir', serve);
  return app;
}

/** The handler of everything below `/fhir`, for an express `use` and for the short way past it (direct.ts). */
export function createFhirHandler(services: FhirServices) {
  const handle = createRouter(services);
  const jobs = new AsyncJobs(services);
  const toXml = (json: Buffer) =>
    writeXml(parseJson(json.toString('utf8')) as unknown as Resource, services.definitions);

  return async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = requestIdOf(request);
    response.setHeader('X-Request-Id', requestId);
    response.setHeader('Cache-Control', 'private, no-cache');
    response.setHeader('Vary', 'Accept, Accept-Encoding, Authorization, Origin');
    const { origin } = request.headers;
    if (origin !== undefined) await allowOrigin(response, origin, isDiscovery(request), services);
    if (isPreflight(request)) return answerPreflight(response);
    let presentation: Presentation = { format: 'json', pretty: false, toXml };
    try {
      const url = splitUrl(request);
      presentation = {
        format: isNativeRead(request, url) ? 'json' : chooseFormat(url.format, request.headers.accept, ['json', 'xml']),
        pretty: url.pretty,
        toXml,
      };
      await respond(request, response, await answer(request, url, requestId), presentation);
    } catch (error) {
      await respondError(request, response, error, requestId, presentation);
    }
  };

  async function answer(request: IncomingMessage, url: RequestUrl, requestId: string): Promise<FhirResponse> {
    if (url.path.length === 1 && url.path[0] === 'metadata') {
      return handle.metadata(await readRequest(request, url, services), requestId, baseUrlOf(request, services));
    }
    const address = senderOf(request, services.config.isBehindProxy === true);
    let verified: Principal;
    try {
      const found = services.authenticate(credentialsOf(request));
      verified = found instanceof Promise ? await found : found;
    } catch (error) {
      await recordRefused(services, error, { address, requestId, path: url.path });
      throw error;
    }
    const principal = withPurpose(verified, request);
    const breakGlassReason = breakGlassReasonOf(request);
    const fhirRequest = await readRequest(request, url, services);
    // What any server has acknowledged before this request came is part of its state.
    if (services.refresh !== undefined) await services.refresh();
    const { wait } = fhirRequest.prefer;
    const context: Context = {
      principal,
      requestId,
      baseUrl: baseUrlOf(request, services),
      address,
      ...(breakGlassReason === undefined ? {} : { breakGlassReason }),
      ...(wait === undefined ? {} : { waitForAnchorMs: Math.min(wait, longestWaitSeconds) * 1000 }),
    };
    if (fhirRequest.path[0] === asyncFolder) return jobs.answer(fhirRequest, context);
    const interaction = fhirRequest.prefer.respondAsync === true ? asyncInteraction(fhirRequest) : undefined;
    if (interaction === undefined) return handle(fhirRequest, context);
    return jobs.start(context, () => handle(fhirRequest, context));
  }

  async function respondError(
    request: IncomingMessage,
    response: ServerResponse,
    error: unknown,
    requestId: string,
    presentation: Presentation,
  ): Promise<void> {
    const { status, outcome, headers, isDefect } = renderError(error, requestId);
    if (isDefect) services.reportDefect(requestId, error);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (!request.complete && !(error instanceof FhirError && error.status === 413)) request.resume();
    const content = isGraphQl(request) ? graphQlErrors(outcome) : { resource: outcome };
    await respond(request, response, { status, headers, ...content }, presentation);
  }
}

/** Any page may ask what this server is. */
function isDiscovery({ url = '' }: IncomingMessage): boolean {
  return /^\/metadata(?:\?|$)/.test(url);
}

function isGraphQl({ url = '' }: IncomingMessage): boolean {
  return /(?:\$|%24)graphql(?:\?|$)/.test(url);
}

function credentialsOf({ headers, method = 'GET', url = '/' }: IncomingMessage): Credentials {
  const mark = url.indexOf('?');
  return {
    authorization: headers.authorization,
    dpop: headers.dpop as string | undefined,
    method,
    path: mark === -1 ? url : url.slice(0, mark),
  };
}

/** Longest time that an answer waits for its anchor. */
const longestWaitSeconds = 60;

const requestIdForm = /^[A-Za-z0-9\-._]{1,64}$/;

function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && requestIdForm.test(given) ? given : randomUUID();
}

const hostForm = /^[A-Za-z0-9.\-_[\]:]{1,255}$/;

function baseUrlOf(request: IncomingMessage, services: FhirServices): string {
  const configured = services.config.baseUrl;
  if (configured !== undefined) return configured;
  const host = request.headers.host ?? 'localhost';
  return `http://${hostForm.test(host) ? host : 'localhost'}/fhir`;
}
