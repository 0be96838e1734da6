/* One WebSocket for many streams, and for what is reported: in Node with the npm package ws. */
import assert from 'node:assert/strict';
import { after, afterEach, before, mock, test } from 'node:test';
import { WebSocket } from 'ws';
import { Proxy } from './support/proxy.js';
import { connected, update } from './support/script.js';
import { Server } from './support/server.js';
import { SocketServer } from './support/socket.js';
import { eventually, pause } from './support/wait.js';
import { JobLight } from './support/www.js';

let server;
let proxy;
let sockets;
const streams = [];

before(async () => {
  [server, sockets] = await Promise.all([Server.start(), SocketServer.start()]);
  proxy = await Proxy.start(server.url);
});
after(async () => {
  await sockets.stop();
  await proxy.stop();
  await server.stop();
});
afterEach(() => {
  mock.restoreAll();
  for (const stream of streams.splice(0)) stream.close();
  proxy.rule = () => undefined;
  proxy.requests.length = 0;
  sockets.reset();
});

const clientOf = (options) =>
  new JobLight({ baseUrl: proxy.url, WebSocket, transports: ['ws', 'sse', 'poll'], ...options });

function follow(client, jobId, options) {
  const seen = { seqs: [], states: [] };
  const stream = client.stream({
    jobId,
    onTaskUpdate: ({ seq }) => seen.seqs.push(seq),
    onStateChange: ({ state, transport }) => seen.states.push(`${state} ${transport}`),
    ...options,
  });
  streams.push(stream);
  stream.start();
  return Object.assign(seen, { stream });
}

const live = (...all) => eventually('all are live', () => all.every(({ stream }) => stream.state === 'live'));
const jobs = (count) => Promise.all(Array.from({ length: count }, () => server.createJob()));
const handshakes = () => proxy.asked('/api/ws').length;
const tell = (job, times) => server.report(job.id,
  Array.from({ length: times }, (_, i) => ({ taskId: 'read', status: 'in_progress', progress: i })));
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('twenty streams share one connection, each with a position of its own', async () => {
  const client = clientOf();
  const all = (await jobs(20)).map((job) => ({ job, ...follow(client, job.id) }));
  await live(...all);
  assert.equal(handshakes(), 1);
  await Promise.all(all.map(({ job }, i) => tell(job, i + 1)));
  await eventually('all is here', () => all.every(({ seqs }, i) => seqs.length === i + 1));
  all.forEach(({ seqs }, i) => assert.deepEqual(seqs, range(2, i + 2)));
  assert.equal(proxy.requests.length, 1);
});

test('a stream that leaves is not heard of any more, and the last one closes the connection', async () => {
  const client = clientOf();
  const [one, two] = await jobs(2);
  const [first, second] = [follow(client, one.id), follow(client, two.id)];
  await live(first, second);
  first.stream.close();
  await Promise.all([tell(one, 3), tell(two, 3)]);
  await eventually('the other goes on', () => second.seqs.length === 3);
  assert.deepEqual(first.seqs, []);
  second.stream.close();
  await eventually('the connection is closed', () => !proxy.open('/api/ws').length);
});

test('a stream that leaves and comes back at once sits on the same connection and misses nothing', async () => {
  const client = clientOf();
  const [job] = await jobs(1);
  const seen = follow(client, job.id);
  await live(seen);
  for (let i = 0; i < 5; i++) {
    await tell(job, 10);
    seen.stream.close();
    seen.stream.start();
    seen.stream.close();
    seen.stream.start();
  }
  await eventually('all is here', () => seen.seqs.length === 50);
  assert.deepEqual(seen.seqs, range(2, 51));
  assert.equal(handshakes(), 1);
});

test('two streams of one job get a connection each, because each has its own position', async () => {
  const client = clientOf();
  const [job] = await jobs(1);
  await tell(job, 5);
  const [fresh, late] = [follow(client, job.id), follow(client, job.id, { cursor: job.cursor })];
  await live(fresh, late);
  await tell(job, 5);
  await eventually('all is here', () => fresh.seqs.length === 5 && late.seqs.length === 10);
  assert.deepEqual([fresh.seqs, late.seqs], [range(7, 11), range(2, 11)]);
  assert.equal(handshakes(), 2);
});

test('when the connection breaks, all come back over one new connection, with nothing lost or repeated', async () => {
  const client = clientOf();
  const all = (await jobs(20)).map((job) => ({ job, ...follow(client, job.id) }));
  await live(...all);
  await Promise.all(all.map(({ job }) => tell(job, 3)));
  proxy.cut();
  await Promise.all(all.map(({ job }) => tell(job, 3)));
  await eventually('all is here', () => all.every(({ seqs }) => seqs.length >= 6));
  for (const { seqs } of all) assert.deepEqual(seqs, range(2, 7));
  assert.equal(proxy.open('/api/ws').length, 1);
  assert.equal(handshakes(), 2);
});

