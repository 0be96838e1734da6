/* <task-event-stream> in a real browser, on a page of its own, through a proxy that counts. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { launch, openPage, until } from './support/browser.js';
import { Proxy } from './support/proxy.js';
import { Server } from './support/server.js';
import { eventually, pause } from './support/wait.js';

let server;
let proxy;
let chromium;
let page;

before(async () => {
  server = await Server.start();
  proxy = await Proxy.start(server.url);
  chromium = await launch();
});
after(async () => {
  await chromium.close();
  await proxy.stop();
  await server.stop();
});
beforeEach(async () => {
  page = await openPage(chromium.browser, `${proxy.url}/healthz`);
  await page.evaluate(() => import('/task-event-stream.js'));
  proxy.requests.length = 0;
});
afterEach(async () => {
  await page.close();
  proxy.rule = () => undefined;
  proxy.rewrite = (text) => text;
});

/** Puts an element on the page that writes down what it fires. */
const put = (jobId, attributes = {}) => page.evaluate((id, more) => {
  const element = document.createElement('task-event-stream');
  const seen = window.seen = { updates: [], statuses: [], states: [], shown: [], fired: [] };
  element.onTaskUpdate = (update) => seen.updates.push(update.seq);
  element.onJobUpdate = (status) => seen.statuses.push(status);
  document.addEventListener('task-stream:state', (e) => {
    seen.states.push(e.detail.state);
    seen.at = { ...seen.at, [e.detail.state]: performance.now() };
  });
  for (const name of ['task-update', 'job-update', 'end']) {
    document.addEventListener(`task-stream:${name}`, (e) => seen.fired.push(`${name} ${e.composed}`));
  }
  new MutationObserver(() => seen.shown.push(element.getAttribute('state')))
    .observe(element, { attributeFilter: ['state'] });
  for (const [name, value] of Object.entries({ 'job-id': id, 'job-status': 'in_progress', ...more })) {
    if (value !== null) element.setAttribute(name, value);
  }
  window.element = element;
  document.body.append(element);
}, jobId, attributes);

const reaches = (state) => until(page, (wanted) => window.element.state === wanted, state);
const seen = () => page.evaluate(() => window.seen);
const shown = () => page.evaluate(() => {
  const { element } = window;
  const text = element.shadowRoot.textContent.trim();
  return { text, visible: element.checkVisibility(), role: element.getAttribute('role') };
});
const isStream = ({ url }) => /task-events|api\/ws/.test(url);
const streams = () => proxy.requests.filter(isStream);
const openStreams = () => streams().filter(({ open }) => open).length;
const noStream = () => eventually('the connection is closed', () => openStreams() === 0);

test('it shows "Live ●" as a status once it is connected', async () => {
  const job = await server.createJob();
  await put(job.id);
  await reaches('live');
  assert.deepEqual(await shown(), { text: 'Live ●', visible: true, role: 'status' });
  const states = await page.evaluate(() => window.element.matches(':state(live)'));
  assert.equal(states, true);
  const parts = await page.evaluate(() =>
    [...window.element.shadowRoot.querySelectorAll('[part]')].map((node) => node.part.value));
  assert.deepEqual(parts, ['label', 'dot']);
});

test('onTaskUpdate, onJobUpdate and bubbling events tell what happens', async () => {
  const job = await server.createJob();
  await put(job.id);
  await reaches('live');
  await server.report(job.id, { taskId: 'read', status: 'in_progress' });
  await server.setStatus(job.id, 'completed');
  await reaches('ended');
  const { updates, statuses, fired } = await seen();
  assert.deepEqual(updates, [2]);
  assert.deepEqual(statuses, ['completed']);
  assert.deepEqual(fired, ['task-update true', 'job-update true', 'end true']);
});

for (const status of ['in_progress', 'revisions', 'hardening']) {
  test(`it connects while the job is ${status}`, async () => {
    const job = await server.createJob({ status });
    await put(job.id, { 'job-status': status });
    await reaches('live');
    assert.equal(streams().length, 1);
  });
}

for (const status of ['pending', 'completed', 'failed', 'cancelled']) {
  test(`it asks for nothing while the job is ${status}`, async () => {
    await put('any-job', { 'job-status': status });
    await reaches(status === 'pending' ? 'waiting' : 'ended');
    await pause(100);
    assert.equal(proxy.asked('/api/').length, 0);
  });
}

test('it connects when the attribute says the job has begun, and leaves when it says it is over', async () => {
  const job = await server.createJob();
  await put(job.id, { 'job-status': 'pending' });
  await reaches('waiting');
  await page.evaluate(() => { window.element.jobStatus = 'in_progress'; });
  await reaches('live');
  await page.evaluate(() => window.element.setAttribute('job-status', 'completed'));
  await reaches('ended');
  await noStream();
});

