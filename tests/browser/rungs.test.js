/* When a transport is left for the next one, and when it is not. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { follower, range, reaches } from './support/follow.js';
import { proxied } from './support/proxied.js';
import { eventually } from './support/wait.js';

const SSE = { 'content-type': 'text/event-stream' };
const HTML = { 'content-type': 'text/html' };
const follow = follower();
const { server, proxy } = proxied();
let job;

const tell = async (times) => {
  for (let i = 0; i < times; i++) await server.report(job.id, { taskId: 'read', status: 'in_progress', progress: i });
};
const quick = (text) => text.replace(/^retry:.*$/m, 'retry: 1');
const noSocket = ({ headers }) => (headers.upgrade ? { status: 400 } : undefined);
const isStream = ({ url }) => url.includes('task-events');

const DYING = [
  ['is empty', { status: 200, headers: SSE }],
  ['is reset after its headers', 'reset'],
  ['ends within its first event', { status: 200, headers: SSE, body: 'data: {"type":"conn' }],
  ['is answered 504 by a proxy', { status: 504, headers: HTML, body: '<h1>Gateway Time-out</h1>' }],
  ['is answered 403 by a firewall', { status: 403, headers: HTML, body: '<h1>Request blocked</h1>' }],
  ['is a page of a firewall', { status: 200, headers: HTML, body: '<h1>Request blocked</h1>' }],
  ['is cut before its headers', 'cut'],
];
for (const [how, answer] of DYING) {
  test(`where the stream ${how} and no WebSocket gets through, polling takes over, with nothing lost`, async () => {
    job = await server.createJob();
    proxy.rule = (request) => noSocket(request) || (isStream(request) ? answer : undefined);
    const seen = follow({ jobId: job.id, baseUrl: proxy.url, cursor: job.cursor });
    await tell(10);
    await reaches(seen, 'polling');
    await tell(30);
    await eventually('all forty', () => seen.seqs.length >= 40);
    assert.deepEqual(seen.seqs, range(2, 41));
    assert.equal(seen.stream.faults.length, 2);
    assert.equal(seen.stream.error, undefined);
  });
}

/** Cuts the open connections of a kind as soon as they delivered something, again and again. */
function flap(seen, part, rounds) {
  const cut = new Set();
  return eventually(`${rounds} of them were cut`, async () => {
    await tell(1);
    for (const entry of proxy.open(part)) {
      const { upstream } = entry;
      if (upstream && !upstream.destroyed && Date.now() - entry.at > 1000 && /live|polling/.test(seen.stream.state)) {
        cut.add(entry);
        upstream.destroy();
      }
    }
    return cut.size >= rounds;
  });
}

for (const [top, part] of [['ws', '/api/ws'], ['sse', 'task-events']]) {
  test(`a ${top} that works for a second and is cut, again and again, is left at the third time`, async () => {
    job = await server.createJob();
    proxy.rewrite = quick;
    const next = top === 'ws' ? 'sse' : 'poll';
    const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: [top, next] });
    await reaches(seen, 'live');
    await flap(seen, part, 2);
    await reaches(seen, 'live');
    assert.equal(seen.stream.transport, top);
    await flap(seen, part, 3 - 2);
    await eventually('it goes on below', () => seen.stream.transport === next && /live|polling/.test(seen.stream.state));
    await tell(3);
    const { seq } = await server.call('GET', `/api/jobs/${job.id}`);
    await eventually('all are here', () => seen.seqs.length >= seq - 1);
    assert.deepEqual(seen.seqs, range(2, seq));
    assert.ok(Math.max(...seen.pauses) <= 500, `pauses: ${seen.pauses}`);
    assert.equal(seen.stream.faults[0].code, top === 'ws' ? 'closed' : 'network');
  });
}

test('three breaks in more than a minute are nothing', async () => {
  job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: ['ws', 'sse'] });
  const now = Date.now;
  for (let i = 1; i <= 4; i++) {
    await reaches(seen, 'live');
    proxy.cut();
    await eventually('it is noticed', () => seen.states.filter((state) => state === 'reconnecting').length === i);
    mock.method(Date, 'now', () => now() + 31000 * i);
  }
  await reaches(seen, 'live');
  assert.equal(seen.stream.transport, 'ws');
});

test('a server that is away is no fault of the transport, however often it is tried', async () => {
  job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url });
  await reaches(seen, 'live');
  mock.method(Math, 'random', () => 0.01);
  await proxy.refuse();
  await eventually('six tries', () => seen.pauses.length >= 6);
  await proxy.accept();
  await reaches(seen, 'live');
  assert.equal(seen.stream.transport, 'ws');
  assert.deepEqual(seen.stream.faults, []);
});

test('no answer in 1.5 s starts the next transport beside it, and the first that comes up wins', async () => {
  job = await server.createJob();
  proxy.rule = ({ headers }) => (headers.upgrade ? 'hold' : undefined);
  const began = Date.now();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url });
  await reaches(seen, 'live');
  const took = Date.now() - began;
  assert.ok(took >= 1400 && took < 5000, `${took} ms`);
  assert.equal(seen.stream.transport, 'sse');
  assert.deepEqual(seen.stream.faults.map(({ code }) => code), ['refused']);
  await eventually('the other is closed', () => !proxy.open('/api/ws').length);
});

test('the top that had to be left again is tried again later each time', async () => {
  job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: ['ws', 'sse'] });
  proxy.rewrite = quick;
  const { now } = Date;
  let later = 0;
  mock.method(Date, 'now', () => now() + later);
  const leave = async () => {
    await eventually('it is on top', () => seen.stream.transport === 'ws' && seen.stream.state === 'live');
    await flap(seen, '/api/ws', 3);
    await eventually('it goes on below', () => seen.stream.transport === 'sse' && seen.stream.state === 'live');
  };
  await leave();
  later += 61000;
  await tell(1);
  await leave();
  const handshakes = proxy.asked('/api/ws').length;
  later += 61000;
  await tell(1);
  await eventually('it hears', () => seen.seqs.at(-1) === seen.stream.cursor.split('.')[1] * 1);
  assert.equal(proxy.asked('/api/ws').length, handshakes);
  later += 61000;
  await tell(1);
  await eventually('it climbs', () => proxy.asked('/api/ws').length > handshakes);
});
