// What of each R4 definition the server keeps. Left out: narrative, mappings, prose about elements, contacts, differentials, XPath.

const dropped = {
  StructureDefinition:
    'text meta contact publisher mapping differential description keyword date useContext jurisdiction purpose copyright extension',
  ValueSet: 'text meta contact publisher date useContext jurisdiction purpose copyright extension',
  CodeSystem: 'text meta contact publisher date useContext jurisdiction purpose copyright extension',
  SearchParameter: 'text meta contact publisher date extension xpath xpathUsage useContext jurisdiction',
  OperationDefinition: 'text meta contact publisher date extension useContext jurisdiction',
  CompartmentDefinition: 'text meta contact publisher date extension useContext jurisdiction',
};
const proseOfElement =
  'short definition comment requirements alias mapping example orderMeaning meaningWhenMissing label code condition isModifierReason'.split(
    ' ',
  );
const keptExtensions = new Set([
  'http://hl7.org/fhir/StructureDefinition/regex',
  'http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type',
  'http://hl7.org/fhir/StructureDefinition/structuredefinition-hierarchy',
  'http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet',
  'http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice',
  'http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element',
]);

/** @returns `resource` without what validation, terminology and search do not use; the argument is not changed. */
export function compact(resource) {
  const kept = { ...resource };
  for (const name of dropped[resource.resourceType].split(' ')) delete kept[name];
  if (kept.snapshot) kept.snapshot = { element: kept.snapshot.element.map(compactElement) };
  if (resource.resourceType === 'CodeSystem') kept.concept = kept.concept?.map(compactConcept);
  for (const [name, value] of Object.entries(kept)) if (value === undefined) delete kept[name];
  return kept;
}

function compactElement(element) {
  const kept = withKeptExtensions(element);
  for (const name of proseOfElement) delete kept[name];
  if (kept.slicing) {
    kept.slicing = { ...kept.slicing };
    delete kept.slicing.description;
  }
  if (kept.base) kept.base = { path: kept.base.path, min: kept.base.min, max: kept.base.max };
  if (kept.type) kept.type = kept.type.map((type) => withKeptExtensions(type));
  if (kept.binding) {
    kept.binding = withKeptExtensions(kept.binding);
    delete kept.binding.description;
  }
  kept.constraint = kept.constraint?.map((constraint) => {
    const rule = withKeptExtensions(constraint);
    delete rule.xpath;
    delete rule.source;
    delete rule.requirements;
    return rule;
  });
  for (const [name, value] of Object.entries(kept)) if (value === undefined) delete kept[name];
  return kept;
}

function withKeptExtensions(value) {
  const extension = value.extension?.filter(({ url }) => keptExtensions.has(url));
  const kept = { ...value };
  delete kept.extension;
  return extension?.length > 0 ? { extension, ...kept } : kept;
}

function compactConcept(concept) {
  const kept = { ...concept };
  delete kept.extension;
  delete kept.designation;
  if (kept.concept) kept.concept = kept.concept.map(compactConcept);
  return kept;
}
