/**
 * The definitions in force, with everything that is made from them: terminology, validator, ProfileSet, receipts.
 *
 * Core, then packages, then what was uploaded while the server runs. A snapshot is immutable: a validation that began under one ends under
 * it. An upload makes a new snapshot, whose parts are made when they are first needed, so an upload costs little.
 */
import { validateSettled, type ExternalAnswers } from '../terminology/external.js';
import { createTerminology, type Terminology } from '../terminology/terminology.js';
import { createValidator } from '../validation/create-validator.js';
import { readCoreFacts } from '../validation/core-facts.js';
import { makeProfileSet, type CoreFacts, type ProfileSet, type ProfileSetOptions } from '../validation/profile-set.js';
import { Receipts } from '../validation/receipt.js';
import type { Validator } from '../validation/validator.js';
import { underPolicy, type ValidationPolicy } from '../validation/policy.js';
import type { Definitions } from '../definitions/definitions.js';
import type { CanonicalResource, CodeSystem } from '../definitions/types.js';
import { compact, definitionTypes } from './compact.js';
import type { LoadedPackages } from './load-packages.js';

/** Definitions and what is made from them, as of one moment. */
export interface Snapshot {
  readonly definitions: Definitions;
  readonly terminology: Terminology;
  readonly validator: Validator;
  readonly profileSet: ProfileSet;
  readonly receipts: Receipts;
  /** Uploaded definitions among them, as stored. */
  readonly uploads: readonly CanonicalResource[];
}

/** @param changed resource types of what was put or removed. */
export type ChangeListener = (snapshot: Snapshot, changed: ReadonlySet<string>) => void;

export class ActiveDefinitions {
  /** As stored (for digests), and as kept in force. */
  private readonly uploads = new Map<
    string,
    { readonly stored: CanonicalResource; readonly kept: CanonicalResource }
  >();
  private readonly listeners = new Set<ChangeListener>();
  private snapshot: Snapshot;

  /** Validates under the snapshot that is in force when it is called, and under the operator's policy. */
  readonly validator: Validator;

  /** @param external answers of the configured terminology server. */
  constructor(
    private readonly loaded: Pick<LoadedPackages, 'packages' | 'definitions' | 'supplements'>,
    private readonly options: ProfileSetOptions & Pick<ValidationPolicy, 'refusedSeverity'>,
    private readonly external?: ExternalAnswers,
    private readonly core: CoreFacts = readCoreFacts(),
  ) {
    this.snapshot = this.take();
    const validator: Validator = {
      validate: (resource, given) => this.snapshot.validator.validate(resource, given),
      validateInSteps: (resource, given) => this.snapshot.validator.validateInSteps(resource, given),
    };
    this.validator = external
      ? {
          ...validator,
          settle: (resource, given) => validateSettled(this.snapshot.validator, external, resource, given),
        }
      : validator;
  }

  get current(): Snapshot {
    return this.snapshot;
  }

  /**
   * Puts an uploaded definition in force. One of the same type and URL (and version) is replaced.
   * @param resource valid, as stored. Other types than definitions, and definitions without `url`, change nothing.
   */
  put(resource: CanonicalResource): void {
    this.putAll([resource]);
  }

  /** Like `put`, for many at once (all that the store holds, at start). */
  putAll(resources: Iterable<CanonicalResource>): void {
    const changed = new Set<string>();
    for (const resource of resources) {
      if (!definitionTypes.has(resource.resourceType) || typeof resource.url !== 'string') continue;
      this.uploads.set(keyOf(resource), { stored: resource, kept: compact(resource) });
      changed.add(resource.resourceType);
    }
    if (changed.size > 0) this.renew(changed);
  }

  /** Takes an uploaded definition out of force; what lay below it (a package's, the core's) is in force again. */
  remove(resource: Pick<CanonicalResource, 'resourceType' | 'url' | 'version'>): void {
    if (this.uploads.delete(keyOf(resource))) this.renew(new Set([resource.resourceType]));
  }

  /** Calls `listener` with each new snapshot, right after it came in force. @returns a function that ends this. */
  onChange(listener: ChangeListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private renew(changed: ReadonlySet<string>): void {
    this.snapshot = this.take();
    for (const listener of this.listeners) listener(this.snapshot, changed);
  }

  private take(): Snapshot {
    const { loaded, options, core } = this;
    const all = [...this.uploads.values()];
    const uploads = all.map(({ stored }) => stored);
    const definitions = all.length === 0 ? loaded.definitions : loaded.definitions.with(all.map(({ kept }) => kept));
    const supplements = [...loaded.supplements, ...uploads.filter(isSupplement)];
    const terminology = createTerminology(definitions, supplements, this.external);
    let validator: Validator | undefined;
    let profileSet: ProfileSet | undefined;
    let receipts: Receipts | undefined;
    return {
      definitions,
      terminology,
      uploads,
      get validator() {
        return (validator ??= underPolicy(createValidator({ definitions, terminology }), options));
      },
      get profileSet() {
        const { packages } = loaded;
        return (profileSet ??= makeProfileSet({ definitions, terminology, packages, uploads, core, options }));
      },
      get receipts() {
        return (receipts ??= new Receipts(this.profileSet.digest, options.demanded));
      },
    };
  }
}

function keyOf({ resourceType, url, version }: Pick<CanonicalResource, 'resourceType' | 'url' | 'version'>): string {
  return `${resourceType}|${url}|${version ?? ''}`;
}

function isSupplement(resource: CanonicalResource): resource is CodeSystem {
  return resource.resourceType === 'CodeSystem' && resource.content === 'supplement';
}
