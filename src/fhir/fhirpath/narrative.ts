/** The XHTML that a narrative may hold. Spec: https://hl7.org/fhir/R4/narrative.html#xhtml */

const forbidden =
  /<\s*(?:script|form|base|link|xlink|iframe|frame|frameset|object|applet|input|button|textarea|select|meta|head|body|html)\b/i;
const handler = /<[^>]*\son[a-z]+\s*=/i;

/** A quick look: a div without what the specification forbids. The validator's own check of narratives is stricter. */
export function isXhtmlAllowed(xhtml: string): boolean {
  return /^\s*<div\b/.test(xhtml) && !forbidden.test(xhtml) && !handler.test(xhtml);
}
