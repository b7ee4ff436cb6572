/** FerretDB: a MongoDB wire server without transactions, on SQLite files in a folder of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { engineBinary, EngineProcess, freePort } from './engine-process.js';

export interface WireServer {
  /** `mongodb://127.0.0.1:PORT/`, without a database. */
  readonly url: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port and folder. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts FerretDB; with MONGODB_URL, that server is used in its place (and neither killed nor stopped). */
export async function startWireServer(): Promise<WireServer> {
  const url = process.env.MONGODB_URL;
  if (url === undefined || url === '') return startFerretdb();
  const nothing = () => Promise.resolve();
  return { url, kill: nothing, restart: nothing, stop: nothing };
}

async function startFerretdb(): Promise<WireServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mooring-ferretdb-'));
  const port = await freePort();
  const engine = new EngineProcess(engineBinary('ferretdb'), [`127.0.0.1:${port}`, `file:${folder}/`], {}, () =>
    isListening(port),
  );
  await engine.start();
  return {
    url: `mongodb://127.0.0.1:${port}/`,
    kill: () => engine.kill(),
    async restart() {
      await engine.stop();
      await engine.start();
    },
    async stop() {
      await engine.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** True when a TCP connection can be made. */
function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
