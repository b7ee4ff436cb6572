/** Validators in this process, each with keys, memory and door of its own; they judge by one copy of the definitions to spare the machine. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLog } from '../../../src/base/log.js';
import { readConfig } from '../../../src/config.js';
import { parseVerifierKey } from '../../../src/anchoring/note.js';
import type { Blocks, Disagreement } from '../../../src/anchoring/validator-node/examine.js';
import { serverBlocks } from '../../../src/anchoring/validator-node/http-blocks.js';
import { createValidatorDoor } from '../../../src/anchoring/validator-node/validator-door.js';
import {
  describeValidator,
  openValidatorKeys,
  type ValidatorDescription,
  type ValidatorKeys,
} from '../../../src/anchoring/validator-node/validator-keys.js';
import { ValidatorNode, type ValidatorParts } from '../../../src/anchoring/validator-node/validator-node.js';
import { ValidatorState } from '../../../src/anchoring/validator-node/validator-state.js';
import { Judges } from '../../../src/wiring/judges.js';

export interface TestValidator {
  readonly keys: ValidatorKeys;
  readonly description: ValidatorDescription;
  readonly disagreements: Disagreement[];
  readonly node: ValidatorNode;
  /** Stops answering; connections are refused. */
  stop(): Promise<void>;
  /** Answers again at the same address, with what it remembers on disk. */
  start(): Promise<void>;
}

export class TestValidators {
  readonly all: TestValidator[] = [];
  /** Address of the server without /fhir: known after it was started. */
  serverUrl = '';

  private constructor(
    readonly folder: string,
    readonly file: string,
  ) {}

  /** @param change replaces parts of validator `index`: what makes it lie, be slow, ... */
  static async start(
    count: number,
    change: (index: number, parts: ValidatorParts) => Partial<ValidatorParts> = () => ({}),
  ): Promise<TestValidators> {
    const folder = await mkdtemp(path.join(tmpdir(), 'mooring-validators-'));
    const made = new TestValidators(folder, path.join(folder, 'validators.json'));
    const blocks: Blocks = { fetch: (ticket, digests) => serverBlocks(made.serverUrl).fetch(ticket, digests) };
    const log = createLog('silent', () => undefined);
    const judges = new Judges(readConfig({}), blocks, log);
    for (let index = 0; index < count; index += 1) made.all.push(await made.#one(index, judges, blocks, change));
    await writeFile(made.file, JSON.stringify(made.all.map(({ description }) => description)));
    return made;
  }

  async close(): Promise<void> {
    for (const validator of this.all) await validator.stop();
    await rm(this.folder, { recursive: true });
  }

  async #one(
    index: number,
    judges: Judges,
    blocks: Blocks,
    change: (index: number, parts: ValidatorParts) => Partial<ValidatorParts>,
  ): Promise<TestValidator> {
    const folder = path.join(this.folder, String(index));
    const keys = await openValidatorKeys(folder, `validator-${index}`);
    const disagreements: Disagreement[] = [];
    let door: Server | undefined;
    let node!: ValidatorNode;
    let port = 0;
    const start = async () => {
      const parts: ValidatorParts = {
        keys,
        state: await ValidatorState.open(folder),
        blocks,
        judgeOf: (profileSet, briefing) => judges.under(profileSet, briefing),
        now: () => Math.floor(Date.now() / 1000),
        record: (disagreement) => disagreements.push(disagreement),
      };
      node = new ValidatorNode({ ...parts, ...change(index, parts) });
      const logKey = async () => parseVerifierKey((await (await fetch(`${this.serverUrl}/log/key`)).text()).trim());
      door = createValidatorDoor({ node, logKey, describe: () => ({}) });
      await new Promise<void>((resolve) => door!.listen(port, '127.0.0.1', resolve));
      ({ port } = door.address() as AddressInfo);
    };
    const stop = async () => {
      const stopped = door;
      door = undefined;
      stopped?.closeAllConnections();
      await new Promise((resolve) => (stopped === undefined ? resolve(undefined) : stopped.close(resolve)));
    };
    await start();
    const description = describeValidator(keys, `http://127.0.0.1:${port}`);
    return {
      keys,
      description,
      disagreements,
      get node() {
        return node;
      },
      stop,
      start,
    };
  }
}
