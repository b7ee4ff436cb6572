/** A FHIR resource as parsed JSON. The validator, not the type system, vouches for its shape. */

export interface Resource {
  resourceType: string;
  id?: string;
  meta?: {
    versionId?: string;
    lastUpdated?: string;
    profile?: string[];
    security?: Coding[];
    tag?: Coding[];
    source?: string;
    [element: string]: unknown;
  };
  [element: string]: unknown;
}

export interface Coding {
  system?: string;
  version?: string;
  code?: string;
  display?: string;
  [element: string]: unknown;
}
