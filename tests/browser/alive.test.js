/* A stream is `live` only while data arrives; silence is checked, and a slow large message is no silence. */
import assert from 'node:assert/strict';
import { after, afterEach, before, mock, test } from 'node:test';
import { follower, range, reaches } from './support/follow.js';
import { proxied } from './support/proxied.js';
import { connected, problem, snapshot, update } from './support/script.js';
import { SlowLine } from './support/slow.js';
import { SocketServer } from './support/socket.js';
import { eventually } from './support/wait.js';
import { some } from './support/whole.js';

const LONG = Boolean(process.env.JOBLIGHT_TEST_LONG);
const follow = follower();
const { server, proxy } = proxied();
let sockets;

before(async () => { sockets = await SocketServer.start(); });
after(() => sockets.stop());
afterEach(() => sockets.reset());

const quickBeats = (text) => text.replace('"heartbeatMs":30000', '"heartbeatMs":400').replace(/^retry:.*$/m, 'retry: 1');
const took = (seen, from, to) => seen.times[to] - seen.times[from];

/** Writes down when each state was first reached. */
function timed(seen) {
  seen.times = {};
  seen.stream.addEventListener('state', ({ detail }) => { seen.times[detail.state] ??= Date.now(); });
  return seen;
}

test('a WebSocket that is silent for 1.2 heartbeats is asked, and its pong keeps it', async () => {
  let pings = 0;
  sockets.script = (socket, query) => {
    socket.say(connected(query.get('since'), { heartbeatMs: 300 }));
    socket.hears = ({ type }) => {
      if (type === 'ping' && ++pings) socket.say({ type: 'pong' });
    };
  };
  const seen = timed(follow({ jobId: 'j', baseUrl: sockets.url, transports: ['ws'] }));
  await eventually('it was asked three times', () => pings >= 3);
  await reaches(seen, 'live');
  assert.equal(sockets.asked.length, 1);
  assert.deepEqual(seen.states.slice(0, 4), ['connecting', 'live', 'checking', 'live']);
  assert.ok(took(seen, 'live', 'checking') >= 340, `${took(seen, 'live', 'checking')} ms`);
});

test('a WebSocket that does not answer in 4 s is lost, and the cause is the silence', async () => {
  let asked = 0;
  sockets.script = (socket, query) => socket.say(connected(query.get('since'), { heartbeatMs: asked++ ? 30000 : 200 }));
  const seen = timed(follow({ jobId: 'j', baseUrl: sockets.url, transports: ['ws'] }));
  await eventually('it came back', () => asked === 2);
  await reaches(seen, 'live');
  assert.deepEqual(seen.states, ['connecting', 'live', 'checking', 'reconnecting', 'live']);
  assert.deepEqual(seen.codes, ['silent']);
  const waited = took(seen, 'checking', 'reconnecting');
  assert.ok(waited >= 3950 && waited < 8000, `${waited} ms`);
});

test('a plain request that works and tells of nothing new keeps a stream', async () => {
  proxy.rewrite = (text) => text.replace('"heartbeatMs":30000', '"heartbeatMs":3000');
  const job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: ['sse'] });
  await reaches(seen, 'live');
  await eventually('it was asked', () => proxy.asked('limit=1').length === 1);
  await reaches(seen, 'live');
  await server.report(job.id, { taskId: 'read', status: 'completed' });
  await eventually('the update is here', () => seen.seqs.length === 1);
  assert.deepEqual(seen.codes, []);
  assert.deepEqual(seen.states.slice(0, 4), ['connecting', 'live', 'checking', 'live']);
});

test('a stream whose server knows of more than came is lost, although requests work', async () => {
  proxy.rewrite = quickBeats;
  const job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: ['sse'] });
  await reaches(seen, 'live');
  proxy.silence();
  await server.report(job.id, { taskId: 'read', status: 'completed' });
  await reaches(seen, 'reconnecting');
  assert.deepEqual(seen.codes, ['silent']);
  await eventually('the update is here', () => seen.seqs.length === 1);
});

