/** Byte strings of any class become hexadecimal text. */
export function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, member: unknown) => {
      if (member instanceof Uint8Array) return Buffer.from(member).toString('hex');
      const buffer = member as { type?: string; data?: number[] };
      return buffer?.type === 'Buffer' ? Buffer.from(buffer.data!).toString('hex') : member;
    }),
  );
}
