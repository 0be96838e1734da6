/* The WebSocket rung of the ladder in a real browser: the same events, the same cursor. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { launch, openPage, until } from './support/browser.js';
import { Proxy } from './support/proxy.js';
import { Server } from './support/server.js';
import { SocketServer } from './support/socket.js';
import { eventually } from './support/wait.js';

let server;
let proxy;
let sockets;
let chromium;
let page;

before(async () => {
  [server, sockets, chromium] = await Promise.all([Server.start(), SocketServer.start(), launch()]);
  proxy = await Proxy.start(server.url);
});
after(async () => {
  await chromium.close();
  await sockets.stop();
  await proxy.stop();
  await server.stop();
});
beforeEach(async () => {
  sockets.asked.length = 0;
  page = await openPage(chromium.browser, `${proxy.url}/healthz`);
});
afterEach(() => page.close());

const follow = (options) => page.evaluate(async (given) => {
  const { TaskEventStream } = await import('/joblight.js');
  window.seqs = [];
  window.states = [];
  window.stream = new TaskEventStream({
    ...given,
    onTaskUpdate: ({ seq }) => window.seqs.push(seq),
    onStateChange: ({ state, error }) => window.states.push(error ? `${state}: ${error.code}` : state),
  });
  window.stream.start();
}, options);

const reaches = (state) => until(page, (wanted) => window.stream.state === wanted, state);
const connected = (since) => ({
  type: 'connected', jobId: 'j', status: 'in_progress', epoch: 'e', cursor: since || 'e.1', head: 1,
  resume: since ? 'exact' : 'fresh', heartbeatMs: 30000,
  job: since ? undefined : { id: 'j', title: 'J', status: 'in_progress', tasks: [], seq: 1, epoch: 'e', cursor: 'e.1' },
});
const update = (seq) => ({ type: 'task_update', jobId: 'j', seq, taskId: 't', status: 'in_progress', title: 'T' });

test('it is live over a WebSocket, and comes back at the position after the last event', async () => {
  sockets.script = (socket, query) => {
    const since = query.get('since');
    socket.say(connected(since));
    if (since) return socket.say(update(4));
    socket.say(update(2));
    socket.say(update(3));
    return socket.close(1012);
  };
  await follow({ jobId: 'j', baseUrl: sockets.url, transports: ['ws'] });
  await until(page, () => window.seqs.length === 3);
  assert.deepEqual(await page.evaluate(() => window.seqs), [2, 3, 4]);
  assert.deepEqual(sockets.asked, [
    { path: '/api/ws?job=j', protocol: 'joblight.v1' }, { path: '/api/ws?since=e.3&job=j', protocol: 'joblight.v1' }]);
  assert.deepEqual(await page.evaluate(() => window.states), ['connecting', 'live', 'reconnecting: closed', 'live']);
});

test('a close code that means "do not come back" is obeyed', async () => {
  sockets.script = (socket) => {
    socket.say(connected());
    socket.close(4403);
  };
  await follow({ jobId: 'j', baseUrl: sockets.url, transports: ['ws'] });
  await reaches('failed');
  assert.equal(sockets.asked.length, 1);
});

test('the end of the job over a WebSocket is the end', async () => {
  sockets.script = (socket) => {
    socket.say(connected());
    socket.say({ type: 'job_update', jobId: 'j', seq: 2, status: 'completed', title: 'J' });
    socket.say({ type: 'end', jobId: 'j', seq: 2, status: 'completed' });
  };
  await follow({ jobId: 'j', baseUrl: sockets.url, transports: ['ws'] });
  await reaches('ended');
  await eventually('the connection is closed', () => sockets.open === 0);
});

test('where no WebSocket gets through, the stream takes its place at once', async () => {
  const job = await server.createJob();
  await follow({ jobId: job.id, baseUrl: proxy.url, transports: ['ws', 'sse', 'poll'] });
  await reaches('live');
  assert.equal(await page.evaluate(() => window.stream.transport), 'sse');
  assert.deepEqual(await page.evaluate(() => window.states), ['connecting', 'live']);
});