test('one job that does not exist fails alone', async () => {
  const client = clientOf();
  const [job] = await jobs(1);
  const [good, bad] = [follow(client, job.id), follow(client, 'nobody')];
  await live(good);
  await eventually('it fails', () => bad.stream.state === 'failed');
  assert.equal(bad.stream.error.message, 'there is no job "nobody"');
  await tell(job, 2);
  await eventually('the other goes on', () => good.seqs.length === 2);
  assert.deepEqual(good.states, ['connecting ws', 'live ws']);
});

test('one job that ends leaves alone', async () => {
  const client = clientOf();
  const [one, two] = await jobs(2);
  const [first, second] = [follow(client, one.id), follow(client, two.id)];
  await live(first, second);
  await server.setStatus(one.id, 'completed');
  await eventually('it ends', () => first.stream.state === 'ended');
  await tell(two, 1);
  await eventually('the other goes on', () => second.seqs.length === 1);
  assert.equal(proxy.open('/api/ws').length, 1);
});

test('where no WebSocket gets through, each stream finds its own way', async () => {
  proxy.rule = ({ headers }) => (headers.upgrade ? { status: 400 } : undefined);
  const client = clientOf();
  const all = (await jobs(3)).map((job) => ({ job, ...follow(client, job.id) }));
  await live(...all);
  for (const { stream } of all) assert.equal(stream.transport, 'sse');
});

test('garbage on the connection is a break for all who sit on it', async () => {
  let asked = 0;
  sockets.script = (socket) => {
    const first = !asked++;
    socket.hears = ({ type, jobId, since }) => {
      if (type !== 'subscribe') return;
      socket.say({ ...connected(since), jobId });
      socket.say({ ...update(first ? 2 : 3), jobId });
      if (first && jobId === 'b') socket.raw('{"type":');
    };
  };
  const client = clientOf({ baseUrl: sockets.url });
  const all = [follow(client, 'a'), follow(client, 'b')];
  await eventually('both', () => all.every(({ seqs }) => seqs.length === 2));
  for (const { seqs } of all) assert.deepEqual(seqs, [2, 3]);
  assert.equal(asked, 2);
});

test('a restart tells all who sit on the connection when to come back', async () => {
  sockets.script = (socket) => {
    const first = sockets.asked.length === 1;
    socket.hears = ({ type, jobId, since }) => {
      if (type !== 'subscribe') return;
      socket.say({ ...connected(since), jobId });
      socket.say({ ...update(first ? 2 : 3), jobId });
      if (!first || jobId !== 'b') return;
      socket.say({ type: 'restart', retryMs: 2500 });
      socket.close(1012);
    };
  };
  const client = clientOf({ baseUrl: sockets.url });
  const all = [follow(client, 'a'), follow(client, 'b')];
  await eventually('both', () => all.every(({ seqs }) => seqs.length === 2));
  for (const { seqs } of all) assert.deepEqual(seqs, [2, 3]);
  const [first, second, ...more] = sockets.asked;
  assert.deepEqual(more, []);
  assert.ok(second.at - first.at >= 2500, `they came back after ${second.at - first.at} ms`);
});

test('reports and commands go over the connection and are answered like requests', async () => {
  const client = clientOf();
  const [job] = await jobs(1);
  const seen = follow(client, job.id);
  await live(seen);
  const receipt = await seen.stream.report({ taskId: 'read', status: 'in_progress', note: 'ünïcode 🚀' });
  assert.deepEqual(receipt, { ok: true, seq: 2, cursor: `${job.epoch}.2`, watchers: 1 });
  assert.equal((await client.command(job.id, 'cancel', { taskId: 'read' })).seq, 3);
  assert.equal((await client.report(job.id, { taskId: 'read', status: 'completed' })).seq, 4);
  assert.deepEqual(proxy.requests.map(({ method }) => method), ['GET']);
  await assert.rejects(client.report(job.id, { taskId: 'read', status: 'nonsense' }),
    { code: 'invalid_field', status: 422, fatal: true });
  await assert.rejects(client.command('nobody', 'cancel'), { code: 'not_found', status: 404 });
});

