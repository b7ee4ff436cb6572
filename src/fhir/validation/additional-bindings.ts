/** Bindings beside the main one: later versions of FHIR have them as an element, R4 as an extension. */
import type { Binding } from '../definitions/types.js';

/** A further value set, by extension. Spec: http://hl7.org/fhir/tools/StructureDefinition/additional-binding */
export interface AdditionalBinding {
  readonly valueSet: string;
  readonly isError: boolean;
}

const additionalUrl = /\/StructureDefinition\/(?:additional-binding|extension-ElementDefinition\.binding\.additional)$/;

/** Additional bindings without a usage context. */
export function additionalBindings(binding: Binding): AdditionalBinding[] {
  return (binding.extension ?? []).flatMap(({ url, extension }) => {
    if (!additionalUrl.test(url) || extension?.some((part) => part.url === 'usage')) return [];
    const part = (name: string): unknown => {
      const found = extension?.find((inner) => inner.url === name);
      return found && Object.entries(found).find(([key]) => key.startsWith('value'))?.[1];
    };
    const purpose = part('purpose');
    const valueSet = part('valueSet');
    if (typeof valueSet !== 'string' || !['required', 'maximum', 'extensible', 'minimum'].includes(String(purpose)))
      return [];
    return [{ valueSet, isError: purpose === 'required' || purpose === 'maximum' }];
  });
}
