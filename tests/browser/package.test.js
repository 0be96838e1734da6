/* `npm install <folder>` and Node 20: the package by its name, in a project of its own, against the real server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Server } from './support/server.js';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'joblight-package-'));

let server;

before(async () => {
  server = await Server.start();
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  await run('npm', ['install', here('../../www'), '--offline', '--no-audit', '--no-fund'], { cwd: folder });
  symlinkSync(here('node_modules/ws'), join(folder, 'node_modules/ws'));
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a program of that project to its end, and gives what it printed. */
async function program(text, ...args) {
  const path = join(folder, 'program.js');
  writeFileSync(path, text);
  const { stdout } = await run(process.execPath, [path, server.url, ...args], { cwd: folder, timeout: 15000 });
  return stdout.trim().split('\n');
}

const WATCH = `
const [, , baseUrl, jobId, transport] = process.argv;
const stream = new TaskEventStream({ baseUrl, jobId, ...transport && { transports: [transport] } });
for await (const event of stream) {
  console.log(event.type, event.seq ?? '', stream.transport);
  if (event.type === 'snapshot') {
    console.log((await stream.report({ taskId: 'read', status: 'completed' })).seq);
    await fetch(baseUrl + '/api/jobs/' + jobId, {
      method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"status":"completed"}' });
  }
}
console.log(stream.state);`;
const seen = (transport) =>
  [`snapshot  ${transport}`, '2', `task_update 2 ${transport}`, `job_update 3 ${transport}`, 'ended'];

for (const transport of ['sse', 'poll']) {
  test(`import from 'joblight' follows a job by ${transport} to its end, and the program ends`, async () => {
    const job = await server.createJob();
    const lines = await program(`import { TaskEventStream } from 'joblight';${WATCH}`, job.id, transport);
    assert.deepEqual(lines, seen(transport));
  });
}

test('without a WebSocket in Node, and without a word about transports, it takes the stream', async () => {
  const job = await server.createJob();
  assert.deepEqual(await program(`import { TaskEventStream } from 'joblight';${WATCH}`, job.id), seen('sse'));
});

test('the npm package ws as the global WebSocket makes that transport work', async () => {
  const job = await server.createJob();
  const lines = await program(`
    import { WebSocket } from 'ws';
    import { TaskEventStream } from 'joblight';
    globalThis.WebSocket = WebSocket;${WATCH}`, job.id, 'ws');
  assert.deepEqual(lines, seen('ws'));
});

test('and a server that is away does not end the program, nor does a closed stream keep it', async () => {
  const lines = await program(`
    import { WebSocket } from 'ws';
    import { TaskEventStream } from 'joblight';
    globalThis.WebSocket = WebSocket;
    const stream = new TaskEventStream({ baseUrl: 'http://127.0.0.1:9', jobId: 'j', transports: ['ws'] });
    stream.addEventListener('state', ({ detail }) => {
      console.log(detail.state);
      if (detail.attempt > 1) stream.close();
    });
    stream.start();`);
  assert.deepEqual([lines[0], lines.at(-1)], ['connecting', 'closed']);
});

test('the shared socket and the element are parts of the package', async () => {
  const [one, two] = await Promise.all([server.createJob(), server.createJob()]);
  const lines = await program(`
    import { WebSocket } from 'ws';
    import { JobLight } from 'joblight/shared-socket';
    import { TaskEventStreamElement } from 'joblight/element';
    const [, , baseUrl, ...ids] = process.argv;
    let opened = 0;
    class Counted extends WebSocket { constructor(...about) { super(...about); opened++; } }
    const client = new JobLight({ baseUrl, WebSocket: Counted, transports: ['ws'] });
    const streams = ids.map((jobId) => client.stream({ jobId }));
    await Promise.all(streams.map((stream) => new Promise((resolve) => {
      stream.addEventListener('state', () => stream.state === 'live' && resolve());
      stream.start();
    })));
    console.log(opened, (await client.report(ids[0], { taskId: 'read', status: 'completed' })).seq);
    for (const stream of streams) stream.close();
    console.log(typeof TaskEventStreamElement);`, one.id, two.id);
  assert.deepEqual(lines, ['1 2', 'function']);
});
