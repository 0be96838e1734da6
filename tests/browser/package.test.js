/* `npm install <folder>` and Node 20: the package by its name, in a project of its own, against the real server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PACKAGE, packedFiles } from './support/package.js';
import { Server } from './support/server.js';
import { WWW } from './support/www.js';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'joblight-package-'));

const BUNDLE = join(PACKAGE, 'dist/joblight.js');

let server;
let builtAt;

before(async () => {
  server = await Server.start();
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  if (existsSync(BUNDLE)) utimesSync(BUNDLE, 0, 0);
  await run('npm', ['install', PACKAGE, '--offline', '--no-audit', '--no-fund'], { cwd: folder });
  builtAt = statSync(BUNDLE).mtimeMs;
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

test('the package has the bundle with its source map, and neither the modules nor the pages', async () => {
  assert.deepEqual((await packedFiles()).sort(), [
    'custom-elements.json', 'dist/joblight.js', 'dist/joblight.js.map', 'dist/shared-socket.js', 'dist/shared-tabs.js',
    'dist/task-event-stream.js', 'joblight.d.ts', 'package.json', 'shared-socket.d.ts', 'task-event-stream.d.ts',
  ]);
});

test('npm install built the bundle from the sources', () => {
  assert.notEqual(builtAt, 0, 'it is the one from before');
  assert.equal(readFileSync(BUNDLE, 'utf8'), readFileSync(join(WWW, 'joblight.js'), 'utf8'));
});
