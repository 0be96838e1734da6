/*
 * The class TaskEventStream in Node, against the real server, through a proxy that has faults: streams and polling.
 * Node has a WebSocket since 22; without it, as here, the ladder is the same on all of them (socket.test.js has both).
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, afterEach, before, mock, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Proxy } from './support/proxy.js';
import { problem } from './support/script.js';
import { Server } from './support/server.js';
import { eventually, pause } from './support/wait.js';
import { TaskEventStream, WWW, backoffMs } from './support/www.js';

delete globalThis.WebSocket;

const A_PAGE = { status: 200, headers: { 'content-type': 'text/html' } };

let server;
let proxy;
const streams = [];

before(async () => {
  server = await Server.start();
  proxy = await Proxy.start(server.url);
});
after(async () => {
  await proxy.stop();
  await server.stop();
});
afterEach(() => {
  mock.restoreAll();
  for (const stream of streams.splice(0)) stream.close();
  proxy.rule = () => undefined;
  proxy.rewrite = (text) => text;
  proxy.requests.length = 0;
});

/** A stream that writes down all it says. */
function follow(jobId, options = {}) {
  const seen = { updates: [], statuses: [], snapshots: [], states: [], changes: [] };
  const stream = new TaskEventStream({
    jobId,
    baseUrl: proxy.url,
    onTaskUpdate: (update) => seen.updates.push(update),
    onJobUpdate: (status) => seen.statuses.push(status),
    onSnapshot: (job, { reason }) => seen.snapshots.push({ job, reason }),
    onStateChange: (change) => {
      seen.states.push(change.state);
      seen.changes.push(change);
    },
    ...options,
  });
  streams.push(stream);
  stream.start();
  return Object.assign(seen, { stream, seqs: () => seen.updates.map(({ seq }) => seq) });
}

const reaches = (stream, state) => eventually(`the stream is ${state}`, () => stream.state === state);
const count = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function reportMany(jobId, times) {
  for (let i = 0; i < times; i++) {
    await server.report(jobId, { taskId: 'read', status: 'in_progress', progress: i % 101 });
  }
}

test('backoff is full jitter: nothing to 0.5 s, doubling to 30 s', () => {
  mock.method(Math, 'random', () => 1);
  assert.deepEqual([0, 1, 2, 5, 6, 50].map(backoffMs), [500, 1000, 2000, 16000, 30000, 30000]);
  mock.method(Math, 'random', () => 0);
  assert.equal(backoffMs(9), 0);
});

test('it goes live and hands out every update once and in order', async () => {
  const job = await server.createJob();
  const seen = follow(job.id, { jobStatus: 'in_progress' });
  await reaches(seen.stream, 'live');
  assert.equal(seen.stream.transport, 'sse');
  assert.equal(seen.snapshots[0].job.tasks.length, 2);
  await reportMany(job.id, 20);
  await eventually('all are here', () => seen.updates.length >= 20);
  assert.deepEqual(seen.seqs(), count(2, 21));
  assert.equal(seen.updates[0].title, 'Read the sources');
  assert.deepEqual(seen.states, ['connecting', 'live']);
});

test('a stream from a given cursor begins exactly there, without a snapshot', async () => {
  const job = await server.createJob();
  await reportMany(job.id, 5);
  const seen = follow(job.id, { cursor: job.cursor });
  await eventually('all are here', () => seen.updates.length >= 5);
  assert.deepEqual(seen.seqs(), count(2, 6));
  assert.deepEqual(seen.snapshots, []);
});

for (const status of ['completed', 'failed', 'cancelled']) {
  test(`a job known to be ${status} costs no request at all`, async () => {
    const seen = follow('whatever', { jobStatus: status });
    assert.equal(seen.stream.state, 'ended');
    seen.stream.reconnect();
    await pause(50);
    assert.equal(proxy.requests.length, 0);
  });
}

test('a job that is not active yet waits without a request, and connects when it is', async () => {
  const job = await server.createJob({ status: 'pending' });
  const seen = follow(job.id, { jobStatus: 'pending' });
  assert.equal(seen.stream.state, 'waiting');
  assert.equal(proxy.requests.length, 0);
  await server.setStatus(job.id, 'in_progress');
  seen.stream.jobStatus = 'in_progress';
  await reaches(seen.stream, 'live');
});

