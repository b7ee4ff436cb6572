/**
 * Answers by their Questionnaire, when it is at hand.
 *
 * Spec: https://hl7.org/fhir/R4/questionnaireresponse.html#link
 */
import type { Coding } from '../../base/resource.js';
import { isEqual } from './fixed-pattern.js';
import { objectsOf, textOf, type JsonObject } from './objects.js';
import { findItem } from './questionnaire.js';
import { shown, type Frame, type Run } from './run.js';

/** Types of `value[x]` that a type of question takes. */
const answerTypes: Readonly<Record<string, readonly string[]>> = {
  boolean: ['Boolean'],
  decimal: ['Decimal', 'Integer'],
  integer: ['Integer'],
  date: ['Date'],
  dateTime: ['DateTime'],
  time: ['Time'],
  string: ['String'],
  text: ['String'],
  url: ['Uri'],
  choice: ['Coding', 'String', 'Integer', 'Date', 'Time', 'Reference'],
  'open-choice': ['Coding', 'String'],
  attachment: ['Attachment'],
  reference: ['Reference'],
  quantity: ['Quantity'],
};

export function questionnaireResponseRule(run: Run, { resource, path }: Frame): void {
  const response = resource as JsonObject;
  const canonical = textOf(response.questionnaire);
  const questionnaire = canonical && findQuestionnaire(run, response, canonical);
  if (!questionnaire) return;
  const isFinal = response.status === 'completed' || response.status === 'amended';
  checkItems(run, questionnaire, { definition: questionnaire, answers: response, path, isFinal });
}

function findQuestionnaire(run: Run, response: JsonObject, canonical: string): JsonObject | undefined {
  if (!canonical.startsWith('#')) return run.engine.definitions.resource('Questionnaire', canonical);
  const contained = objectsOf(response.contained).find(({ object }) => object.id === canonical.slice(1));
  return contained?.object.resourceType === 'Questionnaire' ? contained.object : undefined;
}

interface Level {
  /** Questionnaire or item, whose items are asked. */
  readonly definition: JsonObject;
  /** Response, item or answer, whose items answer them. */
  readonly answers: JsonObject;
  readonly path: string;
  /** Nothing may be missing any more. */
  readonly isFinal: boolean;
}

function checkItems(run: Run, questionnaire: JsonObject, level: Level): void {
  const asked = objectsOf(level.definition.item).map(({ object }) => object);
  const given = objectsOf(level.answers.item);
  let last = 0;
  for (const { object: item, at } of given) {
    const where = `${level.path}.item[${at}]`;
    const linkId = textOf(item.linkId);
    if (linkId === undefined) continue;
    const index = asked.findIndex((question) => question.linkId === linkId);
    if (index < 0) {
      const text = findItem(questionnaire, linkId) ? 'stands at the wrong place' : 'is not in the Questionnaire';
      run.error('not-found', 'questionnaire-item', where, `the item ${shown(linkId)} ${text}`);
      continue;
    }
    if (index < last) run.error('structure', 'questionnaire-order', where, `the item ${shown(linkId)} is out of order`);
    last = Math.max(last, index);
    checkItem(run, questionnaire, asked[index], item, where, level.isFinal);
  }
  for (const question of asked) checkCount(run, level, question, given);
}

function checkCount(run: Run, level: Level, question: JsonObject, given: ReturnType<typeof objectsOf>): void {
  const items = given.filter(({ object }) => object.linkId === question.linkId);
  if (items.length === 0) {
    const isAsked = question.required === true && question.enableWhen === undefined && level.isFinal;
    if (isAsked)
      run.error(
        'required',
        'questionnaire-required',
        level.path,
        `no answer to the required item ${shown(question.linkId)}`,
      );
  } else if (items.length > 1 && question.repeats !== true) {
    const where = `${level.path}.item[${items[1].at}]`;
    run.error(
      'invalid',
      'questionnaire-repeats',
      where,
      `the item ${shown(question.linkId)} does not repeat, but stands ${items.length} times`,
    );
  }
}

function checkItem(
  run: Run,
  questionnaire: JsonObject,
  question: JsonObject,
  item: JsonObject,
  path: string,
  isFinal: boolean,
): void {
  const answers = objectsOf(item.answer);
  const type = String(question.type);
  if (type === 'group' || type === 'display') {
    if (answers.length > 0) run.error('structure', 'questionnaire-answer', path, `a ${type} has no answers`);
    checkItems(run, questionnaire, { definition: question, answers: item, path, isFinal });
    return;
  }
  if (answers.length === 0 && question.required === true && isFinal) {
    run.error('required', 'questionnaire-required', path, `no answer to the required item ${shown(question.linkId)}`);
  }
  if (answers.length > 1 && question.repeats !== true) {
    run.error(
      'invalid',
      'questionnaire-repeats',
      path,
      `${answers.length} answers to ${shown(question.linkId)}; one expected`,
    );
  }
  for (const { object: answer, at } of answers) {
    const where = `${path}.answer[${at}]`;
    checkAnswer(run, question, answer, where);
    checkItems(run, questionnaire, { definition: question, answers: answer, path: where, isFinal });
  }
}

function checkAnswer(run: Run, question: JsonObject, answer: JsonObject, path: string): void {
  const name = Object.keys(answer).find((key) => key.startsWith('value'));
  if (name === undefined) return;
  const type = name.slice(5);
  const allowed = answerTypes[String(question.type)];
  if (allowed && !allowed.includes(type)) {
    const text = `the answer to ${shown(question.linkId)} is a ${type}; expected ${allowed.join(' or ')}`;
    run.error('invariant', 'questionnaire-type', path, text);
    return;
  }
  if (question.type !== 'choice' && question.type !== 'open-choice') return;
  if (type === 'String' && question.type === 'open-choice') return;
  checkChoice(run, question, answer[name], type, path);
}

function checkChoice(run: Run, question: JsonObject, value: unknown, type: string, path: string): void {
  const options = objectsOf(question.answerOption).map(({ object }) => object);
  if (options.length > 0) {
    if (options.some((option) => isOption(option[`value${type}`], value))) return;
    run.error(
      'code-invalid',
      'questionnaire-option',
      path,
      `${shown(value)} is none of the options of ${shown(question.linkId)}`,
    );
    return;
  }
  const valueSet = textOf(question.answerValueSet);
  if (valueSet === undefined || type !== 'Coding' || !run.engine.bindings.terminology.knowsValueSet(valueSet)) return;
  const verdict = run.engine.bindings.terminology.validateCode({ system: '', ...(value as Coding) }, valueSet);
  if (verdict.result === 'out') run.error('code-invalid', 'questionnaire-option', path, verdict.message ?? '');
}

function isOption(option: unknown, value: unknown): boolean {
  if (typeof option !== 'object' || option === null || typeof value !== 'object' || value === null)
    return option === value;
  const [a, b] = [option as Coding, value as Coding];
  return 'code' in a ? a.system === b.system && a.code === b.code : isEqual(option, value);
}
