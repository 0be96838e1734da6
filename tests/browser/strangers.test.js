/* Answers that are not the server's own end nothing; its own do, until somebody wants to try again. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { follower, reaches } from './support/follow.js';
import { proxied } from './support/proxied.js';
import { problem } from './support/script.js';
import { eventually } from './support/wait.js';
import { pairs } from './support/whole.js';

const TRANSPORTS = ['ws', 'sse', 'poll'];
const HTML = { 'content-type': 'text/html' };
const follow = follower();
const { server, proxy } = proxied();

/** Whatever is asked for is answered so, as by a proxy whose server is away. */
const all = (answer) => () => answer;
const told = ({ body, ...more }) => ({ ...more, body: JSON.stringify(body) });

const FOREIGN = [
  ['404 as text', { status: 404, headers: { 'content-type': 'text/plain' }, body: 'default backend - 404' }],
  ['403 as HTML', { status: 403, headers: HTML, body: '<h1>Forbidden</h1>' }],
  ['401 as HTML', { status: 401, headers: HTML, body: '<h1>Sign in to the network</h1>' }],
  ['410 with nothing', { status: 410 }],
  ['400 as JSON without a problem', { status: 400, headers: { 'content-type': 'application/json' }, body: '{"code":"no"}' }],
  ['404 as a problem without a code', told({ ...problem(404), body: { title: 'Not Found', status: 404 } })],
  ['200 as HTML', { status: 200, headers: HTML, body: '<h1>Back soon</h1>' }],
  ['200 as JSON of something else', { status: 200, headers: { 'content-type': 'application/json' }, body: '{"ok":true}' }],
  ['204', { status: 204 }],
];
for (const [[what, answer], transport] of pairs(FOREIGN, TRANSPORTS)) {
  test(`${what} is nobody's word: the stream waits and comes back (${transport})`, async () => {
    const job = await server.createJob();
    const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: [transport] });
    await reaches(seen, 'live', 'polling');
    proxy.rule = all(answer);
    proxy.cut();
    await eventually('it has tried twice', () => seen.pauses.length >= 3);
    assert.equal(seen.states.includes('failed'), false);
    await server.report(job.id, { taskId: 'read', status: 'completed' });
    proxy.rule = () => undefined;
    await eventually('the update is here', () => seen.seqs.length === 1);
  });
}

const LATER = [[429, 'rate_limited'], [408, 'timeout'], [425, 'too_early'], [503, 'overloaded']];
for (const [[status, code], transport] of pairs(LATER, TRANSPORTS)) {
  test(`the server's ${status} is waited out on the same transport (${transport})`, async () => {
    const job = await server.createJob();
    proxy.rule = all(told(problem(status, code, 'Later.', { 'retry-after': '1' })));
    const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: [transport, 'poll'] });
    await eventually('it waits', () => seen.pauses.length === 2 || seen.states.includes('failed'));
    assert.equal(seen.states.includes('failed'), false);
    assert.equal(seen.stream.error.code, code);
    assert.ok(seen.pauses.every((ms) => ms >= 1000), `pauses: ${seen.pauses}`);
    proxy.rule = () => undefined;
    await reaches(seen, 'live', 'polling');
    assert.equal(seen.stream.transport, transport);
    assert.equal(seen.states.includes('failed'), false);
  });
}

test('a stream that the server refused tries again by reconnect()', async () => {
  const seen = follow({ jobId: 'later', baseUrl: proxy.url });
  await reaches(seen, 'failed');
  assert.equal(seen.stream.error.code, 'not_found');
  await server.createJob({ id: 'later' });
  seen.stream.reconnect();
  await reaches(seen, 'live');
  assert.equal(seen.stream.error, undefined);
});

test('a report that a proxy answered is repeated, and one that the server refuses is not', async () => {
  const job = await server.createJob();
  const { stream } = follow({ jobId: job.id, baseUrl: proxy.url });
  let answers = 2;
  proxy.rule = ({ method }) => (method === 'POST' && answers-- > 0 ? FOREIGN[0][1] : undefined);
  assert.equal((await stream.report({ taskId: 'read', status: 'completed' })).seq, 2);
  await assert.rejects(stream.report({ taskId: 'read', status: 'nonsense' }), { status: 422, ours: true, fatal: true });
});

test('a job that is deleted while it is polled ends as deleted', async () => {
  const { SocketServer } = await import('./support/socket.js');
  const mocked = await SocketServer.start();
  let asked = 0;
  const page = { jobId: 'j', epoch: 'e', cursor: 'e.1', head: 1, status: 'in_progress', events: [], pollIntervalMs: 10 };
  mocked.plain = () => ({ body: asked++ ? { ...page, head: 7, status: 'deleted', terminal: true } : page });
  const seen = follow({ jobId: 'j', cursor: 'e.1', baseUrl: mocked.url, transports: ['poll'] });
  await reaches(seen, 'ended');
  assert.equal(seen.stream.jobStatus, 'deleted');
  await mocked.stop();
});

test('JSON of somebody else is no answer to a poll, although it has a status', async () => {
  proxy.rule = all({ status: 200, headers: { 'content-type': 'application/json' }, body: '{"status":"error"}' });
  const job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: ['poll'] });
  await reaches(seen, 'reconnecting', 'polling');
  assert.equal(seen.stream.state, 'reconnecting');
  assert.equal(seen.stream.error.code, 'content_type');
});

test('a stream that asks something else than joblight says so at once', async () => {
  proxy.rule = all({ status: 404, headers: HTML, body: '<h1>Not found</h1>' });
  const seen = follow({ jobId: 'j', baseUrl: proxy.url, transports: ['sse'] });
  await reaches(seen, 'reconnecting');
  assert.equal(seen.stream.error.message, 'Something else than joblight answered 404: is the base URL right?');
});

for (const [where, origin] of [
  ['of another origin', 'http://page.example'],
  ['of its own origin', 'http://127.0.0.1:9'],
]) {
  test(`a server ${where} that cannot be reached is not said to refuse the page`, async () => {
    globalThis.location = new URL(origin);
    try {
      const seen = follow({ jobId: 'j', baseUrl: 'http://127.0.0.1:9', transports: ['sse'] });
      await reaches(seen, 'reconnecting');
      assert.equal(seen.stream.error.message, 'The server cannot be reached');
    } finally {
      delete globalThis.location;
    }
  });
}