test('a status the page learns to be terminal closes the connection', async () => {
  const job = await server.createJob();
  const seen = follow(job.id, { jobStatus: 'in_progress' });
  await reaches(seen.stream, 'live');
  seen.stream.jobStatus = 'cancelled';
  assert.equal(seen.stream.state, 'ended');
  await eventually('the connection is gone', () => !proxy.open('task-events').length);
});

test('it leaves at the end of the job and never asks again', async () => {
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  await server.setStatus(job.id, 'completed');
  await reaches(seen.stream, 'ended');
  assert.deepEqual(seen.statuses, ['completed']);
  await eventually('the connection is gone', () => !proxy.open('task-events').length);
  await pause(1500); // longer than the first backoff steps
  assert.equal(proxy.requests.length, 1);
});

test('an end that came during a break is learned with one request', async () => {
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  await proxy.refuse();
  await reaches(seen.stream, 'reconnecting');
  await server.report(job.id, { taskId: 'read', status: 'completed' });
  await server.setStatus(job.id, 'completed');
  proxy.requests.length = 0;
  await proxy.accept();
  await reaches(seen.stream, 'ended');
  assert.deepEqual(seen.seqs(), [2]);
  assert.deepEqual(seen.statuses, ['completed']);
  assert.equal(proxy.requests.length, 1);
});

test('a first look at a job that is over gets its snapshot and ends', async () => {
  const job = await server.createJob();
  await server.setStatus(job.id, 'failed');
  const seen = follow(job.id);
  await reaches(seen.stream, 'ended');
  assert.equal(seen.snapshots[0].job.status, 'failed');
});

test('at the very end of a job the answer is 204, and that is an end', async () => {
  const job = await server.createJob();
  const { cursor } = await server.setStatus(job.id, 'completed').then(() => server.call('GET', `/api/jobs/${job.id}`));
  const seen = follow(job.id, { cursor });
  await reaches(seen.stream, 'ended');
  assert.deepEqual(seen.snapshots, []);
  assert.equal(seen.stream.error, undefined);
});

test('refused connections are waited out with growing, jittered pauses, and nothing is lost', async () => {
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  await reportMany(job.id, 10);
  await eventually('the first ten', () => seen.updates.length >= 10);
  mock.method(Math, 'random', () => 1);
  proxy.rewrite = (text) => text.replace(/^retry:.*$/m, 'retry: 0');
  await proxy.refuse();
  await reportMany(job.id, 30);
  await eventually('three tries', () => seen.changes.filter(({ retryInMs }) => retryInMs).length >= 3);
  await proxy.accept();
  await eventually('all forty', () => seen.updates.length >= 40);
  assert.deepEqual(seen.seqs(), count(2, 41));
  const pauses = seen.changes.map(({ retryInMs }) => retryInMs).filter(Boolean);
  assert.ok(pauses.every((ms, i) => ms >= 500 * 2 ** i), `pauses: ${pauses}`);
  assert.equal(seen.stream.transport, 'sse');
});

test('the pause the server asks for with retry: is kept', async () => {
  proxy.rewrite = (text) => text.replace(/^retry:.*$/m, 'retry: 1234');
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  proxy.cut();
  await reaches(seen.stream, 'reconnecting');
  assert.equal(seen.changes.at(-1).retryInMs, 1234);
});

test('503 is waited out as Retry-After says, with its words as the error', async () => {
  const job = await server.createJob();
  const problem = JSON.stringify({ code: 'overloaded', detail: 'Too much to do.' });
  const headers = { 'retry-after': '1', 'content-type': 'application/problem+json' };
  proxy.rule = () => ({ status: 503, headers, body: problem });
  const seen = follow(job.id);
  await eventually('it waits', () => seen.changes.some(({ retryInMs }) => retryInMs === 1000));
  assert.equal(seen.stream.error.code, 'overloaded');
  assert.equal(seen.stream.error.message, 'Too much to do.');
  proxy.rule = () => undefined;
  await reaches(seen.stream, 'live');
  assert.equal(seen.stream.error, undefined);
});

