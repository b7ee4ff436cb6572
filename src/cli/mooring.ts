/** `mooring COMMAND`: finds the command's file and runs it. Every command exports `run(args): Promise<number>`, the exit status. */

const commands: Record<string, { about: string; load: () => Promise<{ run(args: string[]): Promise<number> }> }> = {
  token: { about: 'print a bearer token of the local issuer', load: () => import('./token.js') },
  account: { about: 'people who may sign in', load: () => import('./account.js') },
  app: { about: 'apps and backend services', load: () => import('./app.js') },
  import: { about: 'load bundles and NDJSON into a server', load: () => import('./import.js') },
  verify: { about: 'check a proof against a chain, without any server', load: () => import('./verify.js') },
  keys: { about: 'rotate keys; back up the key ring in shares, and restore it', load: () => import('./keys.js') },
  backup: { about: 'write a backup of a server, also while it serves', load: () => import('./backup.js') },
  restore: { about: 'bring a backup back on an empty machine', load: () => import('./restore.js') },
  migrate: { about: 'move everything to other engines, checked record by record', load: () => import('./migrate.js') },
  chain: {
    about: 'deploy the contracts on a chain, or attach to those that are there',
    load: () => import('./chain.js'),
  },
  blocks: { about: 'export and import sealed blocks as a CAR', load: () => import('./blocks.js') },
  fsck: { about: 'check the data of a stopped server against itself and the chain', load: () => import('./fsck.js') },
  validator: {
    about: 'run a validator node that attests the batches of a server',
    load: () => import('./validator.js'),
  },
  watch: { about: 'watch for validators that sign two heads, and file the proof', load: () => import('./watch.js') },
  guardians: { about: 'split a recovery key among guardians, and join it', load: () => import('./guardians.js') },
  'patient-key': {
    about: 'consents, delegates and recovery by a key of a patient’s own',
    load: () => import('./patient-key.js'),
  },
  open: { about: 'open what was shared, without any server', load: () => import('./open.js') },
  validate: { about: 'validate files against R4 and packages', load: () => import('./validate.js') },
};

function usage(): string {
  const lines = Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(11)} ${about}`);
  return ['Usage: mooring COMMAND [options]', ...lines, 'mooring COMMAND --help explains one command.'].join('\n');
}

const [name, ...args] = process.argv.slice(2);
if (name === undefined || name === 'help' || name === '--help') {
  console.log(usage());
} else if (Object.hasOwn(commands, name)) {
  const { run } = await commands[name].load();
  process.exitCode = await run(args);
} else {
  console.error(`Unknown command: ${name}\n${usage()}`);
  process.exitCode = 2;
}
