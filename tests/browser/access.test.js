/* The pages of a server with access keys: who may see them, and what they offer to whom. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { complaints } from './support/axe.js';
import { isLive, launch, openPage, seesText, shoot, textOf, until } from './support/browser.js';
import { KeyedServer } from './support/keys.js';
import { Server } from './support/server.js';
import { CAKE } from './support/stage.js';
import { BROWSERS } from './support/whole.js';

let server;
let chromium;
let firefox;
let job;
let pages = [];

before(async () => {
  server = await KeyedServer.start();
  chromium = await launch();
  if (BROWSERS.includes('firefox')) firefox = await launch('firefox');
  job = await server.createJob(CAKE);
});
after(async () => {
  await firefox?.close();
  await chromium.close();
  await server.stop();
});
afterEach(async () => {
  for (const page of pages.splice(0)) {
    assert.deepEqual(page.faults || [], [], 'script errors or blocked resources');
    const context = page.browserContext();
    await page.close();
    await context.close();
  }
});

/** A page of a browser that is not logged in. */
async function open(path, { browser = chromium, from = server, ...options } = {}) {
  const context = await browser.browser.createBrowserContext();
  const page = browser === firefox ? await context.newPage() : await openPage(context, from.url + path, options);
  if (browser === firefox) await page.goto(from.url + path, { waitUntil: 'domcontentloaded' });
  pages.push(page);
  return page;
}

const isAt = (page, path) => until(page, (wanted) => location.pathname + location.search === wanted, path);
const hidden = (page, selector) => page.$eval(selector, (node) => node.hidden);
const disabled = (page, selector) => page.$eval(selector, (node) => node.disabled);

async function logIn(page, key) {
  await page.waitForSelector('#key');
  await page.type('#key', key);
  await page.keyboard.press('Enter');
}

async function openAs(key, path, options) {
  const page = await open(path, options);
  await until(page, () => location.pathname === '/login');
  await logIn(page, key);
  await until(page, () => location.pathname !== '/login');
  return page;
}

for (const name of BROWSERS) {
  const look = () => ({ browser: { chromium, firefox }[name] });

  test(`${name}: a job leads to the login, a key back to it, and Log out ends the session in every tab`, async () => {
    const page = await open(`/jobs/${job.id}`, look());
    await isAt(page, `/login?next=${encodeURIComponent(`/jobs/${job.id}`)}`);
    await until(page, () => document.activeElement.id === 'key');
    await logIn(page, server.key);
    await isAt(page, `/jobs/${job.id}`);
    await isLive(page);
    await seesText(page, '#who', '--key-file');
    assert.equal(await hidden(page, '#logout'), false);
    assert.equal(await page.evaluate(() => document.cookie), '', 'no script can read the session');
    const list = await page.browserContext().newPage();
    await list.goto(server.url);
    await seesText(list, '#jobs', CAKE.title);
    await page.bringToFront();
    await page.click('#logout');
    await isAt(page, '/login');
    await list.bringToFront();
    await isAt(list, '/login?next=%2F');
    await seesText(list, '#lead', 'You were logged out');
    await list.close();
  });

  test(`${name}: the part of the address after # comes back after the login`, async () => {
    const address = `/jobs/${job.id}?a=1#talk`;
    const page = await open(address, look());
    await isAt(page, `/login?next=${encodeURIComponent(address)}`);
    await logIn(page, server.key);
    await isAt(page, `/jobs/${job.id}?a=1`);
    assert.equal(await page.evaluate(() => location.hash), '#talk');
    await isLive(page);
  });

  test(`${name}: the code of a link is used by the button, once, and leaves the address at once`, async () => {
    const { code, path } = await server.call('POST', '/api/login-codes', {});
    const address = `${path}?next=/jobs/${job.id}#code=${code}`;
    for (let visit = 0; visit < 2; visit++) { // a program that looks at links uses nothing up
      const looker = await open(address, look());
      await seesText(looker, '#lead', 'This link logs you in once');
    }
    const page = await open(address, look());
    await seesText(page, '#lead', 'This link logs you in once');
    assert.equal(await page.evaluate(() => location.hash), '');
    assert.equal(await hidden(page, '#key-field'), true);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'submit');
    await page.keyboard.press('Enter');
    await isAt(page, `/jobs/${job.id}`);
    await isLive(page);
    const late = await open(address, look());
    await late.click('#submit');
    await seesText(late, '#error', 'ask for a new one');
    assert.equal(await hidden(late, '#key-field'), false);
  });

  test(`${name}: a wrong key is refused in the words of the server, and the next try works`, async () => {
    const page = await open('/login', look());
    await logIn(page, `${server.key.slice(0, -1)}!`);
    await seesText(page, '#error', 'This key is not in force.');
    assert.equal(await page.$eval('#key', (input) => input.getAttribute('aria-invalid')), 'true');
    await page.$eval('#key', (input) => { input.value = ''; });
    await logIn(page, ` ${server.key} `); // as it is copied from a terminal
    await isAt(page, '/');
    await seesText(page, '#jobs', CAKE.title);
  });

  test(`${name}: a link with a token opens the job for somebody without a session`, async () => {
    const token = await server.makeToken(job);
    const page = await open(`/jobs/${job.id}#token=${token}`, look());
    await isLive(page);
    assert.equal(await page.evaluate(() => location.href.includes('token')), false);
    await server.report(job.id, { taskId: 'whisk', status: 'in_progress', note: `seen by ${name}` });
    await seesText(page, '#tasks', `seen by ${name}`);
    assert.equal(await hidden(page, '#logout'), true);
    await seesText(page, '#talk-hint', 'You may watch this job, but not write to the workers or cancel.');
  });
}