test('a Retry-After that names a time counts from the server’s clock, however wrong ours is', async () => {
  const job = await server.createJob();
  const tomorrow = Date.now() + 86400000;
  const at = (ms) => new Date(tomorrow + ms).toUTCString();
  proxy.rule = () => ({ status: 503, headers: { date: at(0), 'retry-after': at(3000) } });
  const seen = follow(job.id);
  await eventually('it waits', () => seen.changes.some(({ retryInMs }) => retryInMs));
  assert.equal(seen.changes.at(-1).retryInMs, 3000);
});

test('a server that cannot be reached is said to be that, in words', async () => {
  const seen = follow('any', { baseUrl: 'http://127.0.0.1:9' });
  await reaches(seen.stream, 'reconnecting');
  const { code, message } = seen.stream.error;
  assert.deepEqual({ code, message }, { code: 'network', message: 'The server cannot be reached' });
});

test('a base URL may end in a slash', async () => {
  const job = await server.createJob();
  await reaches(follow(job.id, { baseUrl: `${proxy.url}/` }).stream, 'live');
});

test('502 with a page of HTML from a proxy is waited out on the same transport', async () => {
  const job = await server.createJob();
  proxy.rule = () => ({ status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>Bad Gateway</h1>' });
  const seen = follow(job.id);
  await reaches(seen.stream, 'reconnecting');
  proxy.rule = () => undefined;
  await reaches(seen.stream, 'live');
  assert.equal(seen.stream.transport, 'sse');
});

test('an unknown job fails with the server’s words, and is not asked for again', async () => {
  const seen = follow('no-such-job');
  await reaches(seen.stream, 'failed');
  assert.equal(seen.stream.error.code, 'not_found');
  await pause(700);
  assert.equal(proxy.requests.length, 1);
});

test('a clean close in mid-stream is a break, not an end', async () => {
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  proxy.rewrite = (text) => text.replace(/^retry:.*$/m, 'retry: 1');
  for (const { upstream } of proxy.requests) upstream.emit('end');
  await reaches(seen.stream, 'reconnecting');
  assert.equal(seen.stream.error.code, 'closed');
  await reportMany(job.id, 3);
  await eventually('all are here', () => seen.updates.length >= 3);
  assert.deepEqual(seen.seqs(), [2, 3, 4]);
});

test('a dead line is noticed by a check after 1.2 heartbeats, and nothing is lost', async () => {
  proxy.rewrite = (text) => text.replace('"heartbeatMs":30000', '"heartbeatMs":400').replace(/^retry:.*$/m, 'retry: 1');
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  proxy.silence();
  await reportMany(job.id, 5);
  await reaches(seen.stream, 'reconnecting');
  assert.equal(seen.stream.error.code, 'silent');
  proxy.rewrite = (text) => text;
  await eventually('all are here', () => seen.updates.length >= 5);
  assert.deepEqual(seen.seqs(), count(2, 6));
});

test('a proxy that holds streams back is noticed in 5 s, and polling takes over', async () => {
  proxy.rule = ({ url }) => (url.includes('task-events') ? 'hold' : undefined);
  const job = await server.createJob();
  const seen = follow(job.id);
  const began = Date.now();
  await reaches(seen.stream, 'polling');
  assert.ok(Date.now() - began < 7000);
  assert.equal(seen.stream.error, undefined);
  assert.deepEqual(seen.stream.faults.map(({ code }) => code), ['held', 'refused']);
  await reportMany(job.id, 10);
  await eventually('all are here', () => seen.updates.length >= 10);
  assert.deepEqual(seen.seqs(), count(2, 11));
  assert.deepEqual(seen.states, ['connecting', 'polling']);
});

test('while polling, the stream is tried again beside it, and takes over without a gap', async () => {
  proxy.rule = ({ url }) => (url.includes('task-events') ? A_PAGE : undefined);
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'polling');
  proxy.rule = () => undefined;
  const now = Date.now;
  mock.method(Date, 'now', () => now() + 61000); // a minute later
  await reportMany(job.id, 5);
  await reaches(seen.stream, 'live');
  await reportMany(job.id, 5);
  await eventually('all are here', () => seen.updates.length >= 10);
  assert.deepEqual(seen.seqs(), count(2, 11));
  assert.equal(seen.stream.transport, 'sse');
  await eventually('only the stream is left', () => !proxy.open('/updates').length);
  const polled = proxy.asked('/updates').length;
  await reportMany(job.id, 1);
  await eventually('it is here', () => seen.updates.length === 11);
  await pause(500); // a poll would have followed in 200 ms
  assert.equal(proxy.asked('/updates').length, polled);
});

test('a transport that has worked is tried twice before it is left', async () => {
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  proxy.rule = ({ url }) => (url.includes('task-events') ? A_PAGE : undefined);
  proxy.rewrite = (text) => text.replace(/^retry:.*$/m, 'retry: 1');
  proxy.cut();
  await reaches(seen.stream, 'polling');
  assert.equal(proxy.asked('task-events').length, 3); // the one that worked, and two tries
  assert.equal(seen.stream.faults[0].code, 'content_type');
});

test('a lower transport that fails as well sends it back to the top: it was the network', async () => {
  let calls = 0;
  proxy.rule = ({ url }) => {
    calls++;
    if (url.includes('task-events')) return calls === 1 ? A_PAGE : undefined;
    return { status: 502, body: 'down' };
  };
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  assert.equal(seen.stream.transport, 'sse');
});

test('long polling waits on the server and is told at once', async () => {
  const job = await server.createJob();
  const seen = follow(job.id, { transports: ['poll'] });
  await reaches(seen.stream, 'polling');
  await eventually('it waits', () => proxy.open('wait=').length === 1, 1000);
  const asked = proxy.requests.length;
  await pause(1000);
  assert.equal(proxy.requests.length, asked);
  await server.report(job.id, { taskId: 'read', status: 'completed' });
  await eventually('it is here', () => seen.updates.length === 1);
  assert.ok(proxy.requests.length <= asked + 1, 'the request that waited brought it, and one more waits');
});

test('polling takes all of a long log, page after page, before it ends', async () => {
  const job = await server.createJob();
  const batch = Array.from({ length: 200 }, (_, i) => ({ taskId: 'read', status: 'in_progress', progress: i % 101 }));
  for (let i = 0; i < 3; i++) await server.report(job.id, batch);
  await server.setStatus(job.id, 'completed');
  const seen = follow(job.id, { cursor: job.cursor, transports: ['poll'] });
  await reaches(seen.stream, 'ended');
  assert.deepEqual(seen.seqs(), count(2, 601));
  assert.ok(proxy.requests.length >= 2);
});

test('polling ends with the job', async () => {
  const job = await server.createJob();
  const seen = follow(job.id, { transports: ['poll'] });
  await reaches(seen.stream, 'polling');
  await server.setStatus(job.id, 'completed');
  await reaches(seen.stream, 'ended');
  assert.deepEqual(seen.statuses, ['completed']);
});

test('a position the server does not know gets a snapshot with the reason, and what changed as updates', async () => {
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  await server.report(job.id, { taskId: 'read', status: 'in_progress', note: 'seen' });
  await eventually('it is here', () => seen.updates.length === 1);
  await proxy.refuse();
  await server.report(job.id, { taskId: 'write', status: 'in_progress', note: 'missed' });
  proxy.rule = (request) => { request.url = request.url.replace(/since=[^.&]*/, 'since=00000000'); };
  await proxy.accept();
  await eventually('the snapshot', () => seen.snapshots.length === 2);
  assert.equal(seen.snapshots[1].reason, 'epoch');
  assert.deepEqual(seen.updates.slice(1).map(({ taskId, note, snapshot }) => ({ taskId, note, snapshot })),
    [{ taskId: 'write', note: 'missed', snapshot: true }]);
});

test('a report whose answer was lost is repeated under its key: one event', async () => {
  const job = await server.createJob();
  const seen = follow(job.id);
  await reaches(seen.stream, 'live');
  let cuts = 2;
  proxy.rule = ({ method }) => (method === 'POST' && cuts-- > 0 ? 'cut' : undefined);
  const receipt = await seen.stream.report({ taskId: 'read', status: 'completed', note: 'once' });
  assert.equal(receipt.seq, 2);
  const keys = proxy.asked('agent-hooks').map(({ headers }) => headers['idempotency-key']);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  await server.report(job.id, { taskId: 'write', status: 'completed' });
  await eventually('both are here', () => seen.updates.length >= 2);
  assert.deepEqual(seen.seqs(), [2, 3]);
});

test('a report that the server refuses is not repeated', async () => {
  const job = await server.createJob();
  const { stream } = follow(job.id);
  await assert.rejects(stream.report({ taskId: 'read', status: 'nonsense' }), { status: 422, fatal: true });
  assert.equal(proxy.asked('agent-hooks').length, 1);
});

test('for await gives the snapshot and the events, and ends with the job', async () => {
  const job = await server.createJob();
  const stream = new TaskEventStream({ jobId: job.id, baseUrl: proxy.url });
  const types = [];
  for await (const event of stream) {
    types.push(event.type);
    if (event.type === 'snapshot') {
      await server.report(job.id, { taskId: 'read', status: 'completed' });
      await server.setStatus(job.id, 'completed');
    }
  }
  assert.deepEqual(types, ['snapshot', 'task_update', 'job_update']);
  assert.equal(stream.state, 'ended');
});

test('for await throws when the stream fails, and leaving the loop closes it', async () => {
  await assert.rejects(async () => {
    for await (const event of new TaskEventStream({ jobId: 'nobody', baseUrl: proxy.url })) assert.fail(event.type);
  }, { code: 'not_found' });
  const job = await server.createJob();
  const stream = new TaskEventStream({ jobId: job.id, baseUrl: proxy.url });
  for await (const event of stream) if (event.type === 'snapshot') break;
  assert.equal(stream.state, 'closed');
  await eventually('the connection is gone', () => !proxy.open('task-events').length);
});

test('a token is asked for once more after 401, then the stream fails', async () => {
  const job = await server.createJob();
  const asked = [];
  const token = async ({ refresh }) => {
    asked.push(refresh);
    return refresh ? 'fresh' : 'stale';
  };
  const { body, ...head } = problem(401, 'unauthorized', 'The token is over.');
  const refusal = { ...head, body: JSON.stringify(body) };
  proxy.rule = ({ headers }) => (headers.authorization === 'Bearer fresh' ? undefined : refusal);
  const seen = follow(job.id, { token });
  await reaches(seen.stream, 'live');
  assert.deepEqual(asked, [false, true]);
  proxy.rule = () => refusal;
  const refused = follow(job.id, { token });
  await reaches(refused.stream, 'failed');
  assert.deepEqual(asked, [false, true, false, true]);
});

for (const [what, transport] of [['stream', 'sse'], ['poll', 'poll']]) {
  test(`a closed ${what} leaves nothing behind that keeps Node running`, async () => {
    const job = await server.createJob();
    const client = pathToFileURL(join(WWW, 'joblight.js')).href;
    const script = `
      const { TaskEventStream } = await import(${JSON.stringify(client)});
      const stream = new TaskEventStream(
        { jobId: '${job.id}', baseUrl: '${server.url}', transports: ['${transport}'] });
      stream.addEventListener('state', ({ detail }) => {
        if (detail.state === 'live' || detail.state === 'polling') setImmediate(() => stream.close());
      });
      stream.start();`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 10000 });
  });
}

test('close and abort end the connection at once, in every state', async () => {
  const job = await server.createJob();
  const live = follow(job.id).stream;
  await reaches(live, 'live');
  live.close();
  const abort = new AbortController();
  const connecting = follow(job.id, { signal: abort.signal }).stream;
  abort.abort();
  assert.equal(connecting.state, 'closed');
  await eventually('the connections are gone', () => !proxy.open('task-events').length);
  await proxy.refuse();
  const waiting = follow(job.id).stream;
  await reaches(waiting, 'reconnecting');
  waiting.close();
  await proxy.accept();
  await pause(700);
  assert.equal(waiting.state, 'closed');
  assert.equal(proxy.open('task-events').length, 0);
});