test('JSON of somebody else is no answer to the check', async () => {
  proxy.rewrite = quickBeats;
  const job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: ['sse'] });
  await reaches(seen, 'live');
  proxy.silence();
  proxy.rule = ({ url }) => (url.includes('/updates') ? { status: 200, headers: { 'content-type': 'application/json' },
    body: '{"message":"maintenance"}' } : undefined);
  await reaches(seen, 'reconnecting');
  assert.deepEqual(seen.states.slice(0, 4), ['connecting', 'live', 'checking', 'reconnecting']);
  assert.deepEqual(seen.codes, ['content_type']);
});

test('where the check cannot reach the server either, that is the cause', async () => {
  proxy.rewrite = quickBeats;
  const job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: ['sse'] });
  await reaches(seen, 'live');
  proxy.rule = () => 'cut';
  proxy.silence();
  await reaches(seen, 'reconnecting');
  assert.deepEqual(seen.codes, ['network']);
});

test('where the server answers the check with a refusal for load, it is alive', async () => {
  proxy.rewrite = quickBeats;
  const job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: ['sse'] });
  await reaches(seen, 'live');
  const { body, ...head } = problem(503, 'overloaded', 'Busy.');
  proxy.rule = ({ url }) => (url.includes('limit=1') ? { ...head, body: JSON.stringify(body) } : undefined);
  await eventually('it was checked', () => proxy.asked('limit=1').length >= 1);
  await reaches(seen, 'live');
  assert.deepEqual(seen.codes, []);
  assert.equal(proxy.asked('task-events').length, 1);
});

// A large first message ---------------------------------------------------------------------------

const RATE = 20000;
const BYTES = LONG ? 2500000 : 250000; // twelve seconds, which is longer than any wait for an answer

for (const transport of some(['sse', 'poll'])) {
  test(`${transport}: a first message of ${BYTES} bytes at 20 kB/s comes whole, over one connection`, async () => {
    const job = await server.createLargeJob(BYTES);
    const line = await SlowLine.start(server.url, RATE);
    const seen = timed(follow({ jobId: job.id, baseUrl: line.url, transports: [transport] }));
    const began = Date.now();
    try {
      await eventually('it is here', () => ['live', 'polling'].includes(seen.stream.state), BYTES / RATE * 3000);
      assert.ok(Date.now() - began > BYTES / RATE * 800, 'the line was not slow');
      assert.equal(seen.states.length, 2);
      assert.deepEqual(seen.codes, []);
      assert.equal(line.connections, 1);
    } finally {
      await line.stop();
    }
  });
}

test(`ws: a first message of ${BYTES} bytes at 20 kB/s that was announced comes whole, over one connection`, async () => {
  const note = 'n'.repeat(BYTES);
  const job = snapshot(1, [{ id: 't', title: 'T', status: 'in_progress', note }]);
  sockets.script = (socket) => {
    socket.say({ type: 'opening', jobId: 'j', bytes: BYTES });
    socket.say(connected(undefined, { job, heartbeatMs: 1000 }));
    socket.hears = () => socket.say({ type: 'pong' });
  };
  const line = await SlowLine.start(sockets.url, RATE);
  const began = Date.now();
  const seen = timed(follow({ jobId: 'j', baseUrl: line.url, transports: ['ws', 'sse'] }));
  try {
    await eventually('it is here', () => seen.stream.state === 'live', BYTES / RATE * 3000);
    assert.ok(Date.now() - began > BYTES / RATE * 800, 'it was called live before it was');
    assert.deepEqual(seen.states, ['connecting', 'live']);
    assert.deepEqual(seen.codes, []);
    assert.equal(line.connections, 1);
  } finally {
    await line.stop();
  }
});

