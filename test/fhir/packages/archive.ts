/** Makes FHIR packages for tests. */
import { gzipSync } from 'node:zlib';

/** A gzipped tar of the given files, names to contents. */
export function tarGz(files: Readonly<Record<string, string | Buffer>>): Buffer {
  return gzipSync(tar(Object.entries(files)));
}

/** A ustar archive, not compressed. */
export function tar(files: readonly (readonly [name: string, content: string | Buffer])[]): Buffer {
  const blocks = files.flatMap(([name, content]) => {
    const bytes = Buffer.from(content);
    return [header(name, bytes.length), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** A header block. @param type `0` for a file. */
export function header(name: string, size: number, type = '0'): Buffer {
  const block = Buffer.alloc(512);
  block.write(name.slice(0, 100), 0);
  block.write('0000644\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** A package with these resources. */
export function fhirPackage(name: string, version: string, resources: readonly object[], rest: object = {}): Buffer {
  const manifest = { name, version, fhirVersions: ['4.0.1'], ...rest };
  const files = resources.map((resource, index) => [`package/Resource-${index}.json`, JSON.stringify(resource)]);
  return tarGz({ 'package/package.json': JSON.stringify(manifest), ...Object.fromEntries(files) });
}
