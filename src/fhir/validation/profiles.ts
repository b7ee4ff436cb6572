/**
 * Profiles on resources and types: found, compiled once, and applied.
 *
 * Spec: https://hl7.org/fhir/R4/profiling.html
 */
import type { Definitions } from '../definitions/definitions.js';
import { coreStructure } from '../definitions/definitions.js';
import type { StructureDefinition } from '../definitions/types.js';
import { attempt } from './attempt.js';
import type { Item } from './item.js';
import { ProfileCompiler } from './profile-compiler.js';
import { profileTree, type ProfileNode } from './profile-tree.js';
import { shown, type Frame, type Run } from './run.js';
import type { Shapes } from './shapes.js';
import type { ItemCheck } from './slicing.js';
import { withSnapshot } from './snapshot.js';

interface Profile {
  readonly definition: StructureDefinition;
  readonly check: ItemCheck | undefined;
}

export class Profiles {
  private readonly compiled = new Map<string, Profile>();
  private readonly trees = new Map<string, ProfileNode>();

  constructor(
    private readonly definitions: Definitions,
    private readonly shapes: Shapes,
  ) {}

  /** Checks the resource of `frame` by the profiles that it names, and the outermost one by those that the caller names. */
  checkResource(run: Run, frame: Frame): void {
    const { resource, path } = frame;
    const asked = frame.kind === 'root' ? (run.options.profiles ?? []) : [];
    const declared: unknown = resource.meta?.profile;
    const urls: string[] = [...asked];
    if (Array.isArray(declared)) {
      declared.forEach((url: unknown, at) => {
        if (typeof url !== 'string' || urls.includes(url)) return;
        if (this.find(url)) urls.push(url);
        else unknownProfile(run, url, `${path}.meta.profile[${at}]`, run.options.unknownProfile ?? 'error');
      });
    }
    for (const url of urls) this.checkOne(run, url, resource, path);
  }

  /** Checks a value by the profile `url` on its type; an unknown one is left to whoever names it. */
  checkElement(run: Run, url: string, value: unknown, path: string, type?: string): void {
    const profile = this.find(url);
    if (profile?.check) profile.check(run, { value, sibling: undefined, path, type: type ?? profile.definition.type });
  }

  /** Checks an item by the only one of `urls`, or finds that it follows none of several. */
  checkOneOf(run: Run, urls: readonly string[], item: Item): void {
    const known = urls.filter((url) => this.find(url));
    for (const url of urls)
      if (!known.includes(url)) unknownProfile(run, url, item.path, run.options.unknownProfile ?? 'error');
    if (known.length === 1 && urls.length === 1) {
      this.applyTo(run, known[0], item);
      return;
    }
    if (known.length === 0 || known.some((url) => this.conforms(run, url, item))) return;
    run.error('structure', 'type-profile', item.path, `the value follows none of the profiles ${known.join(', ')}`);
  }

  /** True when `item` follows the profile; false also when the profile is unknown. Reports nothing. */
  conforms(run: Run, url: string, item: Item): boolean {
    const profile = this.find(url);
    if (!profile) return false;
    const { type } = profile.definition;
    if (item.type !== type && type !== 'Resource' && type !== 'DomainResource') return false;
    if (item.value === undefined) return true; // a reference out of the document: its type is all that is known
    return attempt(run, () => this.applyTo(run, url, item));
  }

  /** The tree of a profile or type by canonical URL or type name; undefined when it is not at hand. */
  tree(urlOrType: string): ProfileNode | undefined {
    let tree = this.trees.get(urlOrType);
    if (!tree) {
      const definition = this.definitions.structureDefinition(urlOrType);
      const elements = (definition && withSnapshot(definition, this.definitions))?.snapshot?.element ?? [];
      if (elements.length === 0) return undefined;
      tree = profileTree(elements);
      this.trees.set(urlOrType, tree);
    }
    return tree;
  }

  private checkOne(run: Run, url: string, resource: object, path: string): void {
    const profile = this.find(url);
    if (!profile) {
      unknownProfile(run, url, path, run.options.unknownProfile ?? 'error');
      return;
    }
    const type = (resource as { resourceType: string }).resourceType;
    const { definition } = profile;
    if (definition.type !== type && !isBaseOf(definition.type)) {
      const text = `the profile ${definition.url} is for ${definition.type}; found a ${shown(type)}`;
      run.error('structure', 'profile-type', path, text);
      return;
    }
    this.applyTo(run, url, { value: resource, sibling: undefined, path, type });
  }

  private applyTo(run: Run, url: string, item: Item): void {
    const profile = this.find(url);
    if (!profile?.check) return;
    if (run.isChecking(profile, item.value)) return;
    try {
      profile.check(run, item);
    } finally {
      run.isDone(profile, item.value);
    }
  }

  private find(url: string): Profile | undefined {
    let profile = this.compiled.get(url);
    if (!profile) {
      profile = this.compile(url);
      // Unknown ones are not kept: instances name what they like.
      if (profile) this.compiled.set(url, profile);
    }
    return profile;
  }

  private compile(url: string): Profile | undefined {
    const definition = this.definitions.structureDefinition(url);
    if (!definition) return undefined;
    const isType = definition.derivation !== 'constraint' && definition.url.startsWith(coreStructure);
    if (isType) return { definition, check: undefined };
    try {
      const tree = this.tree(url);
      if (!tree) throw new Error('it has no snapshot, and its base definition is not at hand');
      const compiler = new ProfileCompiler(definition.url, this.shapes, (canonical) => this.tree(canonical));
      return { definition, check: compiler.item(tree, definition.type, undefined) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { definition, check: (run, { path }) => unusableProfile(run, url, path, reason) };
    }
  }
}

/** A profile that is at hand but cannot be compiled. */
function unusableProfile(run: Run, url: string, path: string, reason: string): void {
  const text = `the profile ${shown(url)} cannot be applied: ${reason}`;
  if ((run.options.unknownProfile ?? 'error') === 'error') run.error('processing', 'profile-unusable', path, text);
  else run.warning('processing', 'profile-unusable', path, text);
}

const isBaseOf = (type: string): boolean => type === 'Resource' || type === 'DomainResource';

function unknownProfile(run: Run, url: string, path: string, severity: 'error' | 'warning'): void {
  const text = `the profile ${shown(url)} is not at hand, so it was not checked`;
  if (severity === 'error') run.error('not-found', 'profile-unknown', path, text);
  else run.warning('not-found', 'profile-unknown', path, text);
}
