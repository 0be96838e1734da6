/* The WebSocket rung of the ladder in a real browser: the same events, the same cursor. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { launch, openPage, until } from './support/browser.js';
import { Proxy } from './support/proxy.js';
import { connected, problem, update } from './support/script.js';
import { Server } from './support/server.js';
import { SocketServer } from './support/socket.js';
import { eventually, pause } from './support/wait.js';

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
  page = await openPage(chromium.browser, `${sockets.url}/`);
});
afterEach(async () => {
  await page.close();
  sockets.reset();
  proxy.rule = () => undefined;
  proxy.requests.length = 0;
});

/** A stream in the page that writes down all it says; with `tokens`, also how it is asked for one. */
const follow = (options) => page.evaluate(async ({ tokens, ...given }) => {
  const { TaskEventStream } = await import('/joblight.js');
  const seen = window.seen = { seqs: [], states: [], pauses: [], refreshed: [] };
  const token = tokens && (({ refresh }) => {
    seen.refreshed.push(refresh);
    return refresh ? 'fresh' : 'stale';
  });
  window.stream = new TaskEventStream({
    jobId: 'j',
    ...given,
    ...token && { token },
    onTaskUpdate: ({ seq }) => seen.seqs.push(seq),
    onStateChange: ({ state, transport, retryInMs }) => {
      seen.states.push(`${state} ${transport}`);
      if (retryInMs) seen.pauses.push(retryInMs);
    },
  });
  window.stream.start();
}, options);

const reaches = (state) => until(page, (wanted) => window.stream.state === wanted, state);
const updates = (count) => until(page, (wanted) => window.seen.seqs.length >= wanted, count);
const seen = () => page.evaluate(() => window.seen);
const words = (of) => page.evaluate((which) => {
  const { code, message, status, fatal } = (which === 'error' ? window.stream.error : window.stream.faults[0]) || {};
  return { code, message, status, fatal };
}, of);
const queryOf = ({ path }) => Object.fromEntries(new URL(path, 'http://x').searchParams);

/** Live after the first event on each connection, then closed with the codes given, one after another. */
function closesWith(...codes) {
  let seq = 1;
  sockets.script = (socket, query) => {
    socket.say(connected(query.get('since')));
    socket.say(update(++seq));
    const code = codes.shift();
    if (code) socket.close(code);
  };
}

test('it is live over a WebSocket, and comes back at the position after the last event', async () => {
  sockets.script = (socket, query) => {
    const since = query.get('since');
    socket.say(connected(since));
    if (since) return socket.say(update(4));
    socket.say(update(2));
    socket.say(update(3));
    return socket.close(1012);
  };
  await follow({ transports: ['ws'] });
  await updates(3);
  assert.deepEqual((await seen()).seqs, [2, 3, 4]);
  assert.deepEqual(sockets.asked.map(queryOf), [
    { since: '', job: 'j', heartbeat: '10' }, { since: 'e.3', job: 'j', heartbeat: '10' }]);
  assert.equal(sockets.asked[0].protocol, 'joblight.v1');
  assert.deepEqual((await seen()).states, ['connecting ws', 'live ws', 'reconnecting ws', 'live ws']);
});

test('a page over HTTP/1.1 begins with the WebSocket, which leaves the browser’s six connections free', async () => {
  closesWith();
  await follow({});
  await reaches('live');
  assert.deepEqual((await seen()).states, ['connecting ws', 'live ws']);
});

const HOPS = [['h2', 'sse ws poll'], ['h3', 'sse ws poll'], ['http/1.1', 'ws sse poll'], ['', 'ws sse poll']];
for (const [hop, ladder] of HOPS) {
  test(`a page over "${hop}" has the ladder ${ladder}`, async () => {
    const found = await page.evaluate(async (protocol) => {
      performance.getEntriesByType = () => [{ nextHopProtocol: protocol }];
      return (await import('/joblight.js')).TaskEventStream.ladder.join(' ');
    }, hop);
    assert.equal(found, ladder);
  });
}

for (const code of [1000, 1001, 1012, 1013, 4001, 4008, 4029]) {
  test(`close ${code} means: come back`, async () => {
    closesWith(code);
    await follow({ transports: ['ws', 'poll'] });
    await updates(2);
    assert.deepEqual((await seen()).states, ['connecting ws', 'live ws', 'reconnecting ws', 'live ws']);
  });
}

test('a restart says when to come back', async () => {
  sockets.script = (socket, query) => {
    socket.say(connected(query.get('since')));
    if (query.get('since')) return socket.say(update(3));
    socket.say(update(2));
    socket.say({ type: 'restart', retryMs: 2345 });
    return socket.close(1012);
  };
  await follow({ transports: ['ws', 'poll'] });
  await updates(2);
  const { states, pauses } = await seen();
  assert.deepEqual(states, ['connecting ws', 'live ws', 'reconnecting ws', 'live ws']);
  assert.deepEqual(pauses, [2345]);
});