test('without a connection they go by request, and so do batches and what is too long for a frame', async () => {
  const client = clientOf();
  const [job] = await jobs(1);
  assert.equal((await client.report(job.id, { taskId: 'read', status: 'in_progress' })).seq, 2);
  const seen = follow(client, job.id);
  await live(seen);
  const both = await seen.stream.report([{ taskId: 'read', progress: 1 }, { taskId: 'write', progress: 2 }]);
  assert.deepEqual(both.map(({ seq }) => seq), [3, 4]);
  const note = '\u0001'.repeat(12000); // each is six characters of JSON
  assert.equal((await seen.stream.report({ taskId: 'read', note })).seq, 5);
  assert.equal(proxy.requests.filter(({ method }) => method === 'POST').length, 3);
});

test('a report whose ack was lost is repeated under its key, over whatever is there: one event', async () => {
  const client = clientOf();
  const [job] = await jobs(1);
  const seen = follow(client, job.id);
  await live(seen);
  proxy.silence(); // what goes up arrives, what comes down does not
  const receipt = seen.stream.report({ taskId: 'read', status: 'completed', note: 'once' });
  const stored = async () => (await server.call('GET', `/api/jobs/${job.id}`)).seq === 2;
  await eventually('it is stored', stored);
  proxy.cut();
  assert.equal((await receipt).seq, 2);
  assert.equal((await receipt).duplicate ?? true, true);
  await tell(job, 1);
  await eventually('both are here', () => seen.seqs.length === 2);
  assert.deepEqual(seen.seqs, [2, 3]);
});

test('a thousand reports while the connection is cut again and again are stored once each', async () => {
  const client = clientOf();
  const [job] = await jobs(1);
  const seen = follow(client, job.id);
  await live(seen);
  let done = 0;
  const cutter = (async () => {
    for (let cuts = 0; cuts < 10; cuts++) {
      await eventually('some are done', () => done >= cuts * 90);
      proxy.cut();
    }
  })();
  const receipts = await Promise.all(range(1, 1000).map(async (i) => {
    const receipt = await client.report(job.id, { taskId: `t${i % 50}`, status: 'in_progress', note: String(i) });
    done++;
    return receipt;
  }));
  await cutter;
  assert.equal(new Set(receipts.map(({ seq }) => seq)).size, 1000);
  assert.equal((await server.call('GET', `/api/jobs/${job.id}`)).seq, 1001);
  await eventually('all are here', () => seen.seqs.length === 1000);
  assert.deepEqual(seen.seqs, range(2, 1001));
});

test('a ticket opens the connection for all; close 4001 refreshes the token, and all go on', async () => {
  let tickets = 0;
  let subscribed = 0;
  const tokens = [];
  sockets.plain = ({ url, headers }) => (url.endsWith('/tickets')
    ? { body: { ticket: `${headers.authorization} ${++tickets}` } } : { status: 404 });
  sockets.script = (socket) => {
    socket.hears = ({ type, jobId, since, id, token }) => {
      if (type === 'token') { // the ticket was for one of the jobs only
        tokens.push(token);
        socket.say({ type: 'ack', id });
        return;
      }
      socket.say({ ...connected(since), jobId });
      socket.say({ ...update(since ? 3 : 2), jobId });
      if (++subscribed === 3) socket.close(4001);
    };
  };
  const client = clientOf({ baseUrl: sockets.url, token: ({ refresh }) => (refresh ? 'fresh' : 'stale') });
  const all = ['a', 'b', 'c'].map((id) => follow(client, id));
  await eventually('all go on', () => all.every(({ seqs }) => seqs.length === 2));
  for (const { seqs } of all) assert.deepEqual(seqs, [2, 3]);
  const query = sockets.asked.map(({ path }) => Object.fromEntries(new URL(path, 'http://x').searchParams));
  assert.deepEqual(query, [{ ticket: 'Bearer stale 1' }, { ticket: 'Bearer fresh 2' }]);
  assert.deepEqual(tokens, ['stale', 'fresh']);
});

for (const [count, connections] of [[200, 1], [201, 2], [401, 3]]) {
  test(`${count} streams take ${connections} connection(s): the server takes 256 jobs on one`, async () => {
    const subscribed = [];
    sockets.script = (socket) => {
      const at = subscribed.push(0) - 1;
      socket.hears = ({ type, jobId, since }) => {
        if (type !== 'subscribe') return;
        subscribed[at]++;
        socket.say({ ...connected(since), jobId });
      };
    };
    const client = clientOf({ baseUrl: sockets.url });
    await live(...Array.from({ length: count }, (_, i) => follow(client, `j${i}`)));
    assert.equal(subscribed.length, connections);
    assert.equal(subscribed.reduce((sum, n) => sum + n), count);
    assert.ok(Math.max(...subscribed) <= 200, `${subscribed}`);
  });
}

