/** oidc-provider writes notices to the console; the logs of this server come from one place alone. */

/** Runs `make` without its notices. */
export function quietly<T>(make: () => T): T {
  const { info, warn } = console;
  console.info = console.warn = () => undefined;
  try {
    return make();
  } finally {
    Object.assign(console, { info, warn });
  }
}
