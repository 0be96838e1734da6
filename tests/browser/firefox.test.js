/* The job page, the element and the class in real Firefox, over a server that dies and comes back. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { isLive, launch, until } from './support/browser.js';
import { Server } from './support/server.js';

let server;
let firefox;
let page;

before(async () => {
  server = await Server.start();
  firefox = await launch('firefox');
});
after(async () => {
  await firefox.close();
  await server.stop();
});
beforeEach(async () => {
  page = await firefox.browser.newPage({ type: 'window' });
  page.faults = [];
  // Firefox calls a server that is away an error of the page; here it is killed on purpose.
  const away = /can’t establish a connection|interrupted while the page was loading/;
  page.on('pageerror', (err) => { if (!away.test(err)) page.faults.push(String(err)); });
});
afterEach(async () => {
  assert.deepEqual(page.faults, []);
  await page.close();
});

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function reportMany(job, times) {
  for (let i = 0; i < times; i++) await server.report(job.id, { taskId: 'read', status: 'in_progress', progress: i });
}

/** Ten updates, kill -9, restart, ten more, the end. */
async function throughACrash(job, seen) {
  await reportMany(job, 10);
  await seen(10);
  await server.kill();
  await server.start();
  await reportMany(job, 10);
  await seen(20);
  await server.setStatus(job.id, 'completed');
}

const counts = (least) => until(page, (n) => window.seqs.length >= n, least);

test('the job page is live, outlives a crash of the server, and has missed nothing', async () => {
  const job = await server.createJob();
  await page.goto(`${server.url}/jobs/${job.id}`);
  await isLive(page);
  await page.evaluate(() => {
    window.seqs = [];
    document.addEventListener('task-stream:task-update', ({ detail }) => window.seqs.push(detail.seq));
  });
  await throughACrash(job, counts);
  await until(page, () => document.querySelector('task-event-stream').state === 'ended');
  assert.deepEqual(await page.evaluate(() => window.seqs), range(2, 21));
});

test('the class hands out every event once and in order, through a crash, and ends with the job', async () => {
  const job = await server.createJob();
  await page.goto(`${server.url}/healthz`);
  await page.evaluate(async (jobId) => {
    const { TaskEventStream } = await import('/joblight.js');
    const stream = window.stream = new TaskEventStream({ jobId });
    window.seqs = [];
    (async () => {
      for await (const { seq } of stream) if (seq) window.seqs.push(seq);
      window.ended = true;
    })();
  }, job.id);
  await until(page, () => window.stream.state === 'live');
  await throughACrash(job, counts);
  await until(page, () => window.ended);
  assert.deepEqual(await page.evaluate(() => window.seqs), range(2, 22));
});