for (const next of ['//evil.example/', '/\\evil.example/', 'https://evil.example/', 'https:evil', '/.//evil.example']) {
  test(`after the login, next=${JSON.stringify(next)} does not leave the site`, async () => {
    const page = await open(`/login?next=${encodeURIComponent(next)}`);
    await logIn(page, server.key);
    await until(page, () => location.pathname !== '/login');
    assert.equal(await page.evaluate(() => location.origin), server.url);
  });
}

for (const kind of ['token', 'code']) {
  test(`after the login, the ${kind} of somebody who made the link is not used`, async () => {
    const page = await open(`/login?next=${encodeURIComponent(`/jobs/${job.id}#${kind}=of.somebody.else`)}`);
    await logIn(page, server.key);
    await isAt(page, `/jobs/${job.id}`);
    assert.equal(await page.evaluate(() => location.hash), '');
    await isLive(page);
    assert.equal(await hidden(page, '#logout'), false, 'the page is used with the session');
  });
}

test('a key that may only watch: what it may not do is disabled, and the page says why', async () => {
  const watcher = await server.makeKey(['watch']);
  const page = await openAs(watcher.key, `/jobs/${job.id}`);
  await isLive(page);
  await seesText(page, '#who', 'watch');
  await seesText(page, '#talk-hint', 'You may watch this job, but not write to the workers or cancel.');
  for (const id of ['#words', '#send', '#cancel', '.stop']) assert.equal(await disabled(page, id), true, id);
});

test('another link that is opened in the same tab opens its own job', async () => {
  const [first, second] = await Promise.all(['First', 'Second'].map((title) => server.createJob({ title })));
  const linkTo = async (to) => `${server.url}/jobs/${to.id}#token=${await server.makeToken(to)}`;
  const page = await open('/healthz');
  await page.goto(await linkTo(first));
  await seesText(page, '#title', 'First');
  await page.goto(await linkTo(second));
  await seesText(page, '#title', 'Second');
  await page.goto(`${server.url}/jobs/${second.id}#token=wrong`); // only the part after # is another one
  await seesText(page, '#notice', 'The link that opened this page has expired or was withdrawn.');
  await page.goto(await linkTo(second));
  await seesText(page, '#title', 'Second');
});

test('over http that others can read, no key can be filled in', async () => {
  const first = 'Object.defineProperty(globalThis, "isSecureContext", { value: false })';
  const page = await open('/login', { first });
  await seesText(page, '#lead', 'Log in over https');
  assert.equal(await hidden(page, '#form'), true);
});

test('a token for comments only: cancelling is disabled, commenting works', async () => {
  const token = await server.makeToken(job, { scope: ['watch', 'control'], commands: ['comment'] });
  const page = await open(`/jobs/${job.id}#token=${token}`);
  await isLive(page);
  await seesText(page, '#talk-hint', 'You may watch this job, but not cancel.');
  assert.equal(await disabled(page, '#cancel'), true);
  await page.type('#words', 'A4, please');
  await page.keyboard.press('Enter');
  await seesText(page, '#thread', 'A4, please');
});

test('a key that may not watch is told which right is missing', async () => {
  const reporter = await server.makeKey(['report']);
  const page = await openAs(reporter.key, '/');
  await seesText(page, '#notice', 'it needs watch');
});

test('a revoked key ends the session: the open page leads to the login and says why', async () => {
  const key = await server.makeKey(['watch', 'control']);
  const page = await openAs(key.key, `/jobs/${job.id}`);
  await isLive(page);
  await server.revoke(key);
  await isAt(page, `/login?next=${encodeURIComponent(`/jobs/${job.id}`)}`);
  await seesText(page, '#lead', 'You were logged out: the session has ended, or its key is not in force any more.');
});

test('a revoked key ends the links that were made with it, in words', async () => {
  const key = await server.makeKey(['watch', 'control']);
  const token = await server.makeToken(job, { scope: ['watch'] }, key);
  const address = `/jobs/${job.id}#token=${token}`;
  const page = await open(address);
  await isLive(page);
  await server.revoke(key);
  await seesText(page, '#link-word', 'Not live');
  await seesText(page, '#link-detail', 'The key or link that opened this page is not in force any more.');
  const late = await open(address);
  await seesText(late, '#notice', 'The link that opened this page has expired or was withdrawn.');
});

test('the examples of a server with keys show where the key goes', async () => {
  const page = await openAs(server.key, `/jobs/${job.id}`);
  await isLive(page);
  await seesText(page, '#who', '--key-file');
  await page.type('#words', 'hello');
  await page.keyboard.press('Enter');
  await seesText(page, '#code', 'curl -H "Authorization: Bearer $KEY" --json');
});

for (const [name, look] of Object.entries({
  light: { width: 320, height: 640 }, dark: { width: 320, height: 640, dark: true }, wide: {},
})) {
  test(`the login page fits: ${name}`, async () => {
    const page = await open('/login', look);
    await logIn(page, 'wrong');
    await seesText(page, '#error', 'not in force');
    const [inner, needed] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    assert.ok(needed <= inner, `${needed} wide in a window of ${inner}`);
    assert.deepEqual(await complaints(page), []);
    await shoot(page, `login-${name}`);
  });
}

test('the header fits on a phone', async () => {
  const key = await server.makeKey(['watch'], ['*'], { name: 'a key with a rather long name, as people make them' });
  for (const path of ['/', `/jobs/${job.id}`]) {
    const page = await openAs(key.key, path, { width: 320, height: 640 });
    await seesText(page, '#who', 'a key with');
    assert.deepEqual(await complaints(page), []);
    const [inner, needed] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    assert.ok(needed <= inner, `${path}: ${needed} wide in a window of ${inner}`);
    await shoot(page, `header-phone${path === '/' ? '' : '-job'}`, { fullPage: false });
  }
});

test('a server without keys shows nothing of all this, and its login page says so', async () => {
  const from = await Server.start();
  try {
    const open1 = await from.createJob(CAKE);
    for (const path of ['/', `/jobs/${open1.id}`]) {
      const page = await open(path, { from });
      await seesText(page, 'main', CAKE.title);
      assert.equal(await hidden(page, '#who'), true);
      assert.equal(await hidden(page, '#logout'), true);
      assert.equal(await page.$('.open-server'), null);
    }
    const page = await open('/login', { from });
    await seesText(page, '#lead', 'This server has no access keys');
    assert.equal(await hidden(page, '#form'), true);
  } finally {
    await from.stop();
  }
});

test('--insecure is shown on every page', async () => {
  const from = new Server();
  from.flags = ['--insecure'];
  await from.start('0.0.0.0:0');
  from.url = from.url.replace('0.0.0.0', '127.0.0.1');
  try {
    const open1 = await from.createJob(CAKE);
    for (const path of ['/', `/jobs/${open1.id}`, '/login']) {
      const page = await open(path, { from });
      await seesText(page, '.open-server', 'it was started with --insecure');
      assert.deepEqual(await complaints(page), []);
      if (path !== '/login') assert.equal(await hidden(page, '#logout'), true);
    }
  } finally {
    await from.stop();
  }
});
