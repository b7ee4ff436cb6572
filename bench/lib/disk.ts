/** Disk and index figures of a stopped server's folder. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { openSqliteCatalog } from '../../src/commit/sqlite/sqlite-catalog.js';
import type { Row } from './table.js';
import { number } from './table.js';

/** Bytes of all files below a folder. */
function sizeBytesOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath ?? entry.path, entry.name)).size, 0);
}

/** Disk per version, part by part, and terms per version. */
export async function catalogFigures(dataDir: string): Promise<Row[]> {
  const catalog = await openSqliteCatalog(path.join(dataDir, 'catalog', 'catalog.sqlite'));
  const { versions, terms } = await catalog.size();
  await catalog.close();
  const parts = readdirSync(dataDir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const sizes = parts.map(({ name }) => ({ name, sizeBytes: sizeBytesOf(path.join(dataDir, name)) }));
  const total = sizes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const note = sizes.map(({ name, sizeBytes }) => `${name} ${number(sizeBytes / versions)}`).join(', ');
  return [
    { name: 'disk per version', value: `${number(total / versions)} B`, note },
    { name: 'index terms per version', value: number(terms / versions), note: `${number(versions)} versions` },
  ];
}
