/**
 * FHIR JSON to FHIR XML, driven by the definitions. (The way in is xml.ts.)
 *
 * Spec: https://hl7.org/fhir/R4/xml.html. Elements stand in the order of their definition; decimals are written with their exact text.
 */
import { numberText } from '../../base/exact-numbers.js';
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import { shapesOf } from './xml-shapes.js';
import type { Property, Shape, Shapes } from '../validation/shapes.js';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The XML text of a valid resource, without line breaks between elements.
 * Properties that R4 does not know are left out; validate first where that matters.
 * @throws RangeError when `resource.resourceType` is no R4 resource type.
 */
export function writeXml(resource: Resource, definitions: Definitions): string {
  const text = resourceText(resource, shapesOf(definitions), ' xmlns="http://hl7.org/fhir"');
  return `<?xml version="1.0" encoding="UTF-8"?>${text}`;
}

function resourceText(resource: Resource, shapes: Shapes, attributes: string): string {
  const shape = shapes.of(resource.resourceType);
  if (!shape) throw new RangeError(`${resource.resourceType} is no R4 resource type`);
  const content = childrenText(resource, shape, shapes);
  return `<${resource.resourceType}${attributes}>${content}</${resource.resourceType}>`;
}

function childrenText(object: JsonObject, shape: Shape, shapes: Shapes): string {
  let text = '';
  for (const [name, property] of shape.properties) {
    if (name !== property.name || isAttribute(property, shape)) continue;
    const value = object[name];
    const sibling = property.check ? object[property.sibling] : undefined;
    if (value === undefined && sibling === undefined) continue;
    if (!property.isList) {
      text += elementText(property, object, name, value, sibling, shapes);
      continue;
    }
    const values = (value ?? []) as unknown[];
    const siblings = (sibling ?? []) as unknown[];
    const length = Math.max(values.length, siblings.length);
    for (let at = 0; at < length; at += 1) {
      text += elementText(property, values, at, values[at] ?? undefined, siblings[at] ?? undefined, shapes);
    }
  }
  return text;
}

/** `id` of elements (not of resources) and `url` of extensions are XML attributes. */
function isAttribute({ name, definition }: Property, shape: Shape): boolean {
  if (name === 'id') return definition.base?.path !== 'Resource.id';
  return name === 'url' && shape.path === 'Extension';
}

function elementText(
  property: Property,
  holder: object,
  key: string | number,
  value: unknown,
  sibling: unknown,
  shapes: Shapes,
): string {
  const { name } = property;
  if (property.type === 'xhtml') return String(value);
  if (property.check) return primitiveText(property, holder, key, value, sibling as JsonObject | undefined, shapes);
  if (!property.shape) return `<${name}>${resourceText(value as Resource, shapes, '')}</${name}>`;
  const shape = property.shape();
  const object = value as JsonObject;
  return `<${name}${attributesOf(object, shape)}>${childrenText(object, shape, shapes)}</${name}>`;
}

function primitiveText(
  { name }: Property,
  holder: object,
  key: string | number,
  value: unknown,
  sibling: JsonObject | undefined,
  shapes: Shapes,
): string {
  const shape = shapes.of('Element') as Shape;
  const id = sibling ? attributesOf(sibling, shape) : '';
  const written = typeof value === 'number' ? numberText(holder, key) : String(value);
  const attribute = value === undefined ? '' : ` value="${escaped(written)}"`;
  const content = sibling ? childrenText(sibling, shape, shapes) : '';
  return content === '' ? `<${name}${id}${attribute}/>` : `<${name}${id}${attribute}>${content}</${name}>`;
}

function attributesOf(object: JsonObject, shape: Shape): string {
  let text = '';
  if (typeof object.id === 'string') text += ` id="${escaped(object.id)}"`;
  if (shape.path === 'Extension' && typeof object.url === 'string') text += ` url="${escaped(object.url)}"`;
  return text;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
  '\r': '&#13;',
  '\t': '&#9;',
};

/** Characters that XML cannot carry become U+FFFD. */
function escaped(text: string): string {
  return text
    .replace(/[&<>"\n\r\t]/g, (character) => entities[character])
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
}
