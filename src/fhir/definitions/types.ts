/** The conformance resources, as far as the server reads them. Spec: https://hl7.org/fhir/R4/conformance-module.html */

/** Any conformance resource: found by its canonical URL. */
export interface CanonicalResource {
  readonly resourceType: string;
  readonly id?: string;
  readonly url: string;
  readonly version?: string;
  readonly name?: string;
  readonly status?: string;
  readonly [element: string]: unknown;
}

/** https://hl7.org/fhir/R4/structuredefinition.html */
export interface StructureDefinition extends CanonicalResource {
  readonly resourceType: 'StructureDefinition';
  readonly kind: 'primitive-type' | 'complex-type' | 'resource' | 'logical';
  readonly abstract: boolean;
  /** Type name; for profiles the constrained type. */
  readonly type: string;
  readonly baseDefinition?: string;
  readonly derivation?: 'specialization' | 'constraint';
  readonly context?: readonly { readonly type: 'fhirpath' | 'element' | 'extension'; readonly expression: string }[];
  readonly contextInvariant?: readonly string[];
  readonly snapshot?: { readonly element: readonly ElementDefinition[] };
  readonly differential?: { readonly element: readonly ElementDefinition[] };
}

/** https://hl7.org/fhir/R4/elementdefinition.html; `fixed[x]`, `pattern[x]`, `minValue[x]`, `maxValue[x]` under their JSON names. */
export interface ElementDefinition {
  readonly id?: string;
  readonly path: string;
  readonly representation?: readonly string[];
  readonly sliceName?: string;
  readonly sliceIsConstraining?: boolean;
  readonly slicing?: Slicing;
  readonly min?: number;
  /** A number in digits, or `*`. */
  readonly max?: string;
  readonly base?: { readonly path: string; readonly min: number; readonly max: string };
  /** `#Path` or `url#Path`. */
  readonly contentReference?: string;
  readonly type?: readonly ElementType[];
  readonly maxLength?: number;
  readonly constraint?: readonly Constraint[];
  readonly mustSupport?: boolean;
  readonly isModifier?: boolean;
  readonly isSummary?: boolean;
  readonly binding?: Binding;
  readonly [element: string]: unknown;
}

/** https://hl7.org/fhir/R4/profiling.html#slicing */
export interface Slicing {
  readonly discriminator?: readonly {
    readonly type: 'value' | 'exists' | 'pattern' | 'type' | 'profile' | 'position';
    readonly path: string;
  }[];
  readonly ordered?: boolean;
  readonly rules: 'open' | 'closed' | 'openAtEnd';
}

/** One allowed type of an element. */
export interface ElementType {
  /** A type name, or `http://hl7.org/fhirpath/System.String` and the like for `id`, `url` and `value` of primitives. */
  readonly code: string;
  readonly profile?: readonly string[];
  readonly targetProfile?: readonly string[];
  readonly aggregation?: readonly ('contained' | 'referenced' | 'bundled')[];
  readonly versioning?: 'either' | 'independent' | 'specific';
  readonly extension?: readonly { readonly url: string; readonly [value: string]: unknown }[];
}

/** An invariant. */
export interface Constraint {
  readonly key: string;
  readonly severity: 'error' | 'warning';
  readonly human: string;
  /** FHIRPath; absent when only XPath was given. */
  readonly expression?: string;
  readonly source?: string;
  readonly extension?: readonly { readonly url: string; readonly [value: string]: unknown }[];
}

/** https://hl7.org/fhir/R4/terminologies.html#binding */
export interface Binding {
  readonly strength: 'required' | 'extensible' | 'preferred' | 'example';
  readonly valueSet?: string;
  readonly extension?: readonly {
    readonly url: string;
    readonly extension?: readonly { readonly url: string; readonly [value: string]: unknown }[];
    readonly [value: string]: unknown;
  }[];
}

/** https://hl7.org/fhir/R4/valueset.html */
export interface ValueSet extends CanonicalResource {
  readonly resourceType: 'ValueSet';
  readonly compose?: {
    readonly include: readonly ValueSetInclude[];
    readonly exclude?: readonly ValueSetInclude[];
    readonly inactive?: boolean;
  };
  readonly expansion?: { readonly contains?: readonly ValueSetContains[]; readonly [element: string]: unknown };
}

/** One include or exclude of a ValueSet. */
export interface ValueSetInclude {
  readonly system?: string;
  readonly version?: string;
  readonly concept?: readonly { readonly code: string; readonly display?: string }[];
  readonly filter?: readonly { readonly property: string; readonly op: string; readonly value: string }[];
  readonly valueSet?: readonly string[];
}

/** One concept of an expansion. */
export interface ValueSetContains {
  readonly system?: string;
  readonly version?: string;
  readonly code?: string;
  readonly display?: string;
  readonly abstract?: boolean;
  readonly inactive?: boolean;
  readonly contains?: readonly ValueSetContains[];
}

/** https://hl7.org/fhir/R4/codesystem.html */
export interface CodeSystem extends CanonicalResource {
  readonly resourceType: 'CodeSystem';
  readonly content: 'not-present' | 'example' | 'fragment' | 'complete' | 'supplement';
  readonly caseSensitive?: boolean;
  readonly hierarchyMeaning?: string;
  readonly valueSet?: string;
  readonly supplements?: string;
  readonly concept?: readonly CodeSystemConcept[];
  readonly property?: readonly { readonly code: string; readonly uri?: string; readonly type: string }[];
  readonly filter?: readonly { readonly code: string; readonly operator: readonly string[]; readonly value: string }[];
}

/** One concept of a CodeSystem, with those below it. */
export interface CodeSystemConcept {
  readonly code: string;
  readonly display?: string;
  readonly definition?: string;
  readonly property?: readonly { readonly code: string; readonly [value: string]: unknown }[];
  readonly concept?: readonly CodeSystemConcept[];
}

/** https://hl7.org/fhir/R4/searchparameter.html */
export interface SearchParameter extends CanonicalResource {
  readonly resourceType: 'SearchParameter';
  readonly code: string;
  /** Resource types, or `Resource` / `DomainResource`. */
  readonly base: readonly string[];
  readonly type: 'number' | 'date' | 'string' | 'token' | 'reference' | 'composite' | 'quantity' | 'uri' | 'special';
  readonly expression?: string;
  readonly target?: readonly string[];
  readonly multipleOr?: boolean;
  readonly multipleAnd?: boolean;
  readonly comparator?: readonly string[];
  readonly modifier?: readonly string[];
  readonly chain?: readonly string[];
  readonly component?: readonly { readonly definition: string; readonly expression: string }[];
}

/** https://hl7.org/fhir/R4/operationdefinition.html */
export interface OperationDefinition extends CanonicalResource {
  readonly resourceType: 'OperationDefinition';
  readonly code: string;
  readonly system: boolean;
  readonly type: boolean;
  readonly instance: boolean;
  readonly resource?: readonly string[];
}

/** https://hl7.org/fhir/R4/compartmentdefinition.html */
export interface CompartmentDefinition extends CanonicalResource {
  readonly resourceType: 'CompartmentDefinition';
  readonly code: string;
  readonly resource?: readonly { readonly code: string; readonly param?: readonly string[] }[];
}
