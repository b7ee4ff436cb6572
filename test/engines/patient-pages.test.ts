/** The pages for patients in a real Chromium: consents signed with a passkey and with a wallet, and the matrix of organisations. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Wallet } from 'ethers';
import { chromium, type Browser, type Page } from 'playwright-core';
import { password, SmartWorld } from '../e2e/smart/world.js';

/** Where pictures of the pages go, for people to look at; unset: none are taken. */
const pictures = process.env.PICTURES;

describe('the pages for patients', () => {
  let world: SmartWorld;
  let browser: Browser;
  let place: string;

  before(async () => {
    const port = await freePort();
    // Passkeys are bound to a name: an address of numbers has none.
    place = `http://localhost:${port}`;
    world = await SmartWorld.start({ PORT: String(port), PUBLIC_URL: place, DEFAULT_CONSENT: 'deny' });
    await world.server.put('Organization/hospital', {
      resourceType: 'Organization',
      id: 'hospital',
      name: 'St Anne Hospital',
    });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  });
  after(async () => {
    await browser?.close();
    await world?.stop();
  });

  const picture = async (page: Page, name: string) => {
    if (pictures === undefined) return;
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
  };

  /** A page on which Ada has signed in; problems with the content security policy end up in the list. */
  async function signedIn(name: string, options: Parameters<Browser['newPage']>[0], problems: string[]): Promise<Page> {
    const page = await browser.newPage(options);
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));
    const wallet = Wallet.createRandom();
    await page.exposeFunction('signTypedData', (text: string) => {
      const { domain, types, message } = JSON.parse(text) as Parameters<typeof JSON.stringify>[0];
      delete types.EIP712Domain;
      return wallet.signTypedData(domain, types, message);
    });
    await page.addInitScript(`window.ethereum = { request: ({ method, params }) =>
      method === 'eth_requestAccounts' ? Promise.resolve(['${wallet.address}']) : window.signTypedData(params[1]) };`);
    await page.goto(`${place}/patient/${name}`);
    await page.getByLabel('User name').fill('ada');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.locator('body[data-ready]').waitFor();
    return page;
  }

  const said = (page: Page, text: string) => page.getByRole('status').filter({ hasText: text }).waitFor();
  const sees = async (actor: string) => {
    const token = await world.server.tokenFor({ actor });
    return (await world.server.get('Patient/ada', { token })).status;
  };

  it('let a patient allow, take a passkey as her key, take back and allow with it, and go over to a wallet', async () => {
    const problems: string[] = [];
    const page = await signedIn('consents.html', {}, problems);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    await page.getByLabel('Person or organisation').fill('Organization/hospital');
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await said(page, 'Allowed.');
    assert.equal(await sees('Organization/hospital'), 200);

    await page.getByRole('button', { name: 'Use a passkey of this device' }).click();
    await said(page, 'From now on you sign yourself.');
    assert.match(await page.locator('#whose').innerText(), /with a passkey/);
    await picture(page, 'consents-passkey');
    await page.getByRole('button', { name: 'Take back' }).click();
    await said(page, 'Taken back.');
    assert.equal(await sees('Organization/hospital'), 404);
    assert.equal(await page.locator('li[data-state=none]').count(), 1);

    await page.getByLabel('Person or organisation').fill('Practitioner/dr');
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await said(page, 'Allowed.');
    assert.equal(await sees('Practitioner/dr'), 200);

    await page.getByLabel('Relative or other person').fill('RelatedPerson/mother');
    await page.getByLabel('Until', { exact: true }).fill('2099-12-31');
    await page.getByRole('button', { name: 'Let act for me' }).click();
    await said(page, 'They act for you now.');
    assert.equal(await sees('RelatedPerson/mother'), 200);

    await page.getByRole('button', { name: 'Use my wallet' }).click();
    await said(page, 'From now on you sign yourself.');
    assert.match(await page.locator('#whose').innerText(), /with your wallet/);
    assert.equal(await sees('Practitioner/dr'), 200);
    assert.equal(await sees('RelatedPerson/mother'), 404, 'delegates end with the key that made them');
    await page.getByRole('button', { name: 'Take back' }).click();
    await said(page, 'Taken back.');
    assert.equal(await sees('Practitioner/dr'), 404);
    assert.deepEqual(problems, []);
  });

  it('show what waits for a signature, and that nothing was changed when the wallet says no', async () => {
    const problems: string[] = [];
    const page = await signedIn(
      'consents.html',
      { colorScheme: 'dark', viewport: { width: 390, height: 844 } },
      problems,
    );
    // The account has the wallet of another browser: this one's signature does not count.
    await page.getByLabel('Person or organisation').fill('Practitioner/nurse');
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.locator('#said.problem').waitFor();
    await page.reload();
    await page.locator('body[data-ready]').waitFor();
    await page.getByText('Waits for your signature').waitFor();
    assert.equal(await sees('Practitioner/nurse'), 404);
    await page.evaluate("window.ethereum.request = () => Promise.reject({ code: 4001, message: 'denied' })");
    await page.getByRole('button', { name: 'Sign', exact: true }).click();
    await said(page, 'You did not confirm it');
    const isWide = await page.evaluate('document.documentElement.scrollWidth > window.innerWidth');
    assert.equal(isWide, false, 'nothing sticks out at the side');
    await picture(page, 'consents-unsigned-dark');
    assert.deepEqual(problems, []);
  });
});

describe('the matrix of organisations', () => {
  let world: SmartWorld;
  let browser: Browser;

  before(async () => {
    world = await SmartWorld.start({ DEFAULT_CONSENT: 'deny' });
    await world.server.put('Organization/hospital', {
      resourceType: 'Organization',
      id: 'hospital',
      name: 'St Anne Hospital',
    });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  });
  after(async () => {
    await browser?.close();
    await world?.stop();
  });

  it('shows what each organisation sees, and sets it with a press', async () => {
    const page = await browser.newPage();
    await page.goto(`${world.origin}/patient/permissions.html`);
    await page.getByLabel('User name').fill('ada');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.locator('body[data-ready]').waitFor();
    const field = (name: string) => page.getByRole('button', { name });
    await page.getByLabel('Organisation', { exact: true }).fill('Organization/hospital');
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await field('St Anne Hospital, observation: does not see').click();
    await field('St Anne Hospital, observation: sees').waitFor();
    const token = await world.server.tokenFor({ actor: 'Organization/hospital' });
    const total = async () => (await world.server.get('Observation?patient=ada', { token })).body.total as number;
    assert.ok((await total()) > 0);
    if (pictures !== undefined) {
      mkdirSync(pictures, { recursive: true });
      await page.screenshot({ path: path.join(pictures, 'permissions.png'), fullPage: true });
    }
    await field('St Anne Hospital, observation: sees').click();
    await field('St Anne Hospital, observation: does not see').waitFor();
    assert.equal(await total(), 0);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
