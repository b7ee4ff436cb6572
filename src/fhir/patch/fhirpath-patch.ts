/** FHIRPath Patch: a Parameters resource with operations. Spec: https://hl7.org/fhir/R4/fhirpatch.html */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import { compileFhirPath, FhirPathError, type LocatedValue } from '../fhirpath/fhirpath.js';
import { FhirModel } from '../fhirpath/model.js';
import { elementsOf, type Elements } from './elements.js';
import { structuredCopy } from './json-patch.js';
import { partNamed, textPart, indexPart, type Part } from './patch-parts.js';
import { dropEmpty, insertAt, removeAt, setMember, type Valued } from './tree.js';
import { valueOfPart } from './part-value.js';

const models = new WeakMap<Definitions, FhirModel>();

function modelOf(definitions: Definitions): FhirModel {
  const model = models.get(definitions) ?? new FhirModel((name) => definitions.structureDefinition(name));
  models.set(definitions, model);
  return model;
}

/**
 * A changed copy of `document`.
 * @param patch the Parameters resource.
 * @throws FhirError 400 `structure` when `patch` is none; 422 `business-rule` when an operation does not apply.
 */
export function applyFhirPathPatch(definitions: Definitions, document: Resource, patch: Resource): Resource {
  const operations = patch.parameter ?? [];
  if (patch.resourceType !== 'Parameters' || !Array.isArray(operations)) {
    throw fhirError(400, 'structure', 'A FHIRPath Patch is a Parameters resource.', 'resourceType');
  }
  const copy = structuredCopy(document);
  (operations as Part[]).forEach((operation, index) => {
    const place = `Parameters.parameter[${index}]`;
    if (operation.name !== 'operation') {
      throw fhirError(
        400,
        'structure',
        `The parameter is named "${String(operation.name)}"; expected "operation".`,
        place,
      );
    }
    new Step(definitions, copy, operation, place).run();
  });
  dropEmpty(copy);
  return copy;
}

/** `text.div`, which FHIRPath takes for its operator unless it is quoted. */
const narrativeStep = /\.div\b(?!\s*\()/g;

/** One operation on the copy. */
class Step {
  private readonly elements: Elements;

  constructor(
    private readonly definitions: Definitions,
    private readonly document: Resource,
    private readonly operation: Part,
    private readonly place: string,
  ) {
    this.elements = elementsOf(definitions);
  }

  run(): void {
    const type = textPart(this.operation, 'type', this.place);
    switch (type) {
      case 'add':
        return this.add();
      case 'insert':
        return this.insert();
      case 'delete':
        return this.delete();
      case 'replace':
        return this.replace();
      case 'move':
        return this.move();
      default:
        throw fhirError(
          400,
          'structure',
          `The type is "${type}"; expected add, insert, delete, replace or move.`,
          this.place,
        );
    }
  }

  private add(): void {
    const name = textPart(this.operation, 'name', this.place);
    const target = this.one();
    const element = this.elements.child(target.type, name);
    if (element === undefined) throw this.refused(`${target.type} has no element "${name}"`);
    const value = this.value(element.path);
    const key = element.isChoice ? name.replace(/\[x\]$/, '') + capitalised(value.type) : name;
    const parent = target.value as Record<string, unknown>;
    if (typeof parent !== 'object' || parent === null) throw this.refused(`a ${target.type} has no members`);
    if (element.isList) insertAt(parent, key, Array.isArray(parent[key]) ? parent[key].length : 0, value);
    else if (parent[key] !== undefined) throw this.refused(`"${key}" is there already; use replace`);
    else setMember(parent, key, value);
  }

  private insert(): void {
    const list = this.list();
    const index = indexPart(this.operation, 'index', this.place);
    const size = (list.parent[list.key] as unknown[]).length;
    if (index > size) throw this.refused(`the index is ${index}, but the list has ${size} items`);
    insertAt(list.parent, list.key, index, this.value(list.path));
  }

  private delete(): void {
    const found = this.located();
    if (found.length === 0) return;
    const { parent, key, index } = this.placeOf(this.one());
    if (index === undefined) setMember(parent, key, {});
    else removeAt(parent, key, index);
  }

  private replace(): void {
    const target = this.one();
    const { parent, key, index } = this.placeOf(target);
    const value = this.value(target.type);
    if (index !== undefined) {
      removeAt(parent, key, index, true);
      insertAt(parent, key, index, value);
      return;
    }
    const suffix = capitalised(target.type);
    const isOtherChoice = value.type !== '' && value.type !== target.type && key.endsWith(suffix) && key !== suffix;
    setMember(parent, key, {});
    setMember(parent, isOtherChoice ? key.slice(0, -suffix.length) + capitalised(value.type) : key, value);
  }

  private move(): void {
    const list = this.list();
    const source = indexPart(this.operation, 'source', this.place);
    const destination = indexPart(this.operation, 'destination', this.place);
    const size = (list.parent[list.key] as unknown[]).length;
    if (source >= size || destination >= size) {
      throw this.refused(`source ${source} or destination ${destination} is not in a list of ${size} items`);
    }
    const moved = removeAt(list.parent, list.key, source, true);
    insertAt(list.parent, list.key, destination, moved);
  }

  private located(): LocatedValue[] {
    const path = textPart(this.operation, 'path', this.place);
    try {
      return compileFhirPath(path.replace(narrativeStep, '.`div`'), modelOf(this.definitions)).locate(this.document, {
        resource: this.document,
      });
    } catch (error) {
      if (!(error instanceof FhirPathError)) throw error;
      throw fhirError(
        422,
        'business-rule',
        `The path "${path}" is no FHIRPath for this resource: ${error.message}`,
        this.place,
      );
    }
  }

  private one(): LocatedValue {
    const found = this.located();
    if (found.length === 1) return found[0];
    throw this.refused(`the path gives ${found.length} elements; expected one`);
  }

  private placeOf(target: LocatedValue) {
    if (target.place === undefined) throw this.refused('the resource itself cannot be replaced or deleted');
    return { ...target.place, parent: target.place.parent as Record<string, unknown> };
  }

  /** The list whose items the path gives. */
  private list(): { parent: Record<string, unknown>; key: string; path: string } {
    const [first] = this.located();
    if (first?.place?.index === undefined) throw this.refused('the path gives no list');
    return { parent: first.place.parent as Record<string, unknown>, key: first.place.key, path: first.type };
  }

  private value(path: string): Valued {
    const part = partNamed(this.operation, 'value');
    if (part === undefined) throw fhirError(400, 'structure', 'The operation has no value.', this.place);
    return valueOfPart(part, path, this.elements);
  }

  private refused(reason: string) {
    return fhirError(422, 'business-rule', `The patch does not apply: ${reason}.`, this.place);
  }
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
