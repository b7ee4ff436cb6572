// Turns HL7's R4 (4.0.1) definitions into the compact files of profiles/r4-core.
//
//   node tools/r4/generate.mjs [UNPACKED-JAR-FOLDER]
//
// Without a folder, the Maven artifact is fetched with `mvn dependency:get` (Maven and Java are needed for that alone), its SHA-256 is
// checked and it is unpacked with `unzip`. The output is the same bytes on every machine; SOURCE.md says what was left out.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { compact } from './compact.mjs';
import { parseXml, print, shapesOf, toJson } from './xml-to-json.mjs';

const artifact = 'ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4:8.8.0';
const artifactSha256 = '4d46090e11ac73ff1b7ebb565e6124b55e6d26b10538f3ff69bbfd347a4c7015';
const bundles = [
  'profile/profiles-types.xml',
  'profile/profiles-resources.xml',
  'profile/profiles-others.xml',
  'extension/extension-definitions.xml',
  'valueset/valuesets.xml',
  'valueset/v3-codesystems.xml',
  'valueset/v2-tables.xml',
];
const kinds = {
  StructureDefinition: 'structure-definitions',
  ValueSet: 'value-sets',
  CodeSystem: 'code-systems',
  SearchParameter: 'search-parameters',
  OperationDefinition: 'operation-definitions',
  CompartmentDefinition: 'compartment-definitions',
};

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const output = path.join(root, 'profiles', 'r4-core');

function fetchArtifact() {
  const [group, name, version] = artifact.split(':');
  execFileSync('mvn', ['-q', '-B', 'dependency:get', `-Dartifact=${artifact}`, '-Dtransitive=false'], {
    stdio: 'inherit',
  });
  const jar = path.join(homedir(), '.m2/repository', ...group.split('.'), name, version, `${name}-${version}.jar`);
  const digest = createHash('sha256').update(readFileSync(jar)).digest('hex');
  if (digest !== artifactSha256) throw new Error(`${jar}: SHA-256 ${digest}, expected ${artifactSha256}`);
  const folder = mkdtempSync(path.join(tmpdir(), 'r4-'));
  execFileSync('unzip', ['-q', jar, 'org/*', '-d', folder]);
  return folder;
}

function readResources(folder) {
  const model = path.join(folder, 'org/hl7/fhir/r4/model');
  const roots = bundles.flatMap((file) =>
    parseXml(readFileSync(path.join(model, file), 'utf8'))
      .children.filter((child) => child.name === 'entry')
      .map((entry) => entry.children.find((child) => child.name === 'resource').children[0]),
  );
  const shapes = shapesOf(roots.filter((element) => element.name === 'StructureDefinition'));
  const parameters = JSON.parse(readFileSync(path.join(model, 'sp/search-parameters.json'), 'utf8'));
  return [...roots.map((element) => toJson(element, shapes)), ...parameters.entry.map((entry) => entry.resource)];
}

/** One line of index (`[url, byteLength, facts]` each), then one resource a line. */
function fileOf(resources) {
  const lines = resources.map((resource) => Buffer.from(print(resource) + '\n'));
  const entries = resources.map((resource, at) => {
    const { url, version, name, type, kind, derivation, abstract, valueSet } = resource;
    const facts = { version, name, type, kind, derivation, abstract, valueSet };
    if (resource.resourceType === 'CompartmentDefinition') facts.code = resource.code;
    return [url, lines[at].byteLength, facts];
  });
  return Buffer.concat([Buffer.from(JSON.stringify(entries) + '\n'), ...lines]);
}

const given = process.argv[2];
const folder = given ?? fetchArtifact();
const resources = readResources(folder);
if (!given) rmSync(folder, { recursive: true });
mkdirSync(output, { recursive: true });
const digests = [];
for (const [kind, file] of Object.entries(kinds)) {
  const seen = new Set();
  const kept = resources
    .filter((resource) => resource.resourceType === kind)
    .filter(({ url }) =>
      seen.has(url) ? (process.stderr.write(`second ${kind} ${url} dropped\n`), false) : seen.add(url),
    )
    .map(compact)
    .sort((a, b) => (a.url < b.url ? -1 : 1));
  const content = fileOf(kept);
  // Level 9 and a zeroed header time: the same bytes everywhere (the digest below is of the content, in case zlib's differ).
  const packed = gzipSync(content, { level: 9 });
  packed[9] = 255;
  writeFileSync(path.join(output, `${file}.ndjson.gz`), packed);
  const sha256 = createHash('sha256').update(content).digest('hex');
  digests.push({ file: `${file}.ndjson`, count: kept.length, bytes: content.byteLength, sha256 });
  process.stderr.write(`${file}: ${kept.length}, ${content.byteLength} bytes, packed ${packed.byteLength}\n`);
}
writeFileSync(
  path.join(output, 'digests.json'),
  JSON.stringify({ artifact, artifactSha256, files: digests }, null, 2) + '\n',
);
