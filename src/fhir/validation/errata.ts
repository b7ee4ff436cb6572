/**
 * Invariants whose FHIRPath in R4 (4.0.1) does not say what their text says, with an expression that does.
 *
 * Each stands as HL7 corrected it later (R4B, R5 or its own validator). A rule is replaced only where its expression is the published one.
 */

interface Erratum {
  readonly published: string;
  readonly corrected: string;
}

const name = "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')";

const errata: readonly Erratum[] = [
  {
    // rng-2: quantities of the same unit text are compared by value, whatever their codes.
    published: 'low.empty() or high.empty() or (low <= high)',
    corrected:
      'low.empty() or high.empty() or iif((low.unit = high.unit) or (low.unit.empty() and high.unit.empty()), low.value <= high.value, low <= high)',
  },
  {
    // ras-2: no probability is no breach.
    published: 'probability is decimal implies (probability as decimal) <= 100',
    corrected: '(probability.exists() and (probability is decimal)) implies ((probability as decimal) <= 100)',
  },
  {
    // que-12: two conditions are more than one.
    published: 'enableWhen.count() > 2 implies enableBehavior.exists()',
    corrected: 'enableWhen.count() >= 2 implies enableBehavior.exists()',
  },
  {
    // que-7: the FHIR type.
    published: "operator = 'exists' implies (answer is Boolean)",
    corrected: "operator = 'exists' implies (answer is boolean)",
  },
  {
    // bdl-8: no fullUrl is no breach.
    published: "fullUrl.contains('/_history/').not()",
    corrected: "fullUrl.exists() implies fullUrl.contains('/_history/').not()",
  },
  {
    // tim-9: `when` repeats.
    published: "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))",
    corrected: "offset.empty() or (when.exists() and when.select($this in ('C' | 'CM' | 'CD' | 'CV')).allFalse())",
  },
  {
    // The names of definitions: no name is no breach, and the whole name counts.
    published: name,
    corrected: "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')",
  },
  {
    // con-3: the category is a CodeableConcept.
    published:
      "clinicalStatus.exists() or verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error').exists() or category.select($this='problem-list-item').empty()",
    corrected:
      "clinicalStatus.exists() or verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error').exists() or category.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-category' and code = 'problem-list-item').empty()",
  },
  {
    // opd-3: a parameter may have the type of a resource.
    published: "targetProfile.exists() implies (type = 'Reference' or type = 'canonical')",
    corrected:
      "targetProfile.exists() implies (type = 'Reference' or type = 'canonical' or type.memberOf('http://hl7.org/fhir/ValueSet/resource-types'))",
  },
  {
    // eld-19, eld-20: the whole path counts.
    published:
      "path.matches('[^\\\\s\\\\.,:;\\\\\\'\"\\\\/|?!@#$%&*()\\\\[\\\\]{}]{1,64}(\\\\.[^\\\\s\\\\.,:;\\\\\\'\"\\\\/|?!@#$%&*()\\\\[\\\\]{}]{1,64}(\\\\[x\\\\])?(\\\\:[^\\\\s\\\\.]+)?)*')",
    corrected:
      "path.matches('^[^\\\\s\\\\.,:;\\\\\\'\"\\\\/|?!@#$%&*()\\\\[\\\\]{}]{1,64}(\\\\.[^\\\\s\\\\.,:;\\\\\\'\"\\\\/|?!@#$%&*()\\\\[\\\\]{}]{1,64}(\\\\[x\\\\])?(\\\\:[^\\\\s\\\\.]+)?)*$')",
  },
  {
    published: "path.matches('[A-Za-z][A-Za-z0-9]*(\\\\.[a-z][A-Za-z0-9]*(\\\\[x])?)*')",
    corrected: "path.matches('^[A-Za-z][A-Za-z0-9]*(\\\\.[a-z][A-Za-z0-9]*(\\\\[x])?)*$')",
  },
  // Of implementation guides and earlier releases: lists that are meant as "there is one".
  {
    published: 'telecom or endpoint',
    corrected: 'telecom.exists() or endpoint.exists()',
  },
  {
    published: '(component.empty() and hasMember.empty()) implies (dataAbsentReason or value)',
    corrected: '(component.empty() and hasMember.empty()) implies (dataAbsentReason.exists() or value.exists())',
  },
  {
    published: '(component.empty() and related.empty()) implies (dataAbsentReason or value)',
    corrected: '(component.empty() and related.empty()) implies (dataAbsentReason.exists() or value.exists())',
  },
  {
    published: 'isModifier implies isModifierReason.exists()',
    corrected: '(isModifier.exists() and isModifier) implies isModifierReason.exists()',
  },
  {
    published: "differential.element.all(id) and differential.element.id.trace('ids').isDistinct()",
    corrected: "differential.element.all(id.exists()) and differential.element.id.trace('ids').isDistinct()",
  },
  {
    published: "snapshot.element.all(id) and snapshot.element.id.trace('ids').isDistinct()",
    corrected: "snapshot.element.all(id.exists()) and snapshot.element.id.trace('ids').isDistinct()",
  },
  {
    published: 'element.all(definition and min and max)',
    corrected: 'element.all(definition.exists() and min.exists() and max.exists())',
  },
  {
    published: "searchType implies type = 'string'",
    corrected: "searchType.exists() implies type = 'string'",
  },
  {
    published: 'value.empty() or code!=component.code',
    corrected: 'value.empty() or (code in component.code).not()',
  },
  {
    published: "(code or value.empty()) and (system.empty() or system = 'urn:iso:std:iso:4217')",
    corrected: "(code.exists() or value.empty()) and (system.empty() or system = 'urn:iso:std:iso:4217')",
  },
  {
    published: '(code or value.empty()) and (system.empty() or system = %ucum) and (value.empty() or value > 0)',
    corrected:
      '(code.exists() or value.empty()) and (system.empty() or system = %ucum) and (value.empty() or value > 0)',
  },
];

const corrections = new Map(errata.map(({ published, corrected }) => [published, corrected]));

/** The expression to evaluate for a published one. */
export function corrected(expression: string): string {
  return corrections.get(expression) ?? expression;
}
