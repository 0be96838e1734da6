/* Much at once, and much for long: a thousand tasks, two hundred updates a second. JOBLIGHT_TEST_LONG=1 takes a minute. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seesText, textOf, until } from './support/browser.js';
import { bigJob, stage } from './support/stage.js';
import { eventually, pause } from './support/wait.js';

const SECONDS = process.env.JOBLIGHT_TEST_LONG ? 60 : 15;
const PER_SECOND = 200;
const BATCH = 5;
const WARM_S = 20; // until the bounded log is full, and the engine has compiled what runs all the time
const FRAME_TIMES = 3; // the longest frame, in those of a page that does nothing
const SHORT_FRAME_MS = 50; // a frame shorter than this counts as this: people do not see it
const PAINT_TIMES = 10; // the first paint, in paints of the same elements by a page that copies them
const GROWN_MAX = 10; // % of the heap
const TRIES = 6; // others use this machine, too: the page is as fast as in its best try

const set = stage();

const untilPainted = `addEventListener('DOMContentLoaded', () => {
  const list = document.getElementById('tasks');
  const watch = new MutationObserver(() => {
    if (list.childElementCount < 1000) return;
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.paintedAt = performance.now(); }, 0));
  });
  watch.observe(list, { childList: true });
});`;

/** Milliseconds from the last byte of the snapshot to the frame that shows all of it. */
async function firstPaint(job) {
  const page = await set.open(`/jobs/${job.id}`, { first: untilPainted });
  await until(page, () => window.paintedAt);
  return page.evaluate((path) => {
    const { responseEnd } = performance.getEntriesByType('resource').find(({ name }) => name.endsWith(path));
    return Math.round(window.paintedAt - responseEnd);
  }, `/api/jobs/${job.id}`);
}

/** Milliseconds to copy the same elements and to paint the copies. */
async function barePaint(job) {
  const page = await set.open(`/jobs/${job.id}`);
  await until(page, () => document.getElementById('tasks').childElementCount >= 1000);
  return page.evaluate(async () => {
    const list = document.getElementById('tasks');
    const painted = () => new Promise((done) => { requestAnimationFrame(() => setTimeout(done, 0)); });
    const nothing = list.cloneNode();
    list.replaceWith(nothing);
    await painted();
    const began = performance.now();
    nothing.replaceWith(list.cloneNode(true));
    await painted();
    return Math.round(performance.now() - began);
  });
}

test(`a thousand tasks are on the screen in ${PAINT_TIMES} times what painting them takes`, async () => {
  const job = await bigJob(set.server);
  const took = [];
  const bare = [];
  const times = () => Math.min(...took) / Math.min(...bare);
  while (took.length < TRIES && !(times() <= PAINT_TIMES)) {
    bare.push(await barePaint(job));
    took.push(await firstPaint(job));
  }
  console.log(`# first paint of 1000 tasks: ${took.join(', ')} ms, bare: ${bare.join(', ')} ms`);
  assert.ok(times() <= PAINT_TIMES, `${took} ms, bare ${bare} ms`);
});

/** So many updates a second from here, not from the page. */
async function report(job, seconds) {
  const began = performance.now();
  let sent = 0;
  while (sent < seconds * PER_SECOND) {
    const updates = Array.from({ length: BATCH }, (_, k) => {
      const n = sent + k;
      return { taskId: `t${(n * 7) % 200}`, status: 'in_progress', progress: n % 101, note: `step ${n} of very many` };
    });
    await set.server.report(job.id, updates);
    sent += BATCH;
    const ahead = sent / PER_SECOND * 1000 - (performance.now() - began);
    if (ahead > 0) await pause(ahead);
  }
  return sent;
}

async function heapOf(page) {
  const client = await page.createCDPSession();
  await client.send('HeapProfiler.enable');
  for (let i = 0; i < 3; i++) await client.send('HeapProfiler.collectGarbage');
  const { usedSize } = await client.send('Runtime.getHeapUsage');
  const { nodes } = await client.send('Memory.getDOMCounters');
  await client.detach();
  return { usedSize, nodes };
}

const watchFrames = () => {
  window.frames = [];
  let last = performance.now();
  requestAnimationFrame(function count(now) {
    window.frames.push(now - last);
    last = now;
    requestAnimationFrame(count);
  });
};

/** One page under load: the longest frame, in ms, and the growth of the heap, in %. */
async function underLoad() {
  const tasks = Array.from({ length: 200 }, (_, i) => ({ id: `t${i}`, title: `Part ${i}` }));
  const job = await set.server.createJob({ tasks });
  const page = await set.openJob(job);
  const warm = await report(job, WARM_S);
  await seesText(page, '#events', String(warm));
  await pause(1500); // what flashes comes to rest
  await heapOf(page); // looking for the first time costs memory itself
  const before = await heapOf(page);
  await page.evaluate(watchFrames);
  const began = performance.now();
  const sent = await report(job, SECONDS);
  const rate = sent / (performance.now() - began) * 1000;
  await eventually('all of them arrived', async () => Number(await textOf(page, '#events')) === warm + sent);
  const frames = await page.evaluate(() => window.frames.splice(0));
  await pause(1500);
  const after = await heapOf(page);
  const longest = Math.round(Math.max(...frames));
  const grown = (after.usedSize / before.usedSize - 1) * 100;
  console.log(`# ${Math.round(rate)} updates/s for ${SECONDS} s: ${frames.length} frames, the longest ${longest} ms, `
    + `heap ${(before.usedSize / 1e6).toFixed(2)} -> ${(after.usedSize / 1e6).toFixed(2)} MB (${grown.toFixed(1)} %), `
    + `nodes ${before.nodes} -> ${after.nodes}`);
  assert.deepEqual([await textOf(page, '#lost'), await textOf(page, '#repeated')], ['0', '0']);
  return { rate, longest, grown };
}

/** The longest frame of a page that does nothing while as much is reported. */
async function beside() {
  const job = await set.server.createJob();
  const page = await set.open('/healthz');
  await page.evaluate(watchFrames);
  await report(job, SECONDS / 3);
  return Math.round(Math.max(...await page.evaluate(() => window.frames)));
}

test(`${PER_SECOND} updates a second for ${SECONDS} s drop no frame and leave nothing behind`, async () => {
  let times = Infinity;
  let grown = Infinity;
  for (let i = 0; i < TRIES && !(times <= FRAME_TIMES && grown <= GROWN_MAX); i++) {
    const idle = await beside();
    const found = await underLoad();
    assert.ok(found.rate > PER_SECOND * 0.9, `only ${found.rate} updates/s were sent`);
    grown = Math.min(grown, found.grown);
    times = Math.min(times, found.longest / Math.max(idle, SHORT_FRAME_MS));
    console.log(`# the longest frame of a page that does nothing: ${idle} ms`);
  }
  assert.ok(times <= FRAME_TIMES, `a frame took ${times.toFixed(1)} times as long as one of a page that does nothing`);
  assert.ok(grown <= GROWN_MAX, `the heap grew by ${grown} %`);
});
