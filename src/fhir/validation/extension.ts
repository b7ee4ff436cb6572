/**
 * Extensions: form, definition, and where they may stand.
 *
 * Spec: https://hl7.org/fhir/R4/extensibility.html, https://hl7.org/fhir/R4/defining-extensions.html#context
 */
import type { StructureDefinition } from '../definitions/types.js';
import { isAllowedContext } from './extension-context.js';
import { isAbsoluteUrl } from './primitives.js';
import { shown, type Run } from './run.js';
import type { Property } from './shapes.js';
import type { TypeRule } from './type-rules.js';

interface Extension {
  readonly url?: unknown;
  readonly extension?: unknown;
  readonly [name: string]: unknown;
}

export const extensionRule: TypeRule = (run, value, path, member) => {
  const extension = value as Extension;
  checkContent(run, extension, path);
  if (typeof extension.url !== 'string') {
    if ('_url' in extension) run.error('required', 'extension-url', path, 'the url of the extension has no value');
    return;
  }
  const isNested = member.definedAt === 'Extension.extension' && run.holder?.type === 'Extension';
  if (!isAbsoluteUrl(extension.url)) {
    if (isNested) checkNested(run, extension.url, path);
    else run.error('extension', 'extension-url', path, `the url ${shown(extension.url)} is no absolute URL`);
    return;
  }
  const definition = run.engine.definitions.structureDefinition(extension.url);
  if (extension.url.includes('|')) {
    run.error('extension', 'extension-url', path, `the url ${shown(extension.url)} has a version; expected none`);
    return;
  }
  if (!definition) {
    run.information('extension', 'extension-unknown', path, `no definition at hand for the extension ${extension.url}`);
    return;
  }
  if (definition.type === 'Extension') checkDefined(run, extension, definition, path, member);
};

/** ext-1: a value or extensions, not both, and not neither. */
function checkContent(run: Run, extension: Extension, path: string): void {
  let hasValue = false;
  for (const name in extension) if (name.startsWith('value') || name.startsWith('_value')) hasValue = true;
  const hasExtensions = Array.isArray(extension.extension) && extension.extension.length > 0;
  if (hasValue !== hasExtensions) return;
  const text = `the extension has ${hasValue ? 'both' : 'neither'} a value ${hasValue ? 'and' : 'nor'} extensions; expected one of them`;
  run.error('invariant', 'ext-1', path, text);
}

function checkDefined(
  run: Run,
  extension: Extension,
  definition: StructureDefinition,
  path: string,
  member: Property,
): void {
  const isModifier = member.definedAt.endsWith('.modifierExtension');
  const shouldModify = definition.snapshot?.element[0].isModifier === true;
  if (definition.snapshot && isModifier !== shouldModify) {
    const text = `${definition.url} is ${shouldModify ? 'a' : 'no'} modifier extension; found under ${isModifier ? 'modifierExtension' : 'extension'}`;
    run.error('extension', 'extension-modifier', path, text);
  }
  if (run.holder && !isAllowedContext(run, definition, run.holder)) {
    const contexts = (definition.context ?? []).map(({ expression }) => expression).join(', ');
    const text = `the extension ${definition.url} may not stand here; allowed in ${contexts}`;
    run.error('extension', 'extension-context', path, text);
  }
  run.engine.profiles.checkElement(run, definition.url, extension, path);
}

/** An extension inside of a defined one is one of those that the definition lists. */
function checkNested(run: Run, url: string, path: string): void {
  const chain = [url];
  let holder = run.holder;
  for (; holder?.type === 'Extension'; holder = holder.parent) {
    const outer = holder.object.url;
    if (typeof outer !== 'string') return;
    if (!isAbsoluteUrl(outer)) {
      chain.unshift(outer);
      continue;
    }
    let node = run.engine.profiles.tree(outer);
    for (const name of chain) {
      const list = node?.children.get('extension');
      if (!list || (list.slices.length === 0 && list.element.max !== '0')) return;
      node = list.slices.find((slice) => slice.children.get('url')?.element.fixedUri === name);
      if (!node) {
        run.error(
          'extension',
          'extension-nested',
          path,
          `the extension ${outer} defines no inner extension ${shown(name)}`,
        );
        return;
      }
    }
    return;
  }
}
