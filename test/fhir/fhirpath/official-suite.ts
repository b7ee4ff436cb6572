/** The cases of the official FHIRPath suite, read from its XML. */
import { readFileSync } from 'node:fs';
import { SaxesParser } from 'saxes';

export interface SuiteCase {
  readonly group: string;
  readonly name: string;
  readonly input: string | undefined;
  readonly expression: string;
  /** The kind of error that is expected. */
  readonly invalid: string | undefined;
  /** Only whether there is something counts. */
  readonly predicate: boolean;
  readonly ordered: boolean;
  readonly outputs: readonly { readonly type: string | undefined; readonly text: string }[];
}

export function readSuite(file: URL): SuiteCase[] {
  const cases: SuiteCase[] = [];
  const parser = new SaxesParser();
  let group = '';
  let current: Record<string, string> = {};
  let expression: Record<string, string> = {};
  let outputs: { type: string | undefined; text: string }[] = [];
  let texts: Record<string, string> = {};
  let text = '';
  parser.on('opentag', ({ name, attributes }) => {
    const values = attributes as Record<string, string>;
    text = '';
    if (name === 'group') group = values.name;
    if (name === 'test') {
      current = values;
      outputs = [];
      texts = {};
    }
    if (name === 'expression') expression = values;
    if (name === 'output') outputs.push({ type: values.type, text: '' });
  });
  parser.on('text', (part) => (text += part));
  parser.on('closetag', ({ name }) => {
    if (name === 'expression') texts.expression = text;
    if (name === 'output') outputs[outputs.length - 1].text = text;
    if (name !== 'test') return;
    cases.push({
      group,
      name: current.name,
      input: current.inputfile,
      expression: texts.expression,
      invalid: expression.invalid,
      predicate: current.predicate === 'true',
      ordered: current.ordered !== 'false',
      outputs,
    });
  });
  parser.write(readFileSync(file, 'utf8')).close();
  return cases;
}
