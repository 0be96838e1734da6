/* Browsers at their worst, and servers at theirs: in real Chromium and in real Firefox. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, until } from './support/browser.js';
import { Proxy } from './support/proxy.js';
import { connected, update } from './support/script.js';
import { Server } from './support/server.js';
import { SocketServer } from './support/socket.js';
import { eventually } from './support/wait.js';
import { BROWSERS } from './support/whole.js';

const DAY_MS = 86400000;
const BLANK = { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><title>x</title>' };
const MORE = { ignoreDefaultArgs: ['--disable-back-forward-cache'] }; // as people have it

let server;
let proxy;
let sockets;

before(async () => {
  [server, sockets] = await Promise.all([Server.start(), SocketServer.start()]);
  proxy = await Proxy.start(server.url);
});
after(async () => {
  await sockets.stop();
  await proxy.stop();
  await server.stop();
});

const sse = (...parts) => ({ headers: { 'content-type': 'text/event-stream' }, body: parts.join('') });
const event = (object, id) => `${id ? `id: ${id}\n` : ''}data: ${JSON.stringify(object)}\n\n`;
const opening = (since) => 'retry: 1\n\n' + event(connected(since), since || 'e.1');
const sinceOf = (url) => new URL(url, 'http://x').searchParams.get('since') || undefined;

const follow = (page, options) => page.evaluate(async (given) => {
  const { TaskEventStream } = await import('/joblight.js');
  const seen = window.seen = { seqs: [], codes: [] };
  window.stream = new TaskEventStream({
    jobId: 'j',
    ...given,
    onTaskUpdate: ({ seq }) => seen.seqs.push(seq),
    onStateChange: ({ error }) => { if (error && !seen.codes.includes(error.code)) seen.codes.push(error.code); },
  });
  window.stream.start();
}, options);
const seen = (page) => page.evaluate(() => window.seen);
const updates = (page, count) => until(page, (wanted) => window.seen.seqs.length >= wanted, count);
const live = (page) => until(page, () => window.stream.state === 'live');

/** A first answer that is broken, and good ones after it; the stream must be at `seqs` in the end. */
const BROKEN = [
  ['garbage', sse(opening(), event(update(2)), 'data: \u0000\u0001{]\n\n'), 'network'],
  ['half an event', sse(opening(), event(update(2)), 'data: {"type":"task_update","seq":3'), 'closed'],
  ['an event of half its JSON', sse(opening(), event(update(2)), 'data: {"type":"task_update","seq":3\n\n'), 'network'],
  ['an event twice, and one left out', sse(opening(), event(update(2)), event(update(2)), event(update(4))), 'hole'],
  ['bytes that are not UTF-8', sse(opening(), event(update(2)), 'data: ', '\uFFFF\n\n'), 'network'],
];

