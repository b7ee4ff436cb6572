/** A signer in its own corner: keeps keys, signs what it is asked over JSON-RPC, and can be told to misbehave. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transaction, Wallet } from 'ethers';
import type { Hex } from '../../src/chain/chain.js';

export type Manner = 'web3signer' | 'clef' | 'refuses' | 'another nonce' | 'another account' | 'nonsense';

export interface TestSigner {
  readonly url: string;
  /** Addresses, lower case, in the order of the keys. */
  readonly accounts: readonly Hex[];
  /** How many transactions it signed. */
  signed(): number;
  behave(manner: Manner): void;
  stop(): Promise<void>;
}

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: [Record<string, string>];
}

export async function startSigner(privateKeys: readonly Uint8Array[]): Promise<TestSigner> {
  const wallets = privateKeys.map((key) => new Wallet(`0x${Buffer.from(key).toString('hex')}`));
  let manner: Manner = 'web3signer';
  let signed = 0;
  const answer = ({ method, params }: Request): object => {
    if (method !== 'eth_signTransaction') return { error: { code: -32601, message: 'method not found' } };
    if (manner === 'refuses') return { error: { code: -32000, message: 'request denied' } };
    if (manner === 'nonsense') return { result: '0x1234' };
    const { from, gas, data, nonce, maxFeePerGas, maxPriorityFeePerGas, chainId, to } = params[0];
    const others = manner === 'another account';
    const wallet = wallets.find(({ address }) => (address.toLowerCase() === from) !== others)!;
    const transaction = Transaction.from({
      type: 2,
      chainId: Number(chainId),
      nonce: Number(nonce) + (manner === 'another nonce' ? 1 : 0),
      gasLimit: gas,
      data,
      maxFeePerGas,
      maxPriorityFeePerGas,
      ...(to === undefined ? {} : { to }),
    });
    transaction.signature = wallet.signingKey.sign(transaction.unsignedHash);
    signed += 1;
    return { result: manner === 'clef' ? { raw: transaction.serialized, tx: {} } : transaction.serialized };
  };
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (piece: Buffer) => (text += piece.toString()));
    request.on('end', () => {
      const call = JSON.parse(text) as Request;
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...answer(call) }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accounts: wallets.map(({ address }) => address.toLowerCase() as Hex),
    signed: () => signed,
    behave: (wanted) => void (manner = wanted),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
