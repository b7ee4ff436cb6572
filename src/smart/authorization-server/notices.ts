/**
 * oidc-provider writes notices to the console (that it would rather run on Node 22, that a default could be changed). Logs of this server come from one
 * place, so they are kept out of it.
 */
const output = globalThis.console;

/** Runs `work` without notices; whatever else is written to the console meanwhile is lost. */
export async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { info, warn } = output;
  output.info = output.warn = () => undefined;
  try {
    return await work();
  } finally {
    Object.assign(output, { info, warn });
  }
}
