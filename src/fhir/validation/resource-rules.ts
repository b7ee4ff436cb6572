/** Rules of single resource types that their structure does not say. Called after the structure of the resource was checked. */
import { bundleRule } from './bundle.js';
import { codeSystemRule, conceptMapRule, valueSetRule } from './code-system.js';
import { measureRule } from './measure.js';
import { questionnaireResponseRule } from './questionnaire-response.js';
import { questionnaireRule } from './questionnaire.js';
import type { Frame, Run } from './run.js';
import { searchParameterRule } from './search-parameter.js';
import { structureDefinitionRule } from './structure-definition.js';

/**
 * A rule of one resource type: reports into `run`.
 * @param isSound no error was found in the structure of the resource; else it may be of any shape.
 */
export type ResourceRule = (run: Run, frame: Frame, isSound: boolean) => void;

export const resourceRules: Readonly<Record<string, ResourceRule>> = {
  Bundle: bundleRule,
  CodeSystem: codeSystemRule,
  ConceptMap: conceptMapRule,
  Measure: measureRule,
  Questionnaire: questionnaireRule,
  QuestionnaireResponse: questionnaireResponseRule,
  SearchParameter: searchParameterRule,
  StructureDefinition: structureDefinitionRule,
  ValueSet: valueSetRule,
};
