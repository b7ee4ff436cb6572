/** Starts the consent gate and the publisher's loop, and tells them where the Consents of a patient are. */
import type { Clock } from '../base/clock.js';
import { parseJson } from '../base/json.js';
import type { Resource } from '../base/resource.js';
import type { Config } from '../config.js';
import { createConsentGate, type RunningConsentGate } from '../consent/consent-gate.js';
import { createConsentPublisher } from '../consent/publisher.js';
import type { ConsentFilings } from '../fhir/services.js';
import type { Network } from './network.js';
import type { Storage } from './storage.js';
