/**
 * References inside resources: found with their places, and rewritten when a Bundle is processed.
 *
 * Spec: https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/references.html
 */

/** A `Reference.reference` of a resource. */
export interface FoundReference {
  readonly reference: string;
  /** FHIRPath of the element that holds it, e.g. `Observation.subject`. */
  readonly expression: string;
}

/** Every `Reference.reference` that is not a fragment, contained resources included. @param root FHIRPath of `resource`. */
export function findReferences(resource: object, root: string): FoundReference[] {
  const found: FoundReference[] = [];
  walk(resource, [root], found);
  return found;
}

type Path = (string | number)[];

function walk(node: object, path: Path, found: FoundReference[]): void {
  if (Array.isArray(node)) {
    for (let index = 0; index < node.length; index += 1) {
      const item: unknown = node[index];
      if (typeof item !== 'object' || item === null) continue;
      path.push(index);
      walk(item, path, found);
      path.pop();
    }
    return;
  }
  for (const key in node) {
    const value = (node as Record<string, unknown>)[key];
    if (typeof value === 'object' && value !== null) {
      path.push(key);
      walk(value, path, found);
      path.pop();
    } else if (key === 'reference' && typeof value === 'string' && !value.startsWith('#')) {
      found.push({ reference: value, expression: expressionOf(path) });
    }
  }
}

function expressionOf(path: Path): string {
  let text = '';
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`;
  return text;
}

/** Elements of type uri, url, uuid, oid that may hold a link to another entry; `system` names vocabularies and identifiers' spaces, never entries. */
const linkElements = /^(?:reference|url|uri|valueUri|valueUrl|valueUuid|valueOid|[a-z][A-Za-z]*Ur[il])$/;

/**
 * A copy of `value` in which links are replaced; unchanged parts are shared with the original.
 * @param replace gives the new text for a link (`isReference`: of a Reference), or undefined to keep it.
 */
export function rewriteLinks<T>(value: T, replace: (link: string, isReference: boolean) => string | undefined): T {
  if (Array.isArray(value)) return rewriteArray(value, replace) as T;
  if (typeof value === 'object' && value !== null) return rewriteObject(value, replace);
  return value;
}

function rewriteArray(array: readonly unknown[], replace: Parameters<typeof rewriteLinks>[1]): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let index = 0; index < array.length; index += 1) {
    const item = array[index];
    if (typeof item !== 'object' || item === null) continue;
    const rewritten = rewriteLinks(item, replace);
    if (rewritten === item) continue;
    copy ??= Object.assign([], array);
    copy[index] = rewritten;
  }
  return copy ?? array;
}

function rewriteObject<T extends object>(object: T, replace: Parameters<typeof rewriteLinks>[1]): T {
  let copy: Record<string, unknown> | undefined;
  for (const key in object) {
    const value: unknown = object[key];
    const rewritten =
      typeof value === 'string'
        ? rewriteText(key, value, replace)
        : typeof value === 'object'
          ? rewriteLinks(value, replace)
          : value;
    if (rewritten === value) continue;
    copy ??= { ...object } as Record<string, unknown>;
    copy[key] = rewritten;
  }
  return (copy as T | undefined) ?? object;
}

function rewriteText(key: string, text: string, replace: Parameters<typeof rewriteLinks>[1]): string {
  if (key === 'div') return rewriteNarrative(text, replace);
  return linkElements.test(key) ? (replace(text, key === 'reference') ?? text) : text;
}

/** `<a href>` and `<img src>`, as the rules for transactions say. */
function rewriteNarrative(div: string, replace: Parameters<typeof rewriteLinks>[1]): string {
  if (!div.includes('href=') && !div.includes('src=')) return div;
  return div.replace(/(\s(?:href|src)=)(["'])([^"']*)\2/g, (whole, name: string, quote: string, link: string) => {
    const replaced = replace(link, false);
    return replaced === undefined ? whole : `${name}${quote}${replaced}${quote}`;
  });
}