test('streams that are silent together send one ping, and its pong is for all of them', async () => {
  let pings = 0;
  sockets.script = (socket) => {
    socket.hears = ({ type, jobId, since }) => {
      if (type === 'subscribe') socket.say({ ...connected(since), jobId, heartbeatMs: 500 });
      if (type === 'ping' && ++pings) socket.say({ type: 'pong' });
    };
  };
  const client = clientOf({ baseUrl: sockets.url });
  const all = ['a', 'b', 'c'].map((id) => follow(client, id));
  await live(...all);
  await eventually('all were checked', () => all.every(({ states }) => states.includes('checking ws')));
  await live(...all);
  assert.ok(pings <= 2, `${pings} pings`);
  for (const { states } of all) assert.equal(states.includes('reconnecting ws'), false);
});

test('while a large first message comes, the other streams of the connection are not called silent', async () => {
  let finish;
  sockets.script = (socket) => {
    socket.hears = ({ type, jobId, since }) => {
      if (type === 'subscribe' && jobId === 'a') socket.say({ ...connected(since), jobId, heartbeatMs: 300 });
      if (type !== 'subscribe' || jobId !== 'b') return;
      socket.say({ type: 'opening', jobId, bytes: 100000 });
      finish = () => socket.say({ ...connected(since), jobId });
    };
  };
  const client = clientOf({ baseUrl: sockets.url });
  const one = follow(client, 'a');
  await live(one);
  const two = follow(client, 'b');
  await eventually('it is announced', () => finish);
  await pause(1500); // five heartbeats, with the checks that there would be
  assert.equal(one.states.at(-1), 'live ws');
  assert.equal(two.states.at(-1), 'connecting ws');
  finish();
  await live(one, two);
  assert.equal(sockets.asked.length, 1);
});

test('who sits down while a large first message comes waits for it too', async () => {
  let finish;
  sockets.script = (socket) => {
    const late = [];
    socket.hears = ({ type, jobId, since }) => {
      if (type !== 'subscribe') return;
      if (jobId === 'a') socket.say({ type: 'opening', jobId, bytes: 100000 });
      late.push(() => socket.say({ ...connected(since), jobId }));
      finish = () => late.forEach((say) => say());
    };
  };
  const client = clientOf({ baseUrl: sockets.url });
  const one = follow(client, 'a');
  await eventually('it is announced', () => one.stream.quietMs === 0);
  const two = follow(client, 'b');
  await pause(6000); // longer than what is not announced may take
  assert.deepEqual(two.states, ['connecting ws']);
  finish();
  await live(one, two);
  assert.deepEqual(two.stream.faults, []);
  assert.equal(sockets.asked.length, 1);
});

test('nobody sits down on a connection whose large message is overdue', async () => {
  sockets.script = (socket) => {
    socket.hears = ({ type, jobId, since }) => {
      if (type !== 'subscribe') return;
      if (jobId === 'a') socket.say({ type: 'opening', jobId, bytes: 100000 });
      else socket.say({ ...connected(since), jobId });
    };
  };
  const client = clientOf({ baseUrl: sockets.url });
  const one = follow(client, 'a');
  await eventually('it is announced', () => one.stream.quietMs === 0);
  const now = Date.now;
  mock.method(Date, 'now', () => now() + 60000);
  await live(follow(client, 'b'));
  assert.equal(sockets.asked.length, 2);
});

test('with a token, a server without keys is live, and takes what is reported', async () => {
  const client = clientOf({ token: 'unneeded' });
  const [job] = await jobs(1);
  const seen = follow(client, job.id, { transports: ['ws'] });
  await live(seen);
  await client.report(job.id, { taskId: 'read', status: 'completed' });
  await eventually('it is here', () => seen.seqs.length === 1);
});

test('nobody sits down on a connection that has been silent for long', async () => {
  const client = clientOf();
  const [one, two] = await jobs(2);
  const first = follow(client, one.id);
  await live(first);
  const now = Date.now;
  mock.method(Date, 'now', () => now() + 46000);
  const second = follow(client, two.id);
  await live(second);
  assert.equal(handshakes(), 2);
});

test('a client whose streams are closed keeps nothing open and nothing running', async () => {
  const client = clientOf();
  const all = (await jobs(3)).map((job) => follow(client, job.id));
  await live(...all);
  for (const { stream } of all) stream.close();
  await eventually('the connection is closed', () => !proxy.open('/api/ws').length);
  await pause(100);
  assert.equal(handshakes(), 1);
});
