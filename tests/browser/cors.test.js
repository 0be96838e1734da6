/* Pages of another origin in Chromium and Firefox: what a listed one may do, and what an unlisted one is told. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch, until } from './support/browser.js';
import { Proxy } from './support/proxy.js';
import { Server } from './support/server.js';
import { WWW } from './support/www.js';
import { BROWSERS } from './support/whole.js';

/* A site that is not joblight: an empty page without a policy, and the client. */
const site = createServer(async (request, response) => {
  const path = normalize(new URL(request.url, 'http://site').pathname);
  if (!path.endsWith('.js')) return response.setHeader('content-type', 'text/html').end('<!doctype html><main></main>');
  return response.setHeader('content-type', 'text/javascript').end(await readFile(join(WWW, path)));
});
const listen = () => new Promise((resolve) => { site.listen(0, '127.0.0.1', resolve); });

let listed, unlisted; // two origins of the site
let server, keyed, proxy, key;
const preflights = [];

before(async () => {
  await listen();
  const { port } = site.address();
  [listed, unlisted] = [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
  server = await Server.start('--origin', listed);
  keyed = await Server.start('--origin', listed);
  await keyed.createJob({ id: 'kept' });
  const everything = ['watch', 'report', 'create', 'control', 'admin'];
  ({ key } = await keyed.call('POST', '/api/keys', { name: 'page', scope: everything }));
  proxy = await Proxy.start(server.url);
});
after(async () => {
  await Promise.all([proxy, server, keyed].map((one) => one.stop()));
  site.close();
  site.closeAllConnections();
});

for (const name of BROWSERS) {
  describe(`a page of another origin in ${name}`, () => {
    let browser;
    before(async () => { browser = await launch(name); });
    after(() => browser.close());

    const at = async (origin, run) => {
      const page = await browser.browser.newPage();
      try {
        await page.goto(`${origin}/`);
        return await run(page);
      } finally {
        await page.close();
      }
    };

    test('if it is listed, it reads answers, their headers and refusals, and writes', () => at(listed, async (page) => {
      const seen = await page.evaluate(async (url) => {
        const headers = { 'content-type': 'application/json', 'idempotency-key': crypto.getRandomValues(new Uint32Array(2)).join('-') };
        const body = JSON.stringify({ title: 'From elsewhere', status: 'in_progress' });
        const made = await fetch(`${url}/api/jobs`, { method: 'POST', headers, body });
        const path = made.headers.get('location');
        const again = await fetch(`${url}/api/jobs`, { method: 'POST', headers, body });
        const job = await fetch(url + path);
        const none = await fetch(`${url}/api/jobs/nobody`);
        const etag = job.headers.get('etag');
        const same = await fetch(url + path, { headers: { 'if-none-match': etag }, cache: 'no-store' });
        const gone = await fetch(url + path, { method: 'DELETE' });
        return {
          statuses: [made, again, job, none, same, gone].map(({ status }) => status),
          replayed: again.headers.get('idempotency-replayed'),
          etag, date: job.headers.get('date'), code: (await none.json()).code,
        };
      }, server.url);
      assert.deepEqual(seen.statuses, [201, 201, 200, 404, 304, 204]);
      assert.match(seen.etag, /^"\w+\.1"$/);
      assert.deepEqual([seen.replayed, seen.code, Boolean(seen.date)], ['true', 'not_found', true]);
    }));

    test('if it is listed, it asks once before many writes', () => at(listed, async (page) => {
      const job = await server.createJob();
      preflights.length = 0;
      proxy.rule = ({ method }) => { preflights.push(method); };
      const statuses = await page.evaluate(async (hook) => {
        const found = [];
        for (let i = 0; i < 3; i++) {
          const headers = { 'content-type': 'application/json', 'idempotency-key': `${i}` };
          found.push((await fetch(hook, { method: 'POST', headers, body: '{"taskId":"read"}' })).status);
        }
        return found;
      }, `${proxy.url}/api/agent-hooks/task-update/${job.id}`);
      assert.deepEqual(statuses, [200, 200, 200]);
      assert.deepEqual(preflights, ['OPTIONS', 'POST', 'POST', 'POST']);
    }));

    test('if it is listed, EventSource and WebSocket open', () => at(listed, async (page) => {
      const job = await server.createJob();
      const seen = await page.evaluate(async (url, id) => {
        const events = new EventSource(`${url}/api/jobs/${id}/task-events`);
        const first = await new Promise((resolve) => { events.onmessage = resolve; events.onerror = resolve; });
        events.close();
        const ws = new WebSocket(`${url.replace('http', 'ws')}/api/ws?job=${id}`, 'joblight.v1');
        const said = await new Promise((resolve) => { ws.onmessage = resolve; ws.onclose = resolve; });
        ws.close();
        return [first.data, said.data].map((data) => data && JSON.parse(data).type);
      }, server.url, job.id);
      assert.deepEqual(seen, ['connected', 'connected']);
    }));

    test('if it is not listed, fetch, EventSource and WebSocket fail', () => at(unlisted, async (page) => {
      const job = await server.createJob();
      const seen = await page.evaluate(async (url, id) => {
        const read = await fetch(`${url}/api/jobs/${id}`).catch(({ name: what }) => what);
        const write = await fetch(`${url}/api/jobs/${id}`, { method: 'DELETE' }).catch(({ name: what }) => what);
        const events = new EventSource(`${url}/api/jobs/${id}/task-events`);
        const first = await new Promise((resolve) => { events.onmessage = resolve; events.onerror = resolve; });
        const ws = new WebSocket(`${url.replace('http', 'ws')}/api/ws?job=${id}`, 'joblight.v1');
        const end = await new Promise((resolve) => { ws.onmessage = resolve; ws.onclose = resolve; });
        return [read, write, first.type, events.readyState, end.code];
      }, server.url, job.id);
      assert.deepEqual(seen, ['TypeError', 'TypeError', 'error', 2, 1006]);
      assert.equal((await server.call('GET', `/api/jobs/${job.id}`)).id, job.id);
    }));

    /* Follows a job with the client that `from` serves, and gives what the stream says. */
    const follow = (page, from, baseUrl, jobId, more) => page.evaluate(async (client, options) => {
      const { TaskEventStream } = await import(`${client}/joblight.js`);
      const stream = window.stream = new TaskEventStream(options);
      stream.start();
      const { error, state, transport } = await new Promise((resolve) => {
        stream.addEventListener('state', ({ detail }) => {
          if (/live|polling|failed/.test(detail.state) || detail.retryInMs) resolve(detail);
        });
      });
      return { ...error && { code: error.code, message: error.message }, state, transport };
    }, from, { baseUrl, jobId, ...more });

    for (const transport of ['ws', 'sse', 'poll']) {
      test(`if it is listed, the client of the server works (${transport})`, () => at(listed, async (page) => {
        const job = await server.createJob();
        const seen = await follow(page, server.url, server.url, job.id, { transports: [transport] });
        assert.deepEqual(seen, { state: transport === 'poll' ? 'polling' : 'live', transport });
        const { seq } = await page.evaluate(() => window.stream.report({ taskId: 'read', status: 'completed' }));
        assert.equal(seq, 2);
      }));

      test(`if it is not listed, the client says which setting is missing (${transport})`, () => at(unlisted, async (page) => {
        const job = await server.createJob();
        const seen = await follow(page, unlisted, server.url, job.id, { transports: [transport] });
        assert.deepEqual([seen.code, seen.state], ['forbidden_origin', 'reconnecting']);
        assert.ok(seen.message.endsWith(`--origin ${unlisted}`), seen.message);
      }));
    }

    test('a server that is away is not taken for one that refuses', () => at(unlisted, async (page) => {
      const away = await Server.start();
      await away.stop();
      const seen = await follow(page, unlisted, away.url, 'j', { transports: ['sse', 'poll'] });
      assert.deepEqual([seen.code, seen.message], ['network', 'The server cannot be reached']);
    }));

    test('a page that was served before is not told of the setting when a proxy answers', () => at(listed, async (page) => {
      const job = await server.createJob();
      await follow(page, listed, proxy.url, job.id, { transports: ['sse', 'poll'] });
      proxy.rule = () => ({ status: 502, body: 'Bad Gateway' });
      proxy.cut();
      await until(page, () => window.stream.state === 'reconnecting' && window.stream.error?.code === 'network');
      proxy.rule = () => undefined;
      await until(page, () => window.stream.state === 'live');
    }));

    test('if it is not listed, the element shows which setting is missing', () => at(unlisted, async (page) => {
      const job = await server.createJob();
      await page.evaluate(async (baseUrl, id) => {
        await import('/task-event-stream.js');
        const element = document.createElement('task-event-stream');
        for (const [attribute, value] of [['base-url', baseUrl], ['job-id', id], ['job-status', 'in_progress']]) {
          element.setAttribute(attribute, value);
        }
        document.querySelector('main').append(element);
      }, server.url, job.id);
      await until(page, (words) => document.querySelector('task-event-stream').shadowRoot.textContent.includes(words),
        `Not live: The server does not let pages of ${unlisted}`);
    }));

    test('if it is listed, a page with a key of its own watches and writes', () => at(listed, async (page) => {
      const seen = await follow(page, keyed.url, keyed.url, 'kept', { transports: ['sse'], token: key });
      assert.deepEqual(seen, { state: 'live', transport: 'sse' });
      const { seq } = await page.evaluate(() => window.stream.report({ taskId: 'read', status: 'completed' }));
      assert.ok(seq > 1);
    }));

    test('if it is listed, a page with a wrong key reads why it is refused', () => at(listed, async (page) => {
      const seen = await follow(page, keyed.url, keyed.url, 'kept', { transports: ['sse'], token: 'jl_wrong' });
      assert.deepEqual([seen.code, seen.state], ['unauthorized', 'failed']);
    }));
  });
}
