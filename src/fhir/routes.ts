/**
 * Everything that this server offers, in one table: the router finds its way by it, the CapabilityStatement is made from it.
 *
 * Spec: https://hl7.org/fhir/R4/http.html#summary
 */
import { capabilities } from './interactions/capabilities.js';
import { create } from './interactions/create.js';
import { deleteResource } from './interactions/delete.js';
import { historyInstance, historySystem, historyType } from './interactions/history.js';
import type { Interaction } from './interactions/interaction.js';
import { patch } from './interactions/patch.js';
import { read } from './interactions/read.js';
import { searchCompartment, searchSystem, searchType } from './interactions/search.js';
import { update } from './interactions/update.js';
import { vread } from './interactions/vread.js';
import type { Method } from './request.js';

/** Codes of https://hl7.org/fhir/R4/valueset-restful-interaction.html; `bundle` is batch and transaction. */
export type InteractionCode =
  | 'read'
  | 'vread'
  | 'update'
  | 'patch'
  | 'delete'
  | 'history-instance'
  | 'history-type'
  | 'history-system'
  | 'create'
  | 'search-type'
  | 'search-system'
  | 'search-compartment'
  | 'capabilities';

export interface Route {
  readonly method: Method;
  /** `:type`, `:id`, `:versionId`, `:memberType` stand for themselves; everything else is literal. */
  readonly path: string;
  readonly code: InteractionCode;
  readonly run: Interaction;
}

export const routes: readonly Route[] = [
  { method: 'GET', path: 'metadata', code: 'capabilities', run: capabilities },
  { method: 'GET', path: '', code: 'search-system', run: searchSystem },
  { method: 'POST', path: '_search', code: 'search-system', run: searchSystem },
  { method: 'GET', path: '_history', code: 'history-system', run: historySystem },
  { method: 'GET', path: ':type', code: 'search-type', run: searchType },
  { method: 'POST', path: ':type/_search', code: 'search-type', run: searchType },
  { method: 'GET', path: ':type/_history', code: 'history-type', run: historyType },
  { method: 'POST', path: ':type', code: 'create', run: create },
  { method: 'PUT', path: ':type', code: 'update', run: update },
  { method: 'PATCH', path: ':type', code: 'patch', run: patch },
  { method: 'DELETE', path: ':type', code: 'delete', run: deleteResource },
  { method: 'GET', path: ':type/:id', code: 'read', run: read },
  { method: 'PUT', path: ':type/:id', code: 'update', run: update },
  { method: 'PATCH', path: ':type/:id', code: 'patch', run: patch },
  { method: 'DELETE', path: ':type/:id', code: 'delete', run: deleteResource },
  { method: 'GET', path: ':type/:id/_history', code: 'history-instance', run: historyInstance },
  { method: 'GET', path: ':type/:id/_history/:versionId', code: 'vread', run: vread },
  { method: 'GET', path: ':type/:id/:memberType', code: 'search-compartment', run: searchCompartment },
  { method: 'POST', path: ':type/:id/:memberType/_search', code: 'search-compartment', run: searchCompartment },
];