for (const code of [4400, 4401, 4403, 4404]) {
  test(`close ${code} means: do not come back, and its reason is the error`, async () => {
    sockets.script = (socket) => {
      socket.say(connected());
      socket.close(code, 'because I say so');
    };
    await follow({});
    await reaches('failed');
    assert.deepEqual(await words('error'), { code: 'closed', message: 'because I say so', status: code, fatal: true });
    await pause(700);
    assert.equal(sockets.asked.length, 1);
  });
}

for (const code of [1002, 1003, 1007, 1009, 1011]) {
  test(`close ${code} again and again means that WebSockets do not work here`, async () => {
    closesWith(code, code, code, code);
    sockets.plain = () => ({ body: { epoch: 'e', cursor: 'e.9', head: 4, status: 'in_progress', events: [] } });
    await follow({ transports: ['ws', 'poll'] });
    await reaches('polling');
    assert.equal(sockets.asked.length, 3);
    assert.equal((await words('fault')).status, code);
  });
}

test('the end of the job over a WebSocket is the end', async () => {
  sockets.script = (socket) => {
    socket.say(connected());
    socket.say({ type: 'job_update', jobId: 'j', seq: 2, status: 'completed', title: 'J' });
    socket.say({ type: 'end', jobId: 'j', seq: 2, status: 'completed' });
  };
  await follow({ transports: ['ws'] });
  await reaches('ended');
  await eventually('the connection is closed', () => sockets.open === 0);
});

test('where no WebSocket gets through, the stream takes its place at once, and says why', async () => {
  const job = await server.createJob();
  proxy.rule = ({ headers }) => (headers.upgrade ? { status: 400 } : undefined);
  await page.goto(`${proxy.url}/healthz`);
  await follow({ jobId: job.id });
  await reaches('live');
  assert.deepEqual((await seen()).states, ['connecting ws', 'live sse']);
  assert.equal((await words('fault')).code, 'refused');
  assert.equal(await page.evaluate(() => window.stream.error), undefined);
  assert.equal(proxy.asked('/updates').length, 1);
});

test('where a proxy holds the stream back, the WebSocket takes its place, and says why', async () => {
  const job = await server.createJob();
  proxy.rule = ({ url }) => (url.includes('task-events') ? 'hold' : undefined);
  await page.goto(`${proxy.url}/healthz`);
  await follow({ jobId: job.id, transports: ['sse', 'ws', 'poll'] });
  await reaches('live');
  assert.deepEqual((await seen()).states, ['connecting sse', 'live ws']);
  const { code, message } = await words('fault');
  assert.deepEqual([code, message], ['held', 'A proxy holds the stream back']);
  await server.report(job.id, { taskId: 'read', status: 'completed' });
  await updates(1);
});

