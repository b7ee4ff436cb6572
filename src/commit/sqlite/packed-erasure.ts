/** An erasure as the store keeps it, and as it crosses to the writer's thread: JSON, bytes in base64. Erasures are few. */
import type { Erasure } from '../catalog.js';

interface Packed {
  readonly leaf: string;
  readonly leaves: readonly number[];
  readonly compartments: readonly string[];
  readonly blocks: readonly string[];
  readonly states: readonly string[];
}

export function packErasure({ leaf, leaves, compartments, blocks, states }: Erasure): Buffer {
  const packed: Packed = {
    leaf: text(leaf),
    leaves,
    compartments: compartments.map(text),
    blocks: blocks.map(text),
    states,
  };
  return Buffer.from(JSON.stringify(packed));
}

export function unpackErasure(packed: Uint8Array): Erasure {
  const { leaf, leaves, compartments, blocks, states } = JSON.parse(Buffer.from(packed).toString()) as Packed;
  return {
    leaf: bytes(leaf),
    leaves,
    compartments: compartments.map(bytes),
    blocks: blocks.map(bytes),
    states,
  };
}

function text(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
}

function bytes(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value, 'base64'));
}
