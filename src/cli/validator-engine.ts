/**
 * A second validation engine behind a command: HL7's Java validator, HAPI, or any.
 *
 * The command runs as long as the validator does. Each line on its standard input is `{"id":n,"resource":{...},"profiles":[...]}`; it answers each with
 * a line `{"id":n,"errors":count}` (or `"problem":"..."` when it could not judge). tools/engines/README.md.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { stringifyJson } from '../base/json.js';
import type { SecondEngine } from '../wiring/judges.js';

export interface Engine {
  readonly judge: SecondEngine;
  stop(): void;
}

interface Waiting {
  readonly resolve: (isValid: boolean) => void;
  readonly reject: (error: Error) => void;
}

/** @param command run by the shell. */
export function startEngine(command: string): Engine {
  const child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = new Map<number, Waiting>();
  let count = 0;
  let ended: Error | undefined;
  const end = (reason: string) => {
    ended ??= new Error(`the second engine ended: ${reason}`);
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  child.on('error', (error) => end(error.message));
  child.on('exit', (code) => end(`status ${code}`));
  child.stdin.on('error', () => undefined);
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    const { id, errors, problem } = JSON.parse(line) as { id: number; errors?: number; problem?: string };
    const asked = waiting.get(id);
    waiting.delete(id);
    if (typeof errors === 'number') asked?.resolve(errors === 0);
    else asked?.reject(new Error(`the second engine could not judge: ${problem ?? 'no count of errors'}`));
  });
  return {
    judge: (resource, profiles) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        count += 1;
        waiting.set(count, { resolve, reject });
        child.stdin.write(
          `{"id":${count},"profiles":${JSON.stringify(profiles)},"resource":${stringifyJson(resource)}}\n`,
        );
      }),
    stop: () => void child.kill(),
  };
}