test('from below, the top is tried again after a minute, and takes over without a gap', async () => {
  const job = await server.createJob();
  proxy.rule = ({ headers }) => (headers.upgrade ? { status: 400 } : undefined);
  await page.goto(`${proxy.url}/healthz`);
  await follow({ jobId: job.id });
  await reaches('live');
  proxy.rule = () => undefined;
  await page.evaluate(() => {
    const { now } = Date;
    Date.now = () => now() + 61000;
  });
  for (let i = 0; i < 5; i++) await server.report(job.id, { taskId: 'read', progress: i });
  await until(page, () => window.stream.transport === 'ws');
  for (let i = 0; i < 5; i++) await server.report(job.id, { taskId: 'read', progress: i });
  await updates(10);
  assert.deepEqual((await seen()).seqs, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.deepEqual(await page.evaluate(() => window.stream.faults), []);
  await eventually('the stream below is closed', () => !proxy.open('task-events').length);
});

const REFUSALS = [
  [404, 'not_found', 'there is no job "j"'], [403, 'forbidden', 'not yours'], [401, 'unauthorized', 'who are you?'],
];
for (const [status, code, detail] of REFUSALS) {
  test(`a handshake refused with ${status} fails with the server’s words, not rung by rung`, async () => {
    sockets.refuses = () => status;
    sockets.plain = () => problem(status, code, detail);
    await follow({});
    await reaches('failed');
    assert.deepEqual(await words('error'), { code, message: detail, status, fatal: true });
    assert.deepEqual(sockets.requests.map(({ url }) => url), ['/api/jobs/j/updates?since=']);
    assert.deepEqual((await seen()).states, ['connecting ws', 'failed ws']);
  });
}

test('a handshake refused with 503 is waited out as Retry-After says, on the same transport', async () => {
  sockets.refuses = () => 503;
  sockets.plain = () => problem(503, 'overloaded', 'Too much to do.', { 'retry-after': '1' });
  await follow({});
  await until(page, () => window.seen.pauses.length === 1);
  assert.deepEqual((await seen()).pauses, [1000]);
  assert.equal((await words('error')).message, 'Too much to do.');
  sockets.refuses = () => undefined;
  closesWith();
  await reaches('live');
  assert.deepEqual((await seen()).states, ['connecting ws', 'reconnecting ws', 'live ws']);
  assert.ok(sockets.asked[1].at - sockets.asked[0].at >= 1000);
});

test('a server that is away is waited for on the same transport', async () => {
  const job = await server.createJob();
  await page.goto(`${proxy.url}/healthz`);
  await follow({ jobId: job.id });
  await reaches('live');
  await proxy.refuse();
  await until(page, () => window.seen.pauses.length >= 3);
  assert.equal((await words('error')).code, 'network');
  await server.report(job.id, { taskId: 'read', status: 'completed' });
  await proxy.accept();
  await updates(1);
  assert.deepEqual([...new Set((await seen()).states)], ['connecting ws', 'live ws', 'reconnecting ws']);
});

test('an unknown job over a WebSocket fails with the server’s words', async () => {
  await page.goto(`${proxy.url}/healthz`);
  await follow({ jobId: 'nobody' });
  await reaches('failed');
  assert.deepEqual(await words('error'),
    { code: 'not_found', message: 'there is no job "nobody"', status: 404, fatal: true });
  await pause(700);
  assert.equal(proxy.asked('/api/').length, 1);
});

test('an error that can pass is waited out', async () => {
  let asked = 0;
  sockets.script = (socket, query) => {
    if (asked++) return socket.say(connected(query.get('since')));
    return socket.say({ type: 'error', jobId: 'j', code: 'overloaded', status: 503, detail: 'Busy.', retryable: true });
  };
  await follow({ transports: ['ws'] });
  await reaches('live');
  assert.deepEqual((await seen()).states, ['connecting ws', 'reconnecting ws', 'live ws']);
});

test('a token buys a ticket and never stands in a URL; close 4001 refreshes it, and the stream goes on', async () => {
  let tickets = 0;
  sockets.plain = ({ url, headers }) => (url === '/api/jobs/j/tickets'
    ? { body: { ticket: `${headers.authorization}-${++tickets}` } } : { status: 404 });
  closesWith(4001);
  await follow({ tokens: true });
  await updates(2);
  assert.deepEqual((await seen()).seqs, [2, 3]);
  assert.deepEqual((await seen()).refreshed, [false, true]);
  assert.deepEqual(sockets.asked.map(queryOf), [
    { since: '', job: 'j', heartbeat: '10', ticket: 'Bearer stale-1' },
    { since: 'e.2', job: 'j', heartbeat: '10', ticket: 'Bearer fresh-2' }]);
});

test('a ticket that is refused asks for a new token once, then fails', async () => {
  sockets.plain = () => problem(401, 'unauthorized', 'The token is over.');
  await follow({ tokens: true });
  await reaches('failed');
  assert.deepEqual((await seen()).refreshed, [false, true]);
  assert.equal((await words('error')).message, 'The token is over.');
  assert.equal(sockets.asked.length, 0);
});

test('a server without keys has no tickets: the WebSocket opens without one', async () => {
  sockets.plain = () => problem(404, 'not_found', 'there is nothing at this path');
  sockets.script = (socket, query) => socket.say(connected(query.get('since')));
  await follow({ tokens: true, transports: ['ws'] });
  await reaches('live');
  assert.equal(queryOf(sockets.asked[0]).ticket, undefined);
});

for (const [hidden, heartbeat] of [[false, '10'], [true, '30']]) {
  test(`a ${hidden ? 'hidden' : 'visible'} page asks for a heartbeat every ${heartbeat} s`, async () => {
    await page.evaluate((value) => Object.defineProperty(document, 'hidden', { value, configurable: true }), hidden);
    closesWith();
    await follow({ transports: ['ws'] });
    await reaches('live');
    assert.equal(queryOf(sockets.asked[0]).heartbeat, heartbeat);
    if (hidden) return; // over HTTP/1.1 it has no stream
    await follow({ transports: ['sse'] });
    await eventually('it asks', () => sockets.requests.some(({ url }) => url.includes('task-events')));
    const { url } = sockets.requests.find((request) => request.url.includes('task-events'));
    assert.equal(queryOf({ path: url }).heartbeat, heartbeat);
  });
}

test('a page that is shown asks for the heartbeat of a visible one', async () => {
  const show = (value) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  }, value);
  const asked = [];
  sockets.script = (socket, query) => {
    socket.say(connected(query.get('since')));
    socket.hears = (message) => {
      if (message.type === 'ping') socket.say({ type: 'pong' });
      if (message.type !== 'subscribe') return;
      asked.push(message);
      socket.say(connected(message.since, { heartbeatMs: message.heartbeat * 1000 }));
    };
  };
  await show(true);
  await follow({ transports: ['ws'] });
  await reaches('live');
  await show(false);
  await eventually('it asks', () => asked.length === 1);
  await show(true);
  await show(false);
  await fires('online');
  await reaches('live');
  assert.deepEqual(asked, [{ type: 'subscribe', jobId: 'j', since: 'e.1', heartbeat: 10 }]);
  assert.equal(sockets.asked.length, 1);
});

