// FHIR XML of R4's own definitions -> FHIR JSON text, driven by tables taken from those same definitions.
// Spec: https://hl7.org/fhir/R4/xml.html and https://hl7.org/fhir/R4/json.html
import { SaxesParser } from 'saxes';

/** Element tree of `xml`: `{ name, attributes, children, start, end }`; start and end are offsets of the element's own text. */
export function parseXml(xml) {
  const parser = new SaxesParser({ xmlns: false });
  const document = { name: '#document', attributes: {}, children: [] };
  const open = [document];
  let tagStart = 0;
  parser.on('opentagstart', () => {
    tagStart = xml.lastIndexOf('<', parser.position - 1);
  });
  parser.on('opentag', (tag) => {
    const element = { name: tag.name, attributes: tag.attributes, children: [], start: tagStart, end: 0 };
    open.at(-1).children.push(element);
    open.push(element);
  });
  parser.on('closetag', () => {
    open.pop().end = parser.position;
  });
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(xml).close();
  return document.children[0];
}

/** The text of a primitive's `value` attribute of a direct child, or undefined. */
export const valueOf = (element, name) => element.children.find((child) => child.name === name)?.attributes.value;

/**
 * What the converter must know of each element: `path -> { list, type }`, from the snapshots of all types and resources.
 * Choice elements are entered under each of their names.
 */
export function shapesOf(structureDefinitions) {
  const shapes = new Map();
  for (const definition of structureDefinitions) {
    if (valueOf(definition, 'derivation') === 'constraint') continue;
    const snapshot = definition.children.find((child) => child.name === 'snapshot');
    for (const element of snapshot.children) {
      const path = valueOf(element, 'path');
      const list = valueOf(element, 'max') !== '1';
      const reference = valueOf(element, 'contentReference');
      const types = element.children.filter((child) => child.name === 'type').map(typeCode);
      if (reference) shapes.set(path, { list, type: reference.slice(1) });
      else if (!path.includes('.')) continue;
      else if (path.endsWith('[x]')) {
        for (const type of types) {
          const name = path.slice(0, -3) + type[0].toUpperCase() + type.slice(1);
          shapes.set(name, { list, type });
        }
      } else {
        const own = types[0] === 'BackboneElement' || types[0] === 'Element';
        shapes.set(path, { list, type: own ? path : types[0] });
      }
    }
  }
  return shapes;
}

function typeCode(type) {
  const code = valueOf(type, 'code');
  if (!code.startsWith('http://hl7.org/fhirpath/')) return code;
  const extension = type.children.find((child) => child.name === 'extension');
  return extension?.children[0].attributes.value ?? code.split('.').at(-1).toLowerCase();
}

/** A number whose text must be kept as it stands in the XML. */
class NumberText {
  constructor(text) {
    this.text = text;
  }
}

const numbers = new Set(['decimal', 'integer', 'unsignedInt', 'positiveInt']);

/** @returns the resource as an object, numbers as NumberText; narrative is left out. */
export function toJson(element, shapes) {
  const resource = { resourceType: element.name };
  fill(resource, element, element.name, shapes);
  return resource;
}

function fill(target, element, type, shapes) {
  for (const name of ['id', 'url']) {
    if (element.attributes[name] !== undefined) target[name] = element.attributes[name];
  }
  for (const child of element.children) {
    if (child.name === 'text' && shapes.get(`${type}.text`)?.type === 'Narrative') continue;
    const shape = shapes.get(`${type}.${child.name}`);
    if (!shape) throw new Error(`${type}.${child.name} is no R4 element`);
    const inner = shape.type === 'Resource' ? toJson(child.children[0], shapes) : {};
    let value = inner;
    if (child.attributes.value !== undefined) value = primitive(child.attributes.value, shape.type);
    if (shape.type !== 'Resource') fill(inner, child, shape.type, shapes);
    if (value !== inner && shape.type !== 'Resource' && Object.keys(inner).length > 0)
      beside(target, child.name, inner, shape.list);
    if (value === inner && isPrimitive(shape.type)) {
      beside(target, child.name, inner, shape.list); // a primitive with extensions and no value
      continue;
    }
    if (shape.list) (target[child.name] ??= []).push(value);
    else target[child.name] = value;
  }
}

const isPrimitive = (type) => /^[a-z]\w*$/.test(type) && !type.includes('.');

function beside(target, name, inner, list) {
  if (!list) target[`_${name}`] = inner;
  else {
    const at = target[name]?.length ?? 0;
    const extras = (target[`_${name}`] ??= []);
    while (extras.length < at) extras.push(null);
    extras.push(inner);
  }
}

function primitive(text, type) {
  if (type === 'boolean') return text === 'true';
  return numbers.has(type) ? new NumberText(text) : text;
}

/** JSON text of what `toJson` made: no spaces, keys in document order, numbers as written. */
export function print(value) {
  if (value instanceof NumberText) return value.text;
  if (Array.isArray(value)) return `[${value.map(print).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, field]) => `${JSON.stringify(key)}:${print(field)}`);
  return `{${fields.join(',')}}`;
}