for (const transports of ['ws', 'sse']) {
  test(`${transports}: it leaves by itself at a terminal status, and there is no request after`, async () => {
    const job = await server.createJob();
    await put(job.id, { transports });
    await reaches('live');
    await server.setStatus(job.id, 'cancelled');
    await reaches('ended');
    await noStream();
    await pause(1500);
    assert.equal(proxy.asked('/api/').length, 1);
    assert.equal((await shown()).text, 'Finished ●');
  });
}

for (const transports of ['ws', 'sse']) {
  test(`${transports}: an element that is removed closes its connection, and nothing asks again`, async () => {
    const job = await server.createJob();
    await put(job.id, { transports });
    await reaches('live');
    await page.evaluate(() => window.element.remove());
    await noStream();
    await page.evaluate(() => {
      window.dispatchEvent(new Event('online'));
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await pause(700);
    assert.equal(streams().length, 1);
  });
}

for (const transports of ['ws', 'sse']) {
  test(`${transports}: an element that is removed while it connects never comes up`, async () => {
    const job = await server.createJob();
    proxy.rule = (request) => (isStream(request) ? 'hold' : undefined);
    await put(job.id, { transports });
    await eventually('it asks', () => streams().length === 1);
    await page.evaluate(() => window.element.remove());
    await noStream();
    assert.equal(await page.evaluate(() => window.element.state), 'idle');
  });
}

test('an element that is moved goes on where it was', async () => {
  const job = await server.createJob();
  await put(job.id, { transports: 'sse' });
  await reaches('live');
  await server.report(job.id, { taskId: 'read', status: 'in_progress' });
  await until(page, () => window.seen.updates.length === 1);
  await page.evaluate(() => {
    const box = document.createElement('div');
    document.body.append(box);
    box.append(window.element);
  });
  await eventually('it came back', () => streams().length === 2);
  assert.match(streams()[1].url, /since=/);
  await server.report(job.id, { taskId: 'read', status: 'completed' });
  await until(page, () => window.seen.updates.length === 2);
  assert.deepEqual((await seen()).updates, [2, 3]);
});

for (const transports of ['ws', 'sse']) {
  test(`${transports}: a thousand elements added and removed leave no listener and no connection`, async () => {
    const job = await server.createJob();
    const session = await page.createCDPSession();
    const listeners = async () => {
      await session.send('HeapProfiler.collectGarbage');
      const { metrics } = await session.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'JSEventListeners').value;
    };
    await session.send('Performance.enable');
    await put(job.id, { transports });
    await reaches('live');
    const before = await listeners();
    await page.evaluate(async (id) => {
      for (let i = 0; i < 1000; i++) {
        const element = document.createElement('task-event-stream');
        element.jobId = id;
        element.jobStatus = i % 2 ? 'in_progress' : 'pending';
        document.body.append(element);
        await Promise.resolve();
        element.remove();
        await Promise.resolve();
      }
    }, job.id);
    await eventually('one connection is left', () => openStreams() === 1);
    const after = await eventually('the listeners are gone', async () => (await listeners()) <= before + 20);
    assert.ok(after);
  });
}

for (const transports of ['ws', 'sse']) {
  test(`${transports}: a burst of changed attributes makes one connection`, async () => {
    const [one, two] = await Promise.all([server.createJob(), server.createJob()]);
    await put(one.id, { transports });
    await reaches('live');
    await page.evaluate((id) => {
      for (let i = 0; i < 50; i++) {
        window.element.setAttribute('job-id', `other-${i}`);
        window.element.toggleAttribute('disabled');
        window.element.setAttribute('job-status', i % 2 ? 'pending' : 'hardening');
      }
      window.element.setAttribute('job-status', 'in_progress');
      window.element.setAttribute('job-id', id);
    }, two.id);
    await until(page, (id) => window.element.stream.jobId === id, two.id);
    await reaches('live');
    assert.equal(streams().length, transports === 'ws' ? 1 : 2); // a WebSocket goes on with the other job
    await eventually('the first is closed', () => openStreams() === 1);
  });
}

test('disabled is disconnected, and its removal connects', async () => {
  const job = await server.createJob();
  await put(job.id, { disabled: '' });
  await pause(100);
  assert.equal(streams().length, 0);
  await page.evaluate(() => window.element.removeAttribute('disabled'));
  await reaches('live');
});

for (const transports of ['ws', 'sse']) {
  test(`${transports}: a break under 800 ms is neither shown nor announced`, async () => {
    const job = await server.createJob();
    proxy.rewrite = (text) => text.replace(/^retry:.*$/m, 'retry: 1');
    await put(job.id, { transports });
    await reaches('live');
    let words;
    for (let tries = 0, took = Infinity; took >= 700; tries++) { // a busy machine makes longer ones
      assert.ok(tries < 20, `the breaks were longer than 700 ms, the last one ${took} ms`);
      await until(page, () => window.element.getAttribute('state') === 'live');
      await page.evaluate(() => { window.seen.states = []; window.seen.shown = []; });
      proxy.cut();
      await until(page, () => window.seen.states.at(-1) === 'live');
      const { states, at, shown } = await seen();
      assert.ok(states.includes('reconnecting'));
      took = at.live - at.reconnecting;
      words = shown;
    }
    assert.deepEqual(words, []);
  });
}

test('a longer break is shown, and so is the return', async () => {
  const job = await server.createJob();
  await put(job.id);
  await reaches('live');
  await proxy.refuse();
  await until(page, () => window.element.getAttribute('state') === 'reconnecting');
  assert.equal((await shown()).text, 'Reconnecting… ●');
  await proxy.accept();
  await until(page, () => window.element.getAttribute('state') === 'live');
});

for (const transports of ['ws', 'sse']) {
  test(`${transports}: it comes back with growing pauses and has lost nothing`, async () => {
    const job = await server.createJob();
    await put(job.id, { transports });
    await reaches('live');
    const pauses = page.evaluate(() => new Promise((resolve) => {
      const taken = [];
      Math.random = () => 1;
      document.addEventListener('task-stream:state', ({ detail }) => {
        if (detail.retryInMs) taken.push(detail.retryInMs);
        if (detail.state === 'live') resolve(taken);
      });
    }));
    await page.evaluate(() => 0); // the listener stands
    await proxy.refuse();
    for (let i = 0; i < 5; i++) await server.report(job.id, { taskId: 'read', progress: i });
    await until(page, () => window.seen.states.filter((state) => state === 'reconnecting').length >= 3);
    await proxy.accept();
    await reaches('live');
    await until(page, () => window.seen.updates.length === 5);
    assert.deepEqual((await seen()).updates, [2, 3, 4, 5, 6]);
    const taken = await pauses;
    assert.ok(taken.length >= 2 && taken.every((ms, i) => ms >= 500 * 2 ** i), `pauses: ${taken}`);
  });
}

test('where a proxy holds streams back and lets no WebSocket through, it polls', async () => {
  const job = await server.createJob();
  proxy.rule = (request) => (request.headers.upgrade ? { status: 400 } : isStream(request) ? 'hold' : undefined);
  await put(job.id);
  await reaches('polling');
  assert.equal((await shown()).text, 'Live by polling ●');
  await server.report(job.id, { taskId: 'read', status: 'in_progress' });
  await until(page, () => window.seen.updates.length === 1);
});

for (const transports of ['ws', 'sse']) {
  test(`${transports}: a page that is hidden lets its connection go, and takes it up when it is shown`, async () => {
    const job = await server.createJob();
    await put(job.id, { transports });
    await reaches('live');
    await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })));
    await noStream();
    await server.report(job.id, { taskId: 'read', status: 'in_progress' });
    await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
    await until(page, () => window.seen.updates.length === 1);
    await reaches('live');
  });
}

