/** What the FHIR side is told of the configuration. */
import type { Config } from '../config.js';
import type { FhirConfig } from '../fhir/services.js';

/** @param baseUrl with `/fhir`, as clients see it. */
export function fhirConfig({ fhir, consent, organization, publicUrl }: Config, baseUrl: string): FhirConfig {
  return {
    baseUrl,
    isBehindProxy: publicUrl !== undefined,
    maxBodyBytes: fhir.maxBodyBytes,
    updateCreate: fhir.updateCreate,
    conditionalDelete: 'multiple',
    integrityOnWrite: fhir.referentialIntegrity,
    consentAuthors: consent.authors,
    reviewer: consent.breakGlass.reviewer ?? organization,
    integrityOfActors: consent.actors === 'stored',
    integrityOnDelete: fhir.referentialIntegrity,
    unknownProfile: fhir.unknownProfile,
    defaultCount: 50,
    maxCount: 1_000,
    allowedOrigins: fhir.allowedOrigins,
    organization,
  };
}
