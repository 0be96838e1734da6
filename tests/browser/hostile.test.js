/* Servers that do not keep the contract: the client must neither lose, repeat, hang nor grow. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { afterEach, mock, test } from 'node:test';
import { eventually } from './support/wait.js';
import { TaskEventStream } from './support/www.js';

const ends = [];
afterEach(async () => {
  mock.restoreAll();
  for (const end of ends.splice(0)) await end();
});

const event = (object, id) => `${id ? `id: ${id}\n` : ''}data: ${JSON.stringify(object)}\n\n`;
const connected = (since) => 'retry: 1\n\n' + event({
  type: 'connected', jobId: 'j', status: 'in_progress', epoch: 'e', cursor: since || 'e.1', head: 1,
  resume: since ? 'exact' : 'fresh', heartbeatMs: 30000,
  job: since ? undefined : { id: 'j', title: 'J', status: 'in_progress', tasks: [], seq: 1, epoch: 'e', cursor: 'e.1' },
}, since || 'e.1');
const update = (seq) => event(
  { type: 'task_update', jobId: 'j', seq, taskId: 't', status: 'in_progress', title: 'T' }, `e.${seq}`);

/** Each connection gets the next of the scripts, the last one again and again. */
async function serve(...scripts) {
  let served = 0;
  const server = http.createServer((request, response) => {
    const since = new URL(request.url, 'http://x').searchParams.get('since');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    scripts[Math.min(served++, scripts.length - 1)](response, since);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  ends.push(() => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }));
  const seqs = [];
  const codes = [];
  const stream = new TaskEventStream({
    jobId: 'j',
    transports: ['sse'],
    baseUrl: `http://127.0.0.1:${server.address().port}`,
    onTaskUpdate: ({ seq }) => seqs.push(seq),
    onStateChange: ({ state, error }) => {
      if (state === 'reconnecting' && error) codes.push(error.code || error.name);
    },
  });
  ends.push(() => stream.close());
  stream.start();
  return { stream, seqs, codes, served: () => served };
}

test('what comes twice is handed out once', async () => {
  const { seqs } = await serve((out, since) =>
    out.write(connected(since) + update(2) + update(2) + update(1) + update(3)));
  await eventually('both', () => seqs.length >= 2);
  assert.deepEqual(seqs, [2, 3]);
});

test('a skipped event is asked for again from the position, not passed over', async () => {
  const { seqs, codes } = await serve(
    (out, since) => out.write(connected(since) + update(2) + update(4)),
    (out, since) => {
      assert.equal(since, 'e.2');
      out.write(connected(since) + update(3) + update(4));
    },
  );
  await eventually('all', () => seqs.length >= 3);
  assert.deepEqual(seqs, [2, 3, 4]);
  assert.ok(codes.includes('hole'));
});

test('a server that insists on its hole does not make the client ask without end', async () => {
  const { seqs, served } = await serve((out, since) => out.write(connected(since) + update(2) + update(5)));
  await eventually('both', () => seqs.length >= 2);
  assert.deepEqual(seqs, [2, 5]);
  assert.equal(served(), 2);
});

test('heartbeats that know of more than came make it take a new stream', async () => {
  const beat = `event: heartbeat\ndata: {"head":3}\n\n`;
  const { seqs, codes } = await serve(
    (out, since) => out.write(connected(since) + update(2) + beat + beat),
    (out, since) => out.write(connected(since) + update(3)),
  );
  await eventually('the missing one', () => seqs.includes(3));
  assert.deepEqual(seqs, [2, 3]);
  assert.ok(codes.includes('hole'));
});

const GARBAGE = [
  ['no JSON', 'data: {"type":\n\n'],
  ['null', 'data: null\n\n'],
  ['half an event', 'data: {"type":"task_update","seq":3'],
];
for (const [what, garbage] of GARBAGE) {
  test(`${what} in mid-stream is a break, and the stream goes on where it was`, async () => {
    const { seqs } = await serve(
      (out, since) => out.end(connected(since) + update(2) + garbage),
      (out, since) => out.write(connected(since) + update(3)),
    );
    await eventually('both', () => seqs.length >= 2);
    assert.deepEqual(seqs, [2, 3]);
  });
}

test('a hundred megabytes without a line end are cut off early', async () => {
  let sent = 0;
  const block = Buffer.alloc(1 << 20, 'a');
  const pour = (out) => {
    while (sent < 100 && !out.destroyed) {
      sent++;
      if (!out.write(block)) return out.once('drain', () => pour(out));
    }
    return undefined;
  };
  const { codes, seqs } = await serve(
    (out, since) => {
      out.write(connected(since) + 'data: ');
      pour(out);
    },
    (out, since) => out.write(connected(since) + update(2)),
  );
  await eventually('it went on', () => seqs.length === 1);
  assert.ok(codes.includes('too_big'));
  assert.ok(sent < 60, `${sent} MB were taken`);
});

test('connections that break at once make the pauses grow, a stable one makes them short again', async () => {
  mock.method(Math, 'random', () => 1);
  const { stream } = await serve((out, since) => out.end(connected(since)));
  const pauses = [];
  stream.addEventListener('state', ({ detail }) => { if (detail.retryInMs) pauses.push(detail.retryInMs); });
  await eventually('three breaks', () => pauses.length >= 3);
  const now = Date.now;
  stream.addEventListener('state', ({ detail }) => {
    if (detail.state === 'live') mock.method(Date, 'now', () => now() + 6000); // it held for six seconds
  });
  await eventually('a fourth', () => pauses.length >= 4);
  assert.deepEqual(pauses.slice(0, 4), [500, 1000, 2000, 500]);
});

test('a handler that closes the stream is not called again, whatever came in the same piece', async () => {
  const { stream, seqs } = await serve((out, since) => out.write(connected(since) + update(2) + update(3) + update(4)));
  stream.addEventListener('task_update', () => stream.close());
  await eventually('it is closed', () => stream.state === 'closed');
  assert.deepEqual(seqs, [2]);
});

test('nor is one that closes it when it is live', async () => {
  const { stream, seqs } = await serve((out, since) => out.write(connected(since) + update(2)));
  const told = [];
  for (const type of ['connected', 'snapshot', 'event']) stream.addEventListener(type, () => told.push(type));
  stream.addEventListener('state', ({ detail }) => { if (detail.state === 'live') stream.close(); });
  await eventually('it is closed', () => stream.state === 'closed');
  assert.deepEqual([told, seqs], [[], []]);
});

test('an absurd retry: does not become a pause without an end, or none at all', async () => {
  const { stream } = await serve((out, since) =>
    out.end(connected(since).replace('retry: 1', 'retry: 99999999999999')));
  const pauses = [];
  stream.addEventListener('state', ({ detail }) => pauses.push(detail.retryInMs));
  await eventually('it waits', () => pauses.some(Boolean));
  assert.equal(pauses.find(Boolean), 600000);
});