test('coming back online connects at once, whatever the pause', async () => {
  proxy.rewrite = (text) => text.replace(/^retry:.*$/m, 'retry: 600000');
  const job = await server.createJob();
  await put(job.id);
  await reaches('live');
  proxy.cut();
  await reaches('reconnecting');
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await reaches('live');
});

test('an unknown job is said to be unknown, in words', async () => {
  await put('no-such-job');
  await reaches('failed');
  const { text, visible } = await shown();
  assert.match(text, /^Not live: .+●$/s);
  assert.equal(visible, true);
});

test('a callback that throws is reported, and costs no event', async () => {
  const job = await server.createJob();
  await put(job.id);
  await page.evaluate(() => {
    const { onTaskUpdate } = window.element;
    window.element.onTaskUpdate = (update) => {
      onTaskUpdate(update);
      throw new Error('mine');
    };
  });
  await reaches('live');
  for (let i = 0; i < 3; i++) await server.report(job.id, { taskId: 'read', progress: i });
  await until(page, () => window.seen.updates.length === 3);
  assert.equal(streams().length, 1);
  assert.equal(page.faults.filter((fault) => fault.includes('mine')).length, 3);
});

test('a second definition is harmless', async () => {
  await page.evaluate(() => import('/task-event-stream.js?again'));
  const job = await server.createJob();
  await put(job.id);
  await reaches('live');
  assert.deepEqual(page.faults, []);
});

test('properties that were set before the definition hold', async () => {
  const job = await server.createJob();
  const early = await openPage(chromium.browser, `${proxy.url}/healthz`);
  await early.evaluate(async (id) => {
    const element = window.element = document.createElement('task-event-stream');
    window.updates = [];
    element.onTaskUpdate = (update) => window.updates.push(update.seq);
    element.setAttribute('job-id', id);
    element.setAttribute('job-status', 'in_progress');
    document.body.append(element);
    await import('/task-event-stream.js');
  }, job.id);
  await until(early, () => window.element.state === 'live');
  await server.report(job.id, { taskId: 'read', status: 'completed' });
  await until(early, () => window.updates.length === 1);
  await early.close();
});
