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

describe('the words on the pages for patients', () => {
  let world: SmartWorld;
  let browser: Browser;

  before(async () => {
    world = await SmartWorld.start({ DEFAULT_CONSENT: 'deny' });
    const put = async (resource: { resourceType: string; id: string }) =>
      assert.equal((await world.server.put(`${resource.resourceType}/${resource.id}`, resource)).status, 201);
    await put({ resourceType: 'Organization', id: 'hospital', name: 'St Anne Hospital' } as never);
    await put({
      resourceType: 'PractitionerRole',
      id: 'role',
      practitioner: { reference: 'Practitioner/dr' },
      organization: { reference: 'Organization/hospital' },
    } as never);
    const role = [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] }];
    const actors = [
      'Practitioner/dr',
      'PractitionerRole/role',
      'Organization/hospital',
      'Patient/bob',
      'Practitioner/gone',
    ];
    const consent = {
      resourceType: 'Consent',
      status: 'active',
      scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
      category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
      patient: { reference: 'Patient/ada' },
      policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
      provision: {
        type: 'deny',
        provision: actors.map((reference) => ({
          type: 'permit',
          class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }],
          actor: [{ role: role[0], reference: { reference } }],
        })),
      },
    };
    const filed = await world.server.post('Consent', consent);
    assert.equal(filed.status, 201, filed.text);
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  });
  after(async () => {
    await browser?.close();
    await world?.stop();
  });

  /** Signs in with the keyboard alone, in the page's own language. */
  async function byKeyboard(locale: string, name: string, viewport: { width: number; height: number }): Promise<Page> {
    const page = await browser.newPage({ locale, viewport });
    await page.goto(`${world.origin}/patient/${name}`);
    await page.locator('input[name=name]').focus();
    await page.keyboard.type('ada');
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await page.locator('button[value=allow], button[name=decision]').first().waitFor();
    const decision = page.locator('button[type=submit], button:not([type])');
    for (let tabs = 0; tabs < 40; tabs += 1) {
      const text = await page.evaluate(
        'document.activeElement?.tagName === "BUTTON" && document.activeElement.textContent',
      );
      if (typeof text === 'string' && allowWords.has(text.trim())) break;
      await page.keyboard.press('Tab');
    }
    assert.ok((await decision.count()) > 0);
    await page.keyboard.press('Enter');
    await page.locator('body[data-ready]').waitFor();
    return page;
  }
  const allowWords = new Set(['Allow', 'Erlauben', 'Permitir', 'Autoriser']);
  const sizes = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 900 } };
  const expected = {
    'en-GB': ['Who may see your record', 'Docter may see measurements and test results.'],
    'de-AT': ['Wer Ihre Daten sehen darf', 'Docter darf Messwerte und Testergebnisse sehen.'],
    'es-MX': ['Quién puede ver sus datos', 'Docter puede ver mediciones y resultados de pruebas.'],
    'fr-CH': ['Qui peut voir vos données', 'Docter peut voir '],
    'it-IT': ['Who may see your record', 'Docter may see measurements and test results.'],
  };

  for (const [locale, [title, rule]] of Object.entries(expected)) {
    it(`are those of ${locale}, with names instead of references, on a phone as on a desk`, async () => {
      for (const [size, viewport] of Object.entries(sizes)) {
        for (const name of ['consents.html', 'permissions.html']) {
          const page = await byKeyboard(locale, name, viewport);
          if (name === 'consents.html') {
            assert.equal(await page.locator('h1').innerText(), title);
            const rules = (await page.locator('.rule').allInnerTexts()).join('\n');
            assert.ok(rules.includes(rule ?? ''), rules);
            assert.match(rules, /^Docter, St Anne Hospital /m, 'a role by who has it, and where');
            assert.match(rules, /^Patient\/bob /m, 'whom she may not see has no name for her');
            assert.match(rules, /^Practitioner\/gone /m, 'nor who is not here');
          }
          const language = locale.startsWith('it') ? 'en' : locale.slice(0, 2);
          assert.equal(await page.locator('html').getAttribute('lang'), language);
          const isWide = await page.evaluate('document.documentElement.scrollWidth > window.innerWidth');
          assert.equal(isWide, false, `${locale} ${name} at ${size}: nothing sticks out at the side`);
          if (pictures !== undefined) {
            mkdirSync(pictures, { recursive: true });
            await page.screenshot({ path: path.join(pictures, `${language}-${size}-${name}.png`), fullPage: true });
          }
          await page.context().close();
        }
      }
    });
  }

  it('let everything be done by keyboard: a permit is given and taken back, and what happened is said', async () => {
    const page = await byKeyboard('de-DE', 'consents.html', sizes.phone);
    const tabTo = async (selector: string) => {
      for (let tabs = 0; tabs < 60; tabs += 1) {
        if (await page.evaluate(`document.activeElement?.matches(${JSON.stringify(selector)})`)) return;
        await page.keyboard.press('Tab');
      }
      assert.fail(`${selector} is not reached by Tab`);
    };
    await page.evaluate('document.activeElement?.blur()');
    await tabTo('#allow input[name=actor]');
    await page.keyboard.type('Practitioner/dr');
    await page.keyboard.press('Enter');
    await page.getByRole('status').filter({ hasText: 'Erlaubt.' }).waitFor();
    await page.locator('.rule', { hasText: 'Docter darf Ihre Daten sehen.' }).waitFor();
    const choices = async () => {
      const token = await world.server.tokenFor({ actor: 'Patient/ada', patient: 'ada', scope: 'patient/*.rs' });
      const { body } = await world.server.get('Consent?identifier=urn:mooring:permissions%7Cada', { token });
      const { status, provision } = body.entry[0].resource;
      return [status, provision?.provision[0].actor[0].reference.reference];
    };
    assert.deepEqual(await choices(), ['active', 'Practitioner/dr']);
    await tabTo('.rule button');
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
    assert.notEqual(outline, 'none', 'where the keyboard is can be seen');
    await page.keyboard.press('Space');
    await page.getByRole('status').filter({ hasText: 'Zurückgenommen.' }).waitFor();
    assert.deepEqual(await choices(), ['inactive', undefined]);
    await page.close();
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
    const observations = 'St Anne Hospital, measurements and test results';
    await field(`${observations}: does not see`).click();
    await field(`${observations}: sees`).waitFor();
    const token = await world.server.tokenFor({ actor: 'Organization/hospital' });
    const total = async () => (await world.server.get('Observation?patient=ada', { token })).body.total as number;
    assert.ok((await total()) > 0);
    if (pictures !== undefined) {
      mkdirSync(pictures, { recursive: true });
      await page.screenshot({ path: path.join(pictures, 'permissions.png'), fullPage: true });
    }
    await field(`${observations}: sees`).click();
    await field(`${observations}: does not see`).waitFor();
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