const states = () => page.evaluate(() => window.seen.states.map((state) => state.split(' ')[0]));
const fires = (name, where = 'window') => page.evaluate((event, target) => {
  globalThis[target].dispatchEvent(new Event(event, { bubbles: true }));
}, name, where);

for (const [name, where] of [['offline', 'window'], ['online', 'window'], ['visibilitychange', 'document']]) {
  test(`"${name}" makes a live stream check at once; with an answer it is live again`, async () => {
    let pings = 0;
    sockets.script = (socket, query) => {
      socket.say(connected(query.get('since')));
      socket.hears = ({ type }) => {
        if (type === 'ping' && ++pings) socket.say({ type: 'pong' });
      };
    };
    await follow({ transports: ['ws'] });
    await reaches('live');
    await fires(name, where);
    await until(page, () => window.seen.states.length === 4);
    assert.deepEqual(await states(), ['connecting', 'live', 'checking', 'live']);
    assert.equal(pings, 1);
  });

  test(`"${name}" and no answer: it is not called live for longer than 4 s`, async () => {
    let asked = 0;
    sockets.script = (socket, query) => { if (!asked++) socket.say(connected(query.get('since'))); };
    await follow({ transports: ['ws'] });
    await reaches('live');
    await fires(name, where);
    const began = Date.now();
    await reaches('reconnecting');
    assert.ok(Date.now() - began < 8000);
    assert.deepEqual((await states()).slice(0, 4), ['connecting', 'live', 'checking', 'reconnecting']);
    assert.equal((await words('error')).code, 'silent');
  });
}

for (const [name, where] of [['online', 'window'], ['visibilitychange', 'document']]) {
  test(`"${name}" makes a stream that the server refused try again`, async () => {
    sockets.refuses = () => 404;
    sockets.plain = () => problem(404, 'not_found', 'there is no job "j"');
    await follow({});
    await reaches('failed');
    sockets.refuses = () => undefined;
    closesWith();
    await fires(name, where);
    await reaches('live');
    assert.equal(await page.evaluate(() => window.stream.error), undefined);
  });
}

const GARBAGE = ['{"type":', 'null', '{"type":"task_update","seq":{}}x', Buffer.from([0, 1, 2])];
for (const garbage of GARBAGE) {
  test(`${JSON.stringify(garbage)} over a WebSocket is a break, and it goes on where it was`, async () => {
    let asked = 0;
    sockets.script = (socket, query) => {
      socket.say(connected(query.get('since')));
      socket.say(update(asked ? 3 : 2));
      if (!asked++) socket.raw(garbage);
    };
    await follow({ transports: ['ws'] });
    await updates(2);
    assert.deepEqual((await seen()).seqs, [2, 3]);
    assert.equal(queryOf(sockets.asked[1]).since, 'e.2');
  });
}

test('what is no event of this job is passed over', async () => {
  sockets.script = (socket) => {
    socket.say(connected());
    for (const text of ['42', '"x"', '[]', '{}', '{"type":"news"}']) socket.raw(text);
    socket.say({ ...update(2), jobId: 'another' });
    socket.say({ type: 'news', jobId: 'j' });
    socket.say(update(2));
  };
  await page.evaluate(async () => {
    const { TaskEventStream } = await import('/joblight.js');
    window.types = [];
    const stream = new TaskEventStream({ jobId: 'j', transports: ['ws'] });
    stream.addEventListener('event', ({ detail }) => window.types.push(detail.type));
    stream.start();
  });
  await until(page, () => window.types.length === 3);
  assert.deepEqual(await page.evaluate(() => window.types), ['snapshot', 'news', 'task_update']);
  assert.equal(sockets.asked.length, 1);
});

test('a stream that is closed before its socket is open leaves none behind', async () => {
  await follow({ transports: ['ws'] });
  await page.evaluate(() => {
    window.stream.close();
    window.stream.start();
    window.stream.close();
  });
  await eventually('none is open', () => sockets.open === 0);
  await pause(300);
  assert.equal(sockets.open, 0);
  assert.ok(sockets.asked.length <= 2);
});
