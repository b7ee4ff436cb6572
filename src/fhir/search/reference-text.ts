/** The text of references. Spec: https://hl7.org/fhir/R4/references.html#literal */

/** A reference to a resource by type and id, wherever it lives. */
export interface LiteralReference {
  /** Without a slash at the end; '' for a relative reference. */
  readonly base: string;
  readonly type: string;
  readonly id: string;
  readonly version?: string;
}

const literalForm =
  /^(?:([a-z]+:\/\/[^\s?#]*)\/)?([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;

/** @returns undefined for `urn:`, `#id`, conditional references and whatever else does not end in `Type/id`. */
export function parseLiteral(text: string): LiteralReference | undefined {
  const match = literalForm.exec(text);
  if (!match) return undefined;
  const [, base = '', type, id, version] = match;
  return { base, type, id, ...(version === undefined ? {} : { version }) };
}

/** The type that a Reference points to: by its text, else by its `type`; undefined when neither says it. */
export function targetTypeOf(value: unknown): string | undefined {
  const { reference, type } = (value ?? {}) as { reference?: unknown; type?: unknown };
  const literal = typeof reference === 'string' ? parseLiteral(reference) : undefined;
  return literal?.type ?? (typeof type === 'string' ? type : undefined);
}
