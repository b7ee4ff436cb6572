/** One table on standard output: what was measured, its value, and what it is compared with. */

export interface Row {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
}

export function printTable(title: string, rows: readonly Row[]): void {
  const widths = [Math.max(...rows.map((row) => row.name.length)), Math.max(...rows.map((row) => row.value.length))];
  console.log(`\n${title}\n${'-'.repeat(title.length)}`);
  for (const { name, value, note } of rows) {
    console.log(`${name.padEnd(widths[0])}  ${value.padStart(widths[1])}  ${note ?? ''}`.trimEnd());
  }
}

/** `12,345` or, below 100, one decimal. */
export function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2);
}
