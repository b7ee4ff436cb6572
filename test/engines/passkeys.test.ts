/** Passkeys in a real Chromium with a virtual authenticator (WebAuthn over the DevTools protocol). */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chromium, type Browser, type CDPSession, type Page } from 'playwright-core';
import { pkce } from '../e2e/smart/browser.js';
import { password, SmartWorld } from '../e2e/smart/world.js';
import { freePort } from './support/engine-process.js';

const pictures = process.env.PICTURES;

describe('passkeys in Chromium', () => {
  let world: SmartWorld;
  let browser: Browser;
  let page: Page;
  let devtools: CDPSession;
  let authenticatorId: string;
  const problems: string[] = [];

  before(async () => {
    const port = await freePort();
    world = await SmartWorld.start({ PORT: String(port), PUBLIC_URL: `http://localhost:${port}` });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
    page = await browser.newPage();
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) problems.push(message.text());
    });
    devtools = await page.context().newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    const options = {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    } as const;
    ({ authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', { options }));
  });
  after(async () => {
    await browser?.close();
    await world?.stop();
  });

  const scope = 'launch/patient patient/Patient.rs';
  const toSignIn = () => page.goto(world.authorizeUrl({ scope, code_challenge: pkce().challenge }));
  const byPasskey = () => page.getByRole('button', { name: 'Sign in with a passkey' });
  const picture = async (name: string) => {
    if (pictures === undefined) return;
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
  };

  it('is added after signing in by password, and then signs in without a name', async () => {
    await page.goto(`${world.oauth}/apps`);
    await page.getByLabel('User name').fill('ada');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText('You have no passkey yet.').waitFor();
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByText(/Passkey, added on \d{4}/).waitFor();
    await picture('passkey-added');
    const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
    assert.deepEqual(
      [credentials.length, credentials[0]?.isResidentCredential, credentials[0]?.rpId],
      [1, true, 'localhost'],
    );
    await toSignIn();
    await picture('passkey-sign-in');
    await byPasskey().click();
    await page.getByRole('heading', { name: 'Allow Growth Chart' }).waitFor();
    assert.match(await page.locator('main').innerText(), /signed in as Ada Moor/);
    assert.deepEqual(problems, []);
  });

  it('what was sent once signs nobody in again', async () => {
    await page.context().clearCookies();
    await toSignIn();
    const sent = page.waitForRequest((request) => request.url().endsWith('/passkey'));
    await byPasskey().click();
    const credential = new URLSearchParams((await sent).postData() ?? '').get('credential') ?? '';
    assert.match(credential, /"signature":/);
    await page.getByRole('heading', { name: 'Allow Growth Chart' }).waitFor();
    await page.context().clearCookies();
    await toSignIn();
    const form = page.locator('form[data-passkey]');
    const csrf = await form.locator('input[name=csrf]').inputValue();
    const action = new URL((await form.getAttribute('action')) ?? '', page.url()).href;
    const replayed = await page.request.post(action, { form: { csrf, credential } });
    assert.equal(replayed.status(), 401);
    assert.match(await replayed.text(), /This passkey was not accepted/);
  });

  it('a device whose user is not verified signs nobody in', async () => {
    await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
    await toSignIn();
    await byPasskey().click();
    await page.waitForTimeout(500);
    assert.equal(await byPasskey().count(), 1, 'the page is still there');
    await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
    await byPasskey().click();
    await page.getByRole('heading', { name: 'Allow Growth Chart' }).waitFor();
  });

  it('a page elsewhere gets nothing from the device; at an IP address no passkey is offered', async () => {
    await page.context().clearCookies();
    const elsewhere = world.oauth.replace('localhost', '127.0.0.1');
    await page.goto(`${elsewhere}/apps`);
    const stolen = `navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId: 'localhost' } }).then(() => 'got it', (error) => error.name)`;
    assert.equal(await page.evaluate(stolen), 'SecurityError');
    const plain = await SmartWorld.start();
    try {
      await page.goto(`${plain.oauth}/apps`);
      assert.equal(await page.locator('form[data-passkey]').count(), 0);
      assert.equal(await page.getByLabel('Password').count(), 1);
    } finally {
      await plain.stop();
    }
  });

  it('one that was removed signs nobody in, and the password still does', async () => {
    await page.goto(`${world.oauth}/apps`);
    await byPasskey().click();
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByText('You have no passkey yet.').waitFor();
    await page.context().clearCookies();
    await toSignIn();
    await byPasskey().click();
    await page.getByRole('alert').waitFor();
    assert.match(await page.getByRole('alert').innerText(), /not accepted/);
    await page.getByLabel('User name').fill('ada');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('heading', { name: 'Allow Growth Chart' }).waitFor();
  });

  it('the pages are in the language of the browser, on a telephone too', async () => {
    const questions: Record<string, RegExp> = {
      'de-CH': /Darf Growth Chart Ihre Gesundheitsdaten nutzen\?/,
      'es-MX': /¿Permitir que Growth Chart use sus datos de salud\?/,
      'fr-CA': /Autoriser Growth Chart à utiliser vos données de santé/,
      'ja-JP': /Allow Growth Chart to use your health records\?/,
    };
    for (const [locale, question] of Object.entries(questions)) {
      const context = await browser.newContext({ locale, viewport: { width: 360, height: 740 } });
      page = await context.newPage();
      await toSignIn();
      await picture(`sign-in-${locale}`);
      await page.locator('#name').fill('ada');
      await page.locator('#password').fill(password);
      await page.keyboard.press('Enter');
      await page.locator('button[value=allow]').waitFor();
      assert.match(await page.locator('h1').innerText(), question);
      const isWide = await page.evaluate('document.documentElement.scrollWidth > window.innerWidth');
      assert.equal(isWide, false, `${locale}: nothing sticks out at the side`);
      await picture(`decide-${locale}`);
      await context.close();
    }
  });
});
