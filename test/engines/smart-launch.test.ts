import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chromium, type Browser, type Page } from 'playwright-core';
import { password, SmartWorld } from '../e2e/smart/world.js';

const library = readFileSync(new URL('../../../node_modules/fhirclient/build/fhir-client.min.js', import.meta.url));
/** Where pictures of the pages go, for people to look at; unset: none are taken. */
const pictures = process.env.PICTURES;

/** What the app found out, as it shows it to the test. */
interface Findings {
  readonly patient: string;
  readonly fhirUser: string;
  readonly observations: number;
  readonly laboratory: string[];
  readonly patientRead: string;
  readonly otherPatient: string;
  readonly vitalSigns: string;
  readonly conditions: string;
  readonly write: string;
  readonly refreshed: boolean;
}

/** A SMART app as its maker would write it with fhirclient: a launch page and the app itself. */
class App {
  private server: Server | undefined;
  url = '';

  constructor(
    private readonly iss: () => string,
    private readonly scope: string,
  ) {}

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://x');
      if (pathname === '/fhir-client.js') response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(library);
      else response.writeHead(200, { 'Content-Type': 'text/html' }).end(this.page(pathname));
    });
    await new Promise<void>((resolve) => this.server?.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  private page(pathname: string): string {
    const isLaunch = pathname === '/launch' || pathname === '/ehr-launch';
    const script = isLaunch ? this.launchScript(pathname === '/ehr-launch') : appScript;
    return `<!doctype html><title>Lab Viewer</title><script src="/fhir-client.js"></script><script>${script}</script>`;
  }

  /** An EHR says in the address which server it is, and hands over its context. */
  private launchScript(byEhr: boolean): string {
    const options = {
      ...(byEhr ? {} : { iss: this.iss() }),
      clientId: 'lab-viewer',
      scope: byEhr ? this.scope.replace('launch/patient', 'launch') : this.scope,
      redirectUri: `${this.url}/app`,
      pkceMode: 'required',
    };
    return `FHIR.oauth2.authorize(${JSON.stringify(options)}).catch((error) => { window.failed = String(error); });`;
  }
}

const appScript = `
FHIR.oauth2.ready().then(async (client) => {
  const tried = (promise) => promise.then(() => 'allowed', (error) => String(error.status ?? error.message));
  const patient = client.patient.id;
  const bundle = await client.request('Observation?patient=' + patient);
  const before = client.state.tokenResponse.access_token;
  const findings = {
    patient,
    fhirUser: client.user.fhirUser,
    observations: bundle.total,
    laboratory: bundle.entry.map(({ resource }) => resource.id),
    patientRead: await tried(client.patient.read()),
    otherPatient: await tried(client.request('Patient/bob')),
    vitalSigns: await tried(client.request('Observation/ada-vital-signs')),
    conditions: await tried(client.request('Condition?patient=' + patient)),
    write: await tried(client.create({ ...bundle.entry[0].resource, id: undefined, meta: undefined })),
  };
  await client.refresh();
  findings.refreshed = client.state.tokenResponse.access_token !== before && (await tried(client.patient.read())) === 'allowed';
  window.findings = findings;
}).catch((error) => { window.failed = String(error && error.stack || error); });
`;

