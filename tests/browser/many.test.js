/* Many streams in one browser, over HTTP/1.1, where a browser opens six connections to a server and no more. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { launch, openPage, until } from './support/browser.js';
import { Proxy } from './support/proxy.js';
import { Server } from './support/server.js';
import { BROWSERS } from './support/whole.js';

const TABS = 12;
const ELEMENTS = 20;

let server;
let proxy;

before(async () => {
  server = await Server.start();
  proxy = await Proxy.start(server.url);
});
after(async () => {
  await proxy.stop();
  await server.stop();
});
afterEach(() => { proxy.requests.length = 0; });

const fetchAnswers = (page) => page.evaluate(async () => {
  const began = performance.now();
  const response = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(3000) });
  return response.ok && performance.now() - began;
});

const follow = (page, jobId) => page.evaluate(async (id) => {
  const { TaskEventStream } = await import('/joblight.js');
  window.updates = [];
  window.stream = new TaskEventStream({ jobId: id, onTaskUpdate: ({ seq }) => window.updates.push(seq) });
  window.stream.start();
}, jobId);

for (const name of BROWSERS) {
  test(`${TABS} tabs are all live, and a fetch still answers: ${name}`, async () => {
    const { browser, close } = await launch(name);
    try {
      const job = await server.createJob();
      const tabs = [];
      for (let i = 0; i < TABS; i++) {
        const tab = await browser.newPage();
        await tab.goto(`${proxy.url}/healthz`);
        await follow(tab, job.id);
        tabs.push(tab);
      }
      for (const tab of tabs) await until(tab, () => window.stream.state === 'live');
      assert.ok(await fetchAnswers(tabs[0]) < 1000);
      await server.report(job.id, { taskId: 'read', status: 'completed' });
      for (const tab of tabs) await until(tab, () => window.updates.length === 1);
    } finally {
      await close();
    }
  });

  test(`${ELEMENTS} elements on one page share a connection, and a fetch still answers: ${name}`, async () => {
    const { browser, close } = await launch(name);
    try {
      const jobs = await Promise.all(Array.from({ length: ELEMENTS }, () => server.createJob()));
      const page = await browser.newPage();
      await page.goto(`${proxy.url}/healthz`);
      proxy.requests.length = 0;
      await page.evaluate(async (ids) => {
        await import('/task-event-stream.js');
        window.updates = [];
        document.addEventListener('task-stream:task-update', ({ detail }) => window.updates.push(detail.jobId));
        document.body.replaceChildren(...ids.map((id) => {
          const element = document.createElement('task-event-stream');
          element.jobId = id;
          element.jobStatus = 'in_progress';
          return element;
        }));
      }, jobs.map(({ id }) => id));
      await until(page, () => !document.querySelector('task-event-stream:not([state=live])'));
      assert.equal(proxy.asked('/api/').length, 1);
      assert.ok(await fetchAnswers(page) < 1000);
      await Promise.all(jobs.map(({ id }) => server.report(id, { taskId: 'read', status: 'completed' })));
      await until(page, (count) => window.updates.length === count, ELEMENTS);
      assert.equal((await page.evaluate(() => new Set(window.updates).size)), ELEMENTS);
    } finally {
      await close();
    }
  });
}

test('elements that have a client of their own share its connection', async () => {
  const { browser, close } = await launch();
  try {
    const jobs = await Promise.all([server.createJob(), server.createJob()]);
    const page = await openPage(browser, `${proxy.url}/healthz`);
    proxy.requests.length = 0;
    const receipt = await page.evaluate(async (ids) => {
      const { JobLight } = await import('/shared-socket.js');
      await import('/task-event-stream.js');
      const client = new JobLight();
      const elements = ids.map((id) => document.createElement('task-event-stream'));
      elements.forEach((element, i) => Object.assign(element, { client, jobId: ids[i] }));
      const live = elements.map((element) => new Promise((resolve) => {
        element.addEventListener('task-stream:state', ({ detail }) => { if (detail.state === 'live') resolve(); });
      }));
      document.body.replaceChildren(...elements);
      await Promise.all(live);
      return client.report(ids[0], { taskId: 'read', status: 'completed' });
    }, jobs.map(({ id }) => id));
    assert.equal(receipt.seq, 2);
    assert.deepEqual(proxy.asked('/api/').map(({ method, url }) => `${method} ${url}`), ['GET /api/ws']);
  } finally {
    await close();
  }
});
