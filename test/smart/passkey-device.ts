/** A device with passkeys, in software: what `navigator.credentials` answers, as the pages send it. Spec: https://www.w3.org/TR/webauthn-3/ */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

export interface Options {
  readonly challenge: string;
  readonly user?: { readonly id: string };
}

/** What an attacker, or another page, would have the device sign. */
export interface Changes {
  readonly origin?: string;
  readonly type?: string;
  readonly rpId?: string;
  /** Default 0x05: user present and verified. */
  readonly flags?: number;
  readonly challenge?: string;
  readonly userHandle?: string;
}

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest();

export class PasskeyDevice {
  readonly id = randomBytes(16).toString('base64url');
  private readonly key: KeyObject;
  private readonly cose: Buffer;
  private counter = 0;
  private userHandle: string | undefined;

  constructor(
    private readonly rpId: string,
    private readonly origin: string,
  ) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    this.key = privateKey;
    const part = (label: number, value: string) =>
      Buffer.concat([Buffer.of(label, 0x58, 32), Buffer.from(value, 'base64url')]);
    // kty EC2, alg ES256, crv P-256, x, y.
    this.cose = Buffer.concat([Buffer.from('a5010203262001', 'hex'), part(0x21, x), part(0x22, y)]);
  }

  create(options: Options, changes: Changes = {}): object {
    this.userHandle = options.user?.id;
    const id = Buffer.from(this.id, 'base64url');
    const credential = Buffer.concat([Buffer.alloc(16), Buffer.of(0, id.length), id, this.cose]);
    const authData = Buffer.concat([this.authData(changes, 0x40), credential]);
    const text = (value: string) => Buffer.concat([Buffer.of(0x60 + value.length), Buffer.from(value)]);
    const attestationObject = Buffer.concat([
      Buffer.of(0xa3),
      text('fmt'),
      text('none'),
      text('attStmt'),
      Buffer.of(0xa0),
      text('authData'),
      Buffer.of(0x58, authData.length),
      authData,
    ]);
    const clientDataJSON = this.clientData('webauthn.create', options, changes);
    return this.answer({ clientDataJSON, attestationObject });
  }

  get(options: Options, changes: Changes = {}): object {
    this.counter += 1;
    const authenticatorData = this.authData(changes, 0);
    const clientDataJSON = this.clientData('webauthn.get', options, changes);
    const signature = sign('sha256', Buffer.concat([authenticatorData, sha256(clientDataJSON)]), this.key);
    const userHandle = Buffer.from(changes.userHandle ?? this.userHandle ?? '', 'base64url');
    return this.answer({ clientDataJSON, authenticatorData, signature, userHandle });
  }

  private authData({ rpId = this.rpId, flags = 0x05 }: Changes, more: number): Buffer {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(this.counter);
    return Buffer.concat([sha256(rpId), Buffer.of(flags | more), counter]);
  }

  private clientData(way: string, options: Options, changes: Changes): Buffer {
    const { origin = this.origin, type = way, challenge = options.challenge } = changes;
    return Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }));
  }

  private answer(response: Record<string, Buffer>): object {
    const encoded = Object.entries(response).map(([name, value]) => [name, value.toString('base64url')]);
    return {
      id: this.id,
      rawId: this.id,
      type: 'public-key',
      clientExtensionResults: {},
      response: Object.fromEntries(encoded) as object,
    };
  }
}
