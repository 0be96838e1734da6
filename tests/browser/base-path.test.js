/* The pages of a server below a path, through a proxy that keeps the path and one that removes it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isLive, launch, openPage, seesText, until } from './support/browser.js';
import { KeyedServer } from './support/keys.js';
import { Proxy } from './support/proxy.js';
import { CAKE } from './support/stage.js';
import { pairs } from './support/whole.js';

const BASE = '/joblight';
const PROXIES = { kept: (url) => url, removed: (url) => url.slice(BASE.length) };

let server;
let proxy;
let job;
const browsers = {};

before(async () => {
  server = await KeyedServer.start('--base-path', `${BASE}/`);
  proxy = await Proxy.start(server.url);
  job = await server.createJob(CAKE);
  for (const name of ['chromium', 'firefox']) browsers[name] = await launch(name);
});
after(async () => {
  for (const browser of Object.values(browsers)) await browser.close();
  await proxy.stop();
  await server.stop();
});

async function open(name, path) {
  const context = await browsers[name].browser.createBrowserContext();
  if (name === 'chromium') return openPage(context, proxy.url + path);
  const page = await context.newPage();
  await page.goto(proxy.url + path, { waitUntil: 'domcontentloaded' });
  return Object.assign(page, { faults: [] });
}

async function close(page) {
  assert.deepEqual(page.faults, [], 'script errors or blocked resources');
  const context = page.browserContext();
  await page.close();
  await context.close();
}

const isAt = (page, path) => until(page, (wanted) => location.pathname + location.search === wanted, path);

async function logIn(page) {
  await page.waitForSelector('#key');
  await page.type('#key', server.key);
  await page.keyboard.press('Enter');
}

async function watchOn(page, transport, shown) {
  await page.evaluate((value) => document.querySelector(`[name=transport][value="${value}"]`).click(), transport);
  await seesText(page, '#transport', shown);
  await until(page, () => /live|polling/.test(document.querySelector('task-event-stream').state));
  const note = `by ${transport} ${Math.random()}`;
  await server.report(job.id, { taskId: CAKE.tasks[0].id, status: 'in_progress', note });
  await seesText(page, '#tasks', note);
}

for (const [[how, path], name] of pairs(Object.entries(PROXIES), ['chromium', 'firefox'])) {
  test(`${name}, the path is ${how}: list, login, job, every transport, a comment, logout`, async () => {
    proxy.reset();
    proxy.path = path;
    const page = await open(name, `${BASE}/`);
    await isAt(page, `${BASE}/login?next=${encodeURIComponent(`${BASE}/`)}`);
    await logIn(page);
    await isAt(page, `${BASE}/`);
    await seesText(page, '#jobs', CAKE.title);
    await page.click('#jobs a');
    await isAt(page, `${BASE}/jobs/${job.id}`);
    await isLive(page);
    await watchOn(page, 'ws', 'WebSocket');
    await watchOn(page, 'sse', 'Server-sent events');
    await watchOn(page, 'poll', 'Polling');
    await page.type('#words', `hello by ${name} ${how}`);
    await page.keyboard.press('Enter');
    await seesText(page, '#thread', `hello by ${name} ${how}`);
    await seesText(page, '#code', `${proxy.url}${BASE}/api/jobs/${job.id}/commands`);
    await page.click('#logout');
    await isAt(page, `${BASE}/login`);
    await close(page);
    const others = proxy.requests.map(({ url }) => url).filter((url) => !url.startsWith(`${BASE}/`));
    assert.deepEqual(others.filter((url) => url !== '/favicon.ico'), []);
  });
}

test('the login page leads to pages below the path only', async () => {
  proxy.path = PROXIES.kept;
  const page = await open('chromium', `${BASE}/login?next=${encodeURIComponent('/other/')}`);
  await logIn(page);
  await isAt(page, `${BASE}/`);
  await close(page);
});

test('the element and the class are told the path', async () => {
  proxy.path = PROXIES.removed;
  const page = await open('chromium', `${BASE}/login`);
  const seen = await page.evaluate(async ({ base, id, key }) => {
    await import(`${base}/task-event-stream.js`);
    const { TaskEventStream } = await import(`${base}/joblight.js`);
    const element = document.createElement('task-event-stream');
    const live = (target, is) => new Promise((resolve) => {
      const look = () => (is() ? resolve(true) : setTimeout(look, 20));
      look();
    });
    element.token = key;
    element.setAttribute('base-url', base);
    element.setAttribute('job-id', id);
    element.setAttribute('job-status', 'in_progress');
    document.body.append(element);
    await live(element, () => element.state === 'live');
    const stream = new TaskEventStream({ jobId: id, token: key, baseUrl: `${base}/` });
    stream.start();
    await live(stream, () => stream.state === 'live');
    const { seq } = await stream.report({ taskId: 'told', status: 'in_progress' });
    stream.close();
    return [element.state, seq > 0];
  }, { base: BASE, id: job.id, key: server.key });
  assert.deepEqual(seen, ['live', true]);
  await close(page);
});