/** Long waits take a hundredth of their time; what they were is written down. */
function hurry() {
  const waits = [];
  const wait = globalThis.setTimeout;
  mock.method(globalThis, 'setTimeout', (act, ms, ...more) => {
    if (ms > 20000) waits.push(ms);
    return wait(act, ms > 20000 ? ms / 100 : ms, ...more);
  });
  return waits;
}

/** A server whose WebSocket announces so many bytes and sends none of them; the rest of it works. */
function announces(bytes) {
  sockets.script = (socket) => socket.say({ type: 'opening', jobId: 'j', bytes });
  sockets.plain = ({ url }) => (url.includes('task-events')
    ? { headers: { 'content-type': 'text/event-stream' }, body: `retry: 60000\n\ndata: ${JSON.stringify(connected())}\n\n` }
    : { body: { jobId: 'j', epoch: 'e', cursor: 'e.1', head: 1, status: 'in_progress', job: snapshot() } });
}

test('a WebSocket that dies within an announced message is left for the next transport in time', async () => {
  announces(640000);
  const waits = hurry();
  const seen = follow({ jobId: 'j', baseUrl: sockets.url, transports: ['ws', 'sse'] });
  await eventually('the stream takes over', () => seen.states.includes('live'));
  assert.equal(sockets.asked.length, 1);
  assert.deepEqual(seen.stream.faults.map(({ code }) => code), ['silent']);
  assert.ok(waits.some((ms) => ms > 60000 && ms <= 70000), `waits: ${waits}`);
});

test('a WebSocket within an announced message has no more than 30 s from "offline" on', async () => {
  announces(640000);
  const page = new EventTarget();
  for (const act of ['addEventListener', 'removeEventListener']) globalThis[act] = page[act].bind(page);
  try {
    const seen = follow({ jobId: 'j', baseUrl: sockets.url, transports: ['ws', 'sse'] });
    await eventually('it was announced', () => seen.stream.quietMs === 0);
    const waits = hurry();
    page.dispatchEvent(new Event('offline'));
    assert.deepEqual(waits, [30000]);
    await eventually('the stream takes over', () => seen.states.includes('live'));
    assert.equal(seen.stream.transport, 'sse');
  } finally {
    follow.closeAll();
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});

test('a stream that sends its head and then nothing is left after 5 s', async () => {
  const job = await server.createJob();
  proxy.rule = ({ url }) => (url.includes('task-events') ? 'head' : undefined);
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: ['sse', 'poll'] });
  await reaches(seen, 'polling');
  assert.deepEqual(seen.stream.faults.map(({ code }) => code), ['held']);
});

// What the server's refusal of a stream means -------------------------------------------------------

test('a refusal on a stream that was answered 200 is waited out as it says, on the same transport', async () => {
  const refused = 'retry: 1\n\nevent: refused\ndata: {"code":"overloaded","status":503,"retryAfterMs":1500}\n\n';
  let refusals = 4;
  sockets.plain = ({ url }) => {
    const since = new URL(url, 'http://x').searchParams.get('since');
    const opening = `retry: 1\n\ndata: ${JSON.stringify(connected(since))}\n\ndata: ${JSON.stringify(update(2))}\n\n`;
    return { headers: { 'content-type': 'text/event-stream' }, body: refusals-- > 0 ? refused : opening };
  };
  const seen = follow({ jobId: 'j', baseUrl: sockets.url, transports: ['sse', 'poll'] });
  await eventually('it was refused four times', () => seen.pauses.length >= 4);
  const { code, status, message } = seen.stream.error;
  assert.deepEqual({ code, status, message }, { code: 'overloaded', status: 503, message: 'The server is busy' });
  await eventually('the update is here', () => seen.seqs.length === 1);
  assert.deepEqual(seen.seqs, range(2, 2));
  assert.ok(seen.pauses.slice(0, 4).every((ms) => ms >= 1500), `pauses: ${seen.pauses}`);
  assert.ok(sockets.requests.every(({ url }) => url.includes('task-events')), 'it left the stream');
  assert.equal(sockets.requests[0].headers.accept, 'text/event-stream');
});
