/** The manifests of deploy/, read. */
import { readdirSync, readFileSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';

const deploy = new URL('../../../deploy/', import.meta.url);

/** A Kubernetes object, as far as the checks look. */
export interface Manifest {
  readonly file: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly [member: string]: any;
}

/** Every object of deploy/kubernetes. */
export function kubernetes(): Manifest[] {
  return readdirSync(new URL('kubernetes/', deploy)).flatMap((file) =>
    parseAllDocuments(textOf(`kubernetes/${file}`)).map((document) => {
      if (document.errors.length > 0) throw document.errors[0]!;
      return { file, ...(document.toJS() as Omit<Manifest, 'file'>) } as Manifest;
    }),
  );
}

/** The object as Kubernetes gets it. */
export function objectOf(manifest: Manifest): Omit<Manifest, 'file'> {
  const { file, ...object } = manifest;
  void file;
  return object as Omit<Manifest, 'file'>;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export function compose(): any {
  return parse(textOf('compose.yaml'), { merge: true });
}

export function textOf(name: string): string {
  return readFileSync(new URL(name, deploy), 'utf8');
}
