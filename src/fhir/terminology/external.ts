/**
 * Port: a terminology server beside this one, for SNOMED CT, LOINC and whatever else cannot be shipped.
 *
 * The validator is synchronous, so it never waits for that server: what it had to leave `unknown` is noted, asked in a second step, and the
 * validation runs again with the answers at hand. Answers are kept for a while.
 */
import type { Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Clock } from '../../base/clock.js';
import type { ValidationOptions, Validator } from '../validation/validator.js';

export interface Question {
  readonly system: string;
  readonly code: string;
  /** Canonical URL; absent: is it a code of the system at all? */
  readonly valueSet?: string;
}

export interface Answer {
  readonly isMember: boolean;
  readonly message?: string;
}

export interface ExternalTerminology {
  /**
   * Trust: believed as the operator's own configuration. Bounded in time.
   * @returns the answer; undefined when that server does not know the system or value set, or cannot be reached. Never rejects.
   */
  ask(question: Question): Promise<Answer | undefined>;
}

export interface ExternalOptions {
  /** How long a validation waits for answers in all, in milliseconds. */
  readonly timeoutMs: number;
  /** How long an answer is kept, in milliseconds. */
  readonly keepMs: number;
  /** How long a question without answer is not asked again, in milliseconds. */
  readonly retryMs: number;
}

const questionLimit = 500;
const answerLimit = 50_000;
const concurrency = 8;

/** Answers at hand, and the questions that a validation had to leave open. */
export class ExternalAnswers {
  private readonly answers = new Map<string, { readonly answer: Answer | undefined; readonly until: number }>();
  private open = new Map<string, Question>();

  constructor(
    private readonly server: ExternalTerminology,
    private readonly clock: Clock,
    private readonly options: ExternalOptions = { timeoutMs: 2000, keepMs: 3_600_000, retryMs: 60_000 },
  ) {}

  /** The answer when it is at hand; otherwise the question is noted. */
  find(question: Question): Answer | undefined {
    const key = keyOf(question);
    const kept = this.answers.get(key);
    if (kept && kept.until > this.clock.now()) return kept.answer;
    if (this.open.size < questionLimit) this.open.set(key, question);
    return undefined;
  }

  /** Forgets the questions noted so far: a validation that wants only its own begins with this. */
  begin(): void {
    if (this.open.size > 0) this.open = new Map();
  }

  /** Asks what was noted since `begin`. @returns how many new answers there are; resolves within `timeoutMs`. */
  async settle(): Promise<number> {
    const questions = [...this.open.values()];
    this.begin();
    if (questions.length === 0) return 0;
    let answered = 0;
    let next = 0;
    let isOver = false;
    const work = async () => {
      while (next < questions.length && !isOver) {
        const question = questions[next];
        next += 1;
        const answer = await this.server.ask(question);
        this.keep(question, answer);
        if (answer) answered += 1;
      }
    };
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.options.timeoutMs);
    });
    await Promise.race([Promise.all(Array.from({ length: concurrency }, work)), timeout]);
    clearTimeout(timer);
    isOver = true;
    return answered;
  }

  private keep(question: Question, answer: Answer | undefined): void {
    if (this.answers.size >= answerLimit) this.answers.clear();
    const { keepMs, retryMs } = this.options;
    this.answers.set(keyOf(question), { answer, until: this.clock.now() + (answer ? keepMs : retryMs) });
  }
}

/** Validates; asks the other server what had to be left open; and, when it knew something, validates again. */
export async function validateSettled(
  validator: Validator,
  answers: ExternalAnswers,
  resource: Resource,
  options?: ValidationOptions,
): Promise<Issue[]> {
  answers.begin();
  const issues = validator.validate(resource, options);
  return (await answers.settle()) > 0 ? validator.validate(resource, options) : issues;
}

function keyOf({ system, code, valueSet = '' }: Question): string {
  return `${valueSet}\n${system}\n${code}`;
}