for (const name of BROWSERS) {
  describe(name, () => {
    let started;
    let page;

    before(async () => { started = await launch(name, MORE); });
    after(() => started.close());

    const onPage = (what, run) => test(what, async () => {
      page = await started.browser.newPage();
      try {
        await run();
      } finally {
        await page.close();
        sockets.reset();
        proxy.rule = () => undefined;
        proxy.requests.length = 0;
      }
    });

    for (const [what, broken, code] of BROKEN) {
      onPage(`a server that sends ${what} costs a reconnect and no event`, async () => {
        let asked = 0;
        const good = (since) => sse(opening(since), event(update(3)), event(update(4)));
        sockets.plain = ({ url }) => (asked++ ? good(sinceOf(url)) : broken);
        await page.goto(`${sockets.url}/`);
        await follow(page, { transports: ['sse'] });
        await updates(page, 3);
        const { seqs, codes } = await seen(page);
        assert.deepEqual(seqs, [2, 3, 4]);
        assert.equal(codes[0], code);
        assert.equal(sinceOf(sockets.requests[1].url), 'e.2');
      });
    }

    onPage('a wrong content type is a matter of that transport', async () => {
      sockets.plain = ({ url }) => (url.includes('task-events')
        ? { headers: { 'content-type': 'text/html' }, body: '<h1>Welcome to the hotel</h1>' }
        : { body: { epoch: 'e', cursor: 'e.1', head: 1, status: 'in_progress', events: [] } });
      await page.goto(`${sockets.url}/`);
      await follow(page, { transports: ['sse', 'poll'] });
      await until(page, () => window.stream.state === 'polling');
      assert.equal(await page.evaluate(() => window.stream.faults[0].message), 'A proxy answered instead');
    });

    onPage('a hundred megabytes without a line end are cut off, and the memory comes back', async () => {
      let asked = 0;
      const flood = sse(opening(), 'data: ', 'a'.repeat(100 << 20));
      sockets.plain = ({ url }) => (asked++ ? sse(opening(sinceOf(url)), event(update(2))) : flood);
      await page.goto(`${sockets.url}/`);
      await follow(page, { transports: ['sse'] });
      await updates(page, 1);
      assert.ok((await seen(page)).codes.includes('too_big'));
      if (name === 'firefox') return; // it does not tell how much memory it takes
      const session = await page.createCDPSession();
      await session.send('HeapProfiler.collectGarbage');
      const { usedSize } = await session.send('Runtime.getHeapUsage');
      assert.ok(usedSize < 10e6, `${usedSize} bytes`);
    });

    for (const off of [DAY_MS, -DAY_MS]) {
      onPage(`a clock that is a day ${off > 0 ? 'fast' : 'slow'}, and then jumps, changes nothing`, async () => {
        const job = await server.createJob();
        await page.evaluateOnNewDocument((ms) => {
          const { now } = Date;
          window.off = ms;
          Date.now = () => now() + window.off;
        }, off);
        await page.goto(`${proxy.url}/healthz`);
        await follow(page, { jobId: job.id });
        await live(page);
        await page.evaluate(() => { window.off = -window.off; });
        await server.report(job.id, { taskId: 'read', status: 'in_progress' });
        await updates(page, 1);
        proxy.cut();
        await server.report(job.id, { taskId: 'read', status: 'completed' });
        await updates(page, 2);
        assert.deepEqual((await seen(page)).seqs, [2, 3]);
      });
    }

    onPage('where storage and cookies are forbidden it is live all the same', async () => {
      const job = await server.createJob();
      await page.evaluateOnNewDocument(() => {
        const forbid = { get() { throw new DOMException('The operation is insecure.', 'SecurityError'); } };
        for (const storage of ['localStorage', 'sessionStorage', 'indexedDB', 'caches']) {
          Object.defineProperty(window, storage, forbid);
        }
        Object.defineProperty(Document.prototype, 'cookie', forbid);
      });
      await page.goto(`${proxy.url}/healthz`);
      await page.evaluate(async (id) => {
        await import('/task-event-stream.js');
        const element = document.createElement('task-event-stream');
        element.jobId = id;
        document.body.replaceChildren(element);
      }, job.id);
      await until(page, () => document.querySelector('task-event-stream').state === 'live');
    });

    /* Firefox keeps no page that has a connection when it is left: there, one that waits for its next try. */
    const ways = name === 'chromium' ? ['ws', 'sse', 'poll', 'nothing yet'] : ['nothing yet'];
    for (const way of ways) {
      onPage(`a page with ${way} goes into the back/forward cache without it, and goes on after`, async () => {
        const job = await server.createJob();
        const blank = ({ url }) => (url.startsWith('/blank') ? BLANK : undefined);
        const away = { status: 503, headers: { 'retry-after': '600' } };
        proxy.rule = (request) => blank(request)
          || (way === 'nothing yet' && request.url.startsWith('/api/') ? away : undefined);
        await page.goto(`${proxy.url}/blank`);
        await page.evaluate(() => addEventListener('pageshow', ({ persisted }) => { window.persisted = persisted; }));
        proxy.requests.length = 0;
        await follow(page, { jobId: job.id, cursor: job.cursor, transports: [way === 'nothing yet' ? 'sse' : way] });
        const state = { poll: 'polling', 'nothing yet': 'reconnecting' }[way] || 'live';
        await until(page, (wanted) => window.stream.state === wanted, state);
        await page.goto(`${proxy.url}/blank?2`);
        await eventually('the connection is closed', () => !proxy.open('/api/').length);
        await server.report(job.id, { taskId: 'read', status: 'completed' });
        proxy.rule = blank;
        await page.evaluate(() => { history.back(); }); // no load follows, which puppeteer's goBack would wait for
        await until(page, () => window.persisted === true);
        await updates(page, 1);
        assert.deepEqual((await seen(page)).seqs, [2]);
      });
    }
  });
}
