/**
 * Reading and writing named parts of a FHIR Parameters resource.
 *
 * Spec: https://hl7.org/fhir/R4/parameters.html
 */
import { toHex } from '../base/bytes.js';
import { ProofFormatError } from './proof.js';

/** One `parameter` (or `part`). */
export interface Part {
  readonly name: string;
  readonly part?: readonly Part[];
  readonly resource?: { readonly resourceType: string };
  readonly [value: `value${string}`]: unknown;
}

export interface Parameters {
  readonly resourceType: 'Parameters';
  readonly parameter: readonly Part[];
}

/** 0x-prefixed hexadecimal text. */
export function hexPart(name: string, bytes: Uint8Array): Part {
  return { name, valueString: `0x${toHex(bytes)}` };
}

export function textPart(name: string, text: string): Part {
  return { name, valueString: text };
}

/** A count or number; integers of FHIR end at 2^31, so it is a decimal. */
export function numberPart(name: string, value: number): Part {
  return { name, valueDecimal: value };
}

export function groupPart(name: string, part: readonly Part[]): Part {
  return { name, part };
}

/** Reads parts by name; every failure is a ProofFormatError that names the part. */
export class PartReader {
  constructor(
    private readonly parts: readonly Part[],
    private readonly where: string,
  ) {}

  /** @throws ProofFormatError when `value` is no Parameters resource. */
  static of(value: unknown): PartReader {
    const parameters = value as Partial<Parameters> | null;
    if (
      typeof parameters !== 'object' ||
      parameters?.resourceType !== 'Parameters' ||
      !Array.isArray(parameters.parameter)
    )
      throw new ProofFormatError('the document is no FHIR Parameters resource');
    return new PartReader(parameters.parameter, 'proof');
  }

  has(name: string): boolean {
    return this.parts.some((part) => part?.name === name);
  }

  text(name: string): string {
    const { valueString, valueUri, valueCode } = this.#one(name);
    const value = valueString ?? valueUri ?? valueCode;
    if (typeof value !== 'string') throw this.#problem(name, 'is no text');
    return value;
  }

  /** A whole number from 0 to 2^53-1. */
  number(name: string): number {
    const value = this.#one(name).valueDecimal;
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw this.#problem(name, 'is no whole number');
    return value as number;
  }

  /** Milliseconds since 1970 of an instant in UTC with three decimals, the one spelling that is written. */
  instant(name: string): number {
    const text = String(this.#one(name).valueInstant);
    const time = Date.parse(text);
    if (Number.isNaN(time) || new Date(time).toISOString() !== text)
      throw this.#problem(name, 'is no instant in UTC with milliseconds');
    return time;
  }

  bytes(name: string, sizeBytes: number): Uint8Array {
    return this.#hex(name, this.text(name), sizeBytes);
  }

  /** Like bytes, as the 0x-prefixed text. */
  hex(name: string, sizeBytes: number): `0x${string}` {
    return `0x${toHex(this.bytes(name, sizeBytes))}`;
  }

  /** All texts of that name, as bytes, in order. */
  allBytes(name: string, sizeBytes: number): Uint8Array[] {
    return this.texts(name).map((text) => this.#hex(name, text, sizeBytes));
  }

  /** All texts of that name, in order. */
  texts(name: string): string[] {
    return this.parts.filter((part) => part?.name === name).map(({ valueString }) => String(valueString));
  }

  group(name: string): PartReader {
    return this.#reader(this.#one(name));
  }

  groups(name: string): PartReader[] {
    return this.parts.filter((part) => part?.name === name).map((part) => this.#reader(part));
  }

  resource(name: string): { readonly resourceType: string } {
    const { resource } = this.#one(name);
    if (typeof resource?.resourceType !== 'string') throw this.#problem(name, 'is no resource');
    return resource;
  }

  #one(name: string): Part {
    const found = this.parts.filter((part) => part?.name === name);
    if (found.length !== 1)
      throw this.#problem(name, found.length === 0 ? 'is missing' : 'stands there more than once');
    return found[0];
  }

  #reader(part: Part): PartReader {
    if (!Array.isArray(part.part)) throw this.#problem(part.name, 'has no parts');
    return new PartReader(part.part, `${this.where}.${part.name}`);
  }

  #hex(name: string, text: string, sizeBytes: number): Uint8Array {
    if (!/^0x[0-9a-f]*$/.test(text) || text.length !== 2 + 2 * sizeBytes)
      throw this.#problem(name, `is not 0x and ${2 * sizeBytes} lower-case hexadecimal digits`);
    return new Uint8Array(Buffer.from(text.slice(2), 'hex'));
  }

  #problem(name: string, what: string): ProofFormatError {
    return new ProofFormatError(`${this.where}.${name} ${what}`);
  }
}
