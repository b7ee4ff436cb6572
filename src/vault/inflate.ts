/**
 * Raw DEFLATE (RFC 1951) unpacked by one engine that is used again and again.
 *
 * Node makes an engine for each call of `inflateRawSync`, which costs more than the unpacking of a resource does, and counts its 40 KB as garbage.
 * The engine's synchronous call is not part of node's documented interface: where it is missing, or anything is odd, `inflateRawSync` answers.
 */
import { constants, createInflateRaw, inflateRawSync } from 'node:zlib';

/** Longer results, of which there are few, are left to node. */
const roomBytes = 64 * 1024;

/** What node's own `inflateRawSync` calls. */
interface Engine {
  reset(): void;
  writeSync(
    flush: number,
    packed: Uint8Array,
    packedAt: number,
    packedBytes: number,
    room: Uint8Array,
    roomAt: number,
    roomBytes: number,
  ): void;
  onerror: () => void;
}

interface WithEngine {
  readonly _handle?: Partial<Engine>;
  /** After a call: the room that is left, and the packed bytes that were not looked at. */
  readonly _writeState?: Uint32Array;
}

class Inflater {
  private readonly room = Buffer.allocUnsafeSlow(roomBytes);
  private hasFailed = false;

  constructor(
    private readonly engine: Engine,
    private readonly left: Uint32Array,
    /** Keeps the engine alive. */
    readonly owner: unknown,
  ) {
    engine.onerror = () => {
      this.hasFailed = true;
    };
  }

  /** @returns undefined when the engine cannot do it. */
  inflate(packed: Uint8Array): Buffer | undefined {
    this.hasFailed = false;
    this.engine.reset();
    this.engine.writeSync(constants.Z_FINISH, packed, 0, packed.byteLength, this.room, 0, roomBytes);
    const [roomLeft = 0, packedLeft = 0] = this.left;
    if (this.hasFailed || roomLeft === 0 || packedLeft > 0) return undefined;
    const plain = Buffer.allocUnsafe(roomBytes - roomLeft);
    this.room.copy(plain, 0, 0, plain.byteLength);
    // What was opened is held by nobody longer than it is needed.
    this.room.fill(0, 0, plain.byteLength);
    return plain;
  }
}

function inflater(): Inflater | undefined {
  const owner = createInflateRaw();
  const { _handle: engine, _writeState: left } = owner as unknown as WithEngine;
  const isThere = typeof engine?.writeSync === 'function' && typeof engine.reset === 'function';
  return isThere && left instanceof Uint32Array ? new Inflater(engine as Engine, left, owner) : undefined;
}

const shared = inflater();

/** @throws what `inflateRawSync` throws for bytes that are no raw DEFLATE, or are cut short. */
export function inflateRaw(packed: Uint8Array): Buffer {
  return (
    shared?.inflate(packed) ??
    inflateRawSync(packed, { chunkSize: Math.min(Math.max(4 * packed.byteLength, 1024), roomBytes) })
  );
}
