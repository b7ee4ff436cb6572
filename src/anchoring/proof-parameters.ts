/** Proofs as FHIR Parameters resources, and back. Form: docs/poi.md, "Proof document". */
import { toHex } from '../base/bytes.js';
import { cidOf, digestOfCid } from './cid.js';
import type { Disclosure } from './disclosure.js';
import type { LeafParts, Level } from './leaf.js';
import { groupPart, hexPart, numberPart, PartReader, textPart, type Parameters, type Part } from './parameters.js';
import { proofFormat, ProofFormatError, type Anchor, type Proof, type ProofContent } from './proof.js';

export function toParameters(proof: Proof): Parameters {
  return {
    resourceType: 'Parameters',
    parameter: [
      textPart('format', proofFormat),
      { name: 'url', valueUri: proof.url },
      groupPart('leaf', [
        textPart('kind', proof.parts.kind),
        numberPart('index', proof.leafIndex),
        hexPart('hash', proof.leaf),
        ...partsOfLeaf(proof.parts),
        hexPart('urlSalt', proof.urlSalt),
      ]),
      ...proof.anchors.map(anchorPart),
      ...contentParts(proof.content),
    ],
  };
}

/** @throws ProofFormatError naming the first part that is missing or malformed. */
export function fromParameters(document: unknown): Proof {
  const top = PartReader.of(document);
  const format = top.text('format');
  if (format !== proofFormat) throw new ProofFormatError(`the proof has the form "${format}", not "${proofFormat}"`);
  const leaf = top.group('leaf');
  const anchors = top.groups('anchor').map(readAnchor);
  if (anchors.length === 0) throw new ProofFormatError('the proof names no anchor');
  return {
    url: top.text('url'),
    urlSalt: leaf.bytes('urlSalt', 16),
    parts: readLeafParts(leaf),
    leaf: leaf.bytes('hash', 32),
    leafIndex: leaf.number('index'),
    content: readContent(top),
    anchors,
  };
}

function partsOfLeaf(parts: LeafParts): Part[] {
  if (parts.kind === 'deletion')
    return [
      hexPart('urlHash', parts.urlHash),
      { name: 'lastUpdated', valueInstant: new Date(parts.lastUpdated).toISOString() },
    ];
  return [
    hexPart('profileSet', parts.profileSetDigest),
    numberPart('level', parts.level),
    hexPart('commitment', parts.commitment),
    textPart('cid', cidOf(parts.block)),
    hexPart('urlHash', parts.urlHash),
    hexPart('receipt', parts.receiptDigest),
  ];
}

function readLeafParts(leaf: PartReader): LeafParts {
  const kind = leaf.text('kind');
  if (kind === 'deletion')
    return { kind, urlHash: leaf.bytes('urlHash', 32), lastUpdated: leaf.instant('lastUpdated') };
  if (kind !== 'version') throw new ProofFormatError(`proof.leaf.kind "${kind}" is neither "version" nor "deletion"`);
  const block = digestOfCid(leaf.text('cid'));
  if (block === undefined) throw new ProofFormatError('proof.leaf.cid is no CIDv1 of a raw block (base32)');
  const level = leaf.number('level');
  if (level > 3) throw new ProofFormatError('proof.leaf.level is not 0 to 3');
  return {
    kind,
    profileSetDigest: leaf.bytes('profileSet', 32),
    level: level as Level,
    commitment: leaf.bytes('commitment', 32),
    block,
    urlHash: leaf.bytes('urlHash', 32),
    receiptDigest: leaf.bytes('receipt', 32),
  };
}

function anchorPart(anchor: Anchor): Part {
  const { statement } = anchor;
  return groupPart('anchor', [
    numberPart('chainId', anchor.chainId),
    textPart('contract', anchor.contract),
    textPart('transaction', anchor.txHash),
    numberPart('blockNumber', anchor.blockNumber),
    textPart('blockHash', anchor.blockHash),
    numberPart('batch', anchor.batch),
    groupPart('head', [
      textPart('root', statement.root),
      numberPart('size', statement.size),
      textPart('prevRoot', statement.prevRoot),
      numberPart('prevSize', statement.prevSize),
      textPart('profileSet', statement.profileSet),
      textPart('receiptsRoot', statement.receiptsRoot),
      numberPart('leastLevel', statement.leastLevel),
      numberPart('epoch', statement.epoch),
    ]),
    ...anchor.signatures.map(({ signer, r, vs }) =>
      groupPart('attestation', [textPart('validator', signer), textPart('r', r), textPart('vs', vs)]),
    ),
    ...anchor.inclusion.map((hash) => hexPart('inclusion', hash)),
    ...anchor.receipts.map((hash) => hexPart('receipts', hash)),
  ]);
}

function readAnchor(anchor: PartReader): Anchor {
  const head = anchor.group('head');
  return {
    inclusion: anchor.allBytes('inclusion', 32),
    receipts: anchor.allBytes('receipts', 32),
    chainId: anchor.number('chainId'),
    contract: anchor.hex('contract', 20),
    batch: anchor.number('batch'),
    statement: {
      root: head.hex('root', 32),
      size: head.number('size'),
      prevRoot: head.hex('prevRoot', 32),
      prevSize: head.number('prevSize'),
      profileSet: head.hex('profileSet', 32),
      receiptsRoot: head.hex('receiptsRoot', 32),
      leastLevel: head.number('leastLevel'),
      epoch: head.number('epoch'),
    },
    signatures: anchor
      .groups('attestation')
      .map((each) => ({ signer: each.hex('validator', 20), r: each.hex('r', 32), vs: each.hex('vs', 32) })),
    txHash: anchor.hex('transaction', 32),
    blockNumber: anchor.number('blockNumber'),
    blockHash: anchor.hex('blockHash', 32),
  };
}

function contentParts(content: ProofContent): Part[] {
  switch (content.kind) {
    case 'none':
      return [];
    case 'resource':
      return [hexPart('salt', content.salt), { name: 'resource', resource: content.resource }];
    case 'elements':
      return [groupPart('disclosure', disclosureParts(content.disclosure))];
  }
}

function disclosureParts({ elements, hidden }: Disclosure): Part[] {
  return [
    ...elements.map(({ path, text, salt, address }) =>
      groupPart('element', [
        textPart('path', path),
        textPart('json', text),
        hexPart('salt', salt),
        textPart('place', address),
      ]),
    ),
    ...hidden.map(({ address, hash }) => textPart('hidden', `${address}:${toHex(hash)}`)),
  ];
}

function readContent(top: PartReader): ProofContent {
  if (top.has('disclosure')) {
    if (top.has('resource')) throw new ProofFormatError('the proof shows the resource and elements of it');
    return { kind: 'elements', disclosure: readDisclosure(top.group('disclosure')) };
  }
  if (!top.has('resource')) return { kind: 'none' };
  return { kind: 'resource', salt: top.bytes('salt', 16), resource: top.resource('resource') };
}

function readDisclosure(group: PartReader): Disclosure {
  const elements = group.groups('element').map((each) => ({
    path: each.text('path'),
    text: each.text('json'),
    salt: each.bytes('salt', 16),
    address: each.text('place'),
  }));
  const hidden = group.texts('hidden').map((text) => {
    const match = /^([0-9a-f]*):([0-9a-f]{64})$/.exec(text);
    if (match === null) throw new ProofFormatError('proof.disclosure.hidden is not place:hash');
    return { address: match[1], hash: new Uint8Array(Buffer.from(match[2], 'hex')) };
  });
  return { elements, hidden };
}
