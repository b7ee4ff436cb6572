/** Environment variables, read one by one; what is wrong with them is collected. */
import { readFileSync } from 'node:fs';

/** All that is wrong with the environment, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** Reads variables and collects what is wrong with them. An empty variable counts as not set. */
export class EnvReader {
  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly problems: string[],
  ) {}

  problem(text: string): void {
    this.problems.push(text);
  }

  optional(name: string): string | undefined {
    return this.env[name] === undefined || this.env[name] === '' ? undefined : this.env[name];
  }

  text(name: string, fallback: string): string {
    return this.optional(name) ?? fallback;
  }

  matching(name: string, fallback: string, form: RegExp, expected: string): string {
    const value = this.text(name, fallback);
    if (!form.test(value)) this.problem(`${name} is "${value}"; expected ${expected}`);
    return value;
  }

  optionalMatching(name: string, form: RegExp, expected: string): string | undefined {
    return this.optional(name) === undefined ? undefined : this.matching(name, '', form, expected);
  }

  optionalInteger(name: string, least: number, most: number): number | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    this.problem(`${name} is "${text}"; expected a whole number from ${least} to ${most}`);
    return undefined;
  }

  integer(name: string, fallback: number, least: number, most: number): number {
    return this.optionalInteger(name, least, most) ?? fallback;
  }

  choice<T extends string>(name: string, fallback: T, choices: readonly T[]): T {
    const value = this.text(name, fallback);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) this.problem(`${name} is "${value}"; expected one of ${choices.join(', ')}`);
    return found ?? fallback;
  }

  url(name: string): string | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const { protocol } = URL.canParse(text) ? new URL(text) : { protocol: '' };
    if (protocol === 'http:' || protocol === 'https:') return text.replace(/\/+$/, '');
    this.problem(`${name} is "${text}"; expected an http or https URL`);
    return undefined;
  }

  list(name: string): string[] {
    return this.text(name, '')
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }

  /** The trimmed text of the file that the variable `name` gives; undefined, and a problem, when it cannot be read. */
  secretIn(name: string, file: string): string | undefined {
    try {
      return readFileSync(file, 'utf8').trim();
    } catch (error) {
      this.problem(`${name} is "${file}", which cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }
}
