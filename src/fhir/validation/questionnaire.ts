/** Questionnaires: the questions that `enableWhen` asks are there. Spec: https://hl7.org/fhir/R4/questionnaire.html */
import { objectsOf, textOf, type JsonObject } from './objects.js';
import { shown, type Frame, type Run } from './run.js';

export function questionnaireRule(run: Run, { resource, path }: Frame): void {
  const questionnaire = resource as JsonObject;
  checkItems(run, questionnaire, questionnaire, path);
}

function checkItems(run: Run, questionnaire: JsonObject, parent: JsonObject, path: string): void {
  for (const { object: item, at } of objectsOf(parent.item)) {
    const where = `${path}.item[${at}]`;
    for (const { object: condition } of objectsOf(item.enableWhen)) {
      const question = textOf(condition.question);
      if (question !== undefined) checkQuestion(run, questionnaire, item, question, where);
    }
    checkItems(run, questionnaire, item, where);
  }
}

function checkQuestion(run: Run, questionnaire: JsonObject, item: JsonObject, question: string, path: string): void {
  const target = findItem(questionnaire, question);
  if (item.linkId === question) {
    run.error('business-rule', 'enable-when', path, `enableWhen asks the item's own answer (${shown(question)})`);
  } else if (findItem(item, question)) {
    run.error(
      'business-rule',
      'enable-when',
      path,
      `enableWhen asks ${shown(question)}, which is inside of the item itself`,
    );
  } else if (!target) {
    run.error('business-rule', 'enable-when', path, `enableWhen asks ${shown(question)}, but no item has that linkId`);
  }
}

/** The item with `linkId` below `parent`. */
export function findItem(parent: JsonObject, linkId: string): JsonObject | undefined {
  for (const { object: item } of objectsOf(parent.item)) {
    if (item.linkId === linkId) return item;
    const inner = findItem(item, linkId);
    if (inner) return inner;
  }
  return undefined;
}
