/** What goes to the sealing thread and back, each as one buffer. */
import { Packer, Unpacker } from '../../base/packed.js';
import type { ContentToSeal, SealedContent } from '../../commit/content-sealer.js';
import type { ValidationLevel } from '../../commit/header.js';
import { leafContext, type LeafContext } from '../../anchoring/leaf.js';

const nothing = new Uint8Array(0);

/** @param present context of the leaves of contents that name none. */
export function packContents(present: LeafContext, contents: readonly ContentToSeal[]): ArrayBuffer {
  const packer = new Packer(contents.reduce((sum, { json }) => sum + 512 + json.byteLength, 1024));
  const contexts = [...new Set(contents.map(({ leafContext = present }) => leafContext))];
  packer.count(contexts.length);
  for (const { profileSetDigest, baseUrl } of contexts) {
    packer.bytes(profileSetDigest);
    packer.text(baseUrl);
  }
  packer.count(contents.length);
  for (const content of contents) {
    packer.count(contexts.indexOf(content.leafContext ?? present));
    packer.text(content.resourceType);
    packer.text(content.id);
    packer.count(content.versionId);
    packer.number(content.lastUpdated);
    packer.count(content.level);
    packer.bytes(content.salt);
    packer.bytes(content.receiptDigest ?? nothing);
    packer.bytes(content.dataKey ?? nothing);
    packer.text(content.sealedReference);
    packer.bytes(content.json);
  }
  return packer.done();
}

/** Each with the context of its leaf. */
export function unpackContents(packed: ArrayBuffer): (ContentToSeal & { readonly leafContext: LeafContext })[] {
  const reader = new Unpacker(packed);
  const contexts = reader.list(() => leafContext(reader.bytes(), reader.text()));
  return reader.list(() => {
    const context = contexts[reader.count()];
    const resourceType = reader.text();
    const id = reader.text();
    const versionId = reader.count();
    const lastUpdated = reader.number();
    const level = reader.count() as ValidationLevel;
    const salt = reader.bytes();
    const receiptDigest = reader.bytes();
    const dataKey = reader.bytes();
    return {
      leafContext: context,
      resourceType,
      id,
      versionId,
      reference: `${resourceType}/${id}/_history/${versionId}`,
      lastUpdated,
      level,
      salt,
      isDeleted: dataKey.byteLength === 0,
      ...(receiptDigest.byteLength === 0 ? {} : { receiptDigest }),
      ...(dataKey.byteLength === 0 ? {} : { dataKey }),
      sealedReference: reader.text(),
      json: reader.bytes(),
    };
  });
}

export function packSealed(sealed: readonly SealedContent[]): ArrayBuffer {
  const sizeBytes = sealed.reduce((sum, { blocks }) => blocks.reduce((all, b) => all + 48 + b.bytes.byteLength, sum + 160), 4); // prettier-ignore
  const packer = new Packer(sizeBytes);
  packer.count(sealed.length);
  for (const { block, blocks, leaf, opening } of sealed) {
    packer.bytes(block ?? nothing);
    packer.bytes(leaf);
    packer.bytes(opening);
    packer.count(blocks.length);
    for (const { digest, bytes } of blocks) {
      packer.bytes(digest);
      packer.bytes(bytes);
    }
  }
  return packer.done();
}

/** Digests, leaves and openings are copies: what is remembered of a version must not keep the blocks of its whole group. */
export function unpackSealed(packed: ArrayBuffer): SealedContent[] {
  const reader = new Unpacker(packed);
  const copy = () => Uint8Array.from(reader.bytes());
  return reader.list((): SealedContent => {
    const block = copy();
    return {
      ...(block.byteLength === 0 ? {} : { block }),
      leaf: copy(),
      opening: copy(),
      blocks: reader.list(() => ({ digest: reader.bytes(), bytes: reader.bytes() })),
    };
  });
}