describe('fhirclient in Chromium', () => {
  const laboratory = 'http://terminology.hl7.org/CodeSystem/observation-category|laboratory';
  const scope = `launch/patient openid fhirUser offline_access patient/Patient.r patient/Observation.rs?category=${laboratory}`;
  const app: App = new App(() => world.server.baseUrl, scope);
  let world: SmartWorld;
  let browser: Browser;

  before(async () => {
    await app.start();
    world = await SmartWorld.start({ ALLOWED_ORIGINS: app.url });
    await world.app({
      id: 'lab-viewer',
      name: 'Lab Viewer',
      isPublic: true,
      redirects: [`${app.url}/app`],
      launch: `${app.url}/ehr-launch`,
    });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  });
  after(async () => {
    await browser?.close();
    app.stop();
    await world?.stop();
  });

  const picture = async (page: Page, name: string) => {
    if (pictures === undefined) return;
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
  };

  /** Everything that a person would do, by what she reads: labels and names of buttons. */
  async function decide(page: Page, user: string): Promise<void> {
    await page.goto(`${app.url}/launch`);
    await page.getByLabel('User name').fill(user);
    await page.getByLabel('Password').fill('not the password');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    await picture(page, 'sign-in');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Allow Lab Viewer' }).waitFor();
  }

  it('performs a standalone launch, reads Observations within its scopes, and is refused beyond them', async () => {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' && /Content Security Policy/.test(message.text())) problems.push(message.text());
    });
    await decide(page, 'ada');
    await picture(page, 'decide-patient');
    const text = await page.locator('main').innerText();
    for (const words of [
      'your health records',
      'Ada Moor',
      'laboratory results only',
      'To whom?',
      'Lab Viewer',
      'For how long?',
      '90 days',
    ]) {
      assert.ok(text.includes(words), `${words} in ${text}`);
    }
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.waitForFunction('window.findings !== undefined || window.failed !== undefined');
    assert.equal(await page.evaluate('window.failed'), undefined);
    const findings: Findings = await page.evaluate('window.findings');
    assert.deepEqual(findings, {
      patient: 'ada',
      fhirUser: findings.fhirUser,
      observations: 1,
      laboratory: ['ada-laboratory'],
      patientRead: 'allowed',
      otherPatient: '403',
      vitalSigns: '404',
      conditions: '403',
      write: '403',
      refreshed: true,
    });
    assert.match(findings.fhirUser, /Patient\/ada$/);
    assert.deepEqual(problems, []);
  });

  it('a clinician looks for the patient by the keyboard alone, in the dark and on a telephone', async () => {
    const page = await browser.newPage({ colorScheme: 'dark', viewport: { width: 390, height: 844 } });
    await decide(page, 'dr');
    await page.getByLabel('Patient: name, or identifier').fill('moor');
    await page.keyboard.press('Enter');
    await page.getByRole('radio', { name: /Ada Moor, born 1984-05-02/ }).focus();
    await page.keyboard.press('Space');
    await picture(page, 'decide-clinician');
    const isWide = await page.evaluate('document.documentElement.scrollWidth > window.innerWidth');
    assert.equal(isWide, false, 'nothing sticks out at the side');
    await page.getByRole('button', { name: 'Allow', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction('window.findings !== undefined || window.failed !== undefined');
    assert.equal(await page.evaluate('window.failed'), undefined);
    assert.equal(((await page.evaluate('window.findings')) as Findings).patient, 'ada');
  });

  it('performs an EHR launch: the patient whom the clinician has open, within its scopes; a launch works once, and for its app', async () => {
    const ehr = await world.server.tokenFor({
      actor: 'Practitioner/dr',
      memberships: ['Organization/clinic'],
      scope: 'user/*.rs',
    });
    const prepare = async (client: string) => {
      const parameter = [
        { name: 'client', valueString: client },
        { name: 'patient', valueReference: { reference: 'Patient/ada' } },
      ];
      const { status, body, text } = await world.server.post(
        '$launch-context',
        { resourceType: 'Parameters', parameter },
        { token: ehr },
      );
      assert.equal(status, 200, text);
      return Object.fromEntries(
        body.parameter.map(({ name, valueString, valueUrl }: Record<string, string>) => [
          name,
          valueUrl ?? valueString,
        ]),
      ) as { launch: string; url?: string };
    };
    const { url = '' } = await prepare('lab-viewer');
    assert.equal(new URL(url).searchParams.get('iss'), world.server.baseUrl);
    const page = await browser.newPage();
    await page.goto(url);
    await page.getByLabel('User name').fill('dr');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('heading', { name: 'Allow Lab Viewer' }).waitFor();
    assert.equal(await page.getByLabel('Patient: name, or identifier').count(), 0, 'nobody has to be looked for');
    assert.ok((await page.locator('main').innerText()).includes('Ada Moor'));
    await picture(page, 'decide-ehr');
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.waitForFunction('window.findings !== undefined || window.failed !== undefined');
    assert.equal(await page.evaluate('window.failed'), undefined);
    const findings: Findings = await page.evaluate('window.findings');
    assert.deepEqual(findings, {
      patient: 'ada',
      fhirUser: findings.fhirUser,
      observations: 1,
      laboratory: ['ada-laboratory'],
      patientRead: 'allowed',
      otherPatient: '403',
      vitalSigns: '404',
      conditions: '403',
      write: '403',
      refreshed: true,
    });
    assert.match(findings.fhirUser, /Practitioner\/dr$/);

    await world.app({ id: 'another', isPublic: true });
    const { launch } = await prepare('another');
    const iss = encodeURIComponent(world.server.baseUrl);
    for (const refused of [url, `${app.url}/ehr-launch?iss=${iss}&launch=${launch}`]) {
      const again = await browser.newPage();
      await again.goto(refused);
      await again.waitForFunction('window.failed !== undefined');
      assert.match(await again.evaluate('window.failed'), /invalid_request|launch is not known/);
      await again.close();
    }
  });

  it('tells the app when the user does not allow it', async () => {
    const page = await browser.newPage();
    await decide(page, 'ada');
    await page.getByRole('button', { name: 'Do not allow' }).click();
    await page.waitForFunction('window.failed !== undefined');
    assert.match(await page.evaluate('window.failed'), /access_denied|did not allow/);
  });
});
