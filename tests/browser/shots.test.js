/* Pictures for people, made by each run into shots/; docs/ has two of them. To be looked at, not compared. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { isLive, seesText, shoot, textOf, until } from './support/browser.js';
import { bigJob, CAKE, stage } from './support/stage.js';
import { eventually, pause } from './support/wait.js';

const PHONE = { width: 390, height: 844 };
const set = stage({ demo: true });
const api = (job) => `/api/jobs/${job.id}`;

/** A job at the moment when most can be seen: one task of each kind, a comment, somebody typing. */
async function busyJob() {
  const job = await set.server.createJob(CAKE);
  const say = (text, from) =>
    set.server.call('POST', `${api(job)}/commands`, { command: 'comment', args: { text, from } });
  await set.server.report(job.id, [
    { taskId: 'shop', status: 'completed', note: 'All of it is here' },
    { taskId: 'whisk', status: 'completed', note: 'Pale and fluffy' },
  ]);
  await say('A little less sugar, please');
  await say('“A little less sugar, please” Yes, chef.', 'demo-worker');
  return job;
}

async function inWork(look) {
  const job = await busyJob();
  const page = await set.openJob(job, look);
  for (let i = 0; i < 40; i++) {
    await set.server.report(job.id, { taskId: i % 2 ? 'zest' : 'bake', status: 'in_progress', progress: 20 + i,
      note: i % 2 ? `Lemon ${1 + Math.floor(i / 12)} of 4` : 'It is rising' });
  }
  await set.server.call('POST', `${api(job)}/presence`, { agent: 'demo-worker', state: 'typing', taskId: 'zest' });
  await seesText(page, '#agents', 'typing');
  await seesText(page, '#percent', '53 %');
  await eventually('the bars have moved', async () => parseInt(await textOf(page, '#delay'), 10) >= 0);
  return page;
}

const LOOKS = {
  'job-light': {}, 'job-dark': { dark: true }, 'job-phone': PHONE, 'job-phone-dark': { ...PHONE, dark: true },
};
for (const [name, look] of Object.entries(LOOKS)) {
  test(`a job in work: ${name}`, async () => {
    const page = await inWork(look);
    const [inner, needed] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    assert.ok(needed <= inner, `${needed} wide in a window of ${inner}`);
    await shoot(page, name);
    if (look.width) return;
    await page.setViewport({ width: 1080, height: 1000 });
    await shoot(page, `${name}-readme`, { fullPage: false });
  });
}

test('every state of a task: job-states', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job, { dark: true });
  await set.server.report(job.id, [
    { taskId: 'shop', status: 'completed', note: 'Everything is on the table' },
    { taskId: 'whisk', status: 'in_progress', progress: 64, note: 'Faster' },
    { taskId: 'zest', status: 'blocked', progress: 30, note: 'Looking for the grater' },
    { taskId: 'bake', status: 'failed', progress: 80, note: 'The oven went out' },
    { taskId: 'cool', status: 'cancelled' },
    { taskId: 'wait', title: 'Call the baker', status: 'in_progress', note: 'Ringing', heartbeatTimeoutMs: 1000 },
  ]);
  await until(page, () => document.querySelector('.task[data-status=stalled]'));
  await shoot(page, 'job-states');
});

test('a cut connection: job-reconnecting', async () => {
  const page = await inWork({});
  await page.click('#cut');
  await until(page, () => document.querySelector('task-event-stream').shadowRoot.textContent.includes('Reconnecting'));
  await shoot(page, 'job-reconnecting', { fullPage: false });
  await isLive(page);
});

test('a job that is done, and its replay: job-done, job-replay', async () => {
  const job = await busyJob();
  const page = await set.openJob(job);
  for (const { id } of CAKE.tasks) {
    await set.server.report(job.id, { taskId: id, status: 'in_progress', progress: 50 });
    await pause(150); // so that there is something to replay
    await set.server.report(job.id, { taskId: id, status: 'completed' });
  }
  const cake = { title: 'lemon-cake.pdf', url: 'https://example.org/cake.pdf', mediaType: 'application/pdf' };
  await set.server.call('POST', `${api(job)}/deliverables`, cake);
  await set.server.setStatus(job.id, 'completed');
  await seesText(page, '#status', 'Completed');
  await shoot(page, 'job-done');
  await page.click('#replay-play');
  await until(page, () => document.querySelector('.task[data-id=whisk]')?.dataset.status === 'in_progress');
  await page.click('#replay-play');
  await shoot(page, 'job-replay', { fullPage: false });
});

test('a thousand tasks: job-1000', async () => {
  const job = await bigJob(set.server);
  for (const look of [{}, { dark: true }]) {
    const page = await set.openJob(job, look);
    await until(page, () => document.querySelectorAll('.task').length === 1000);
    await shoot(page, look.dark ? 'job-1000-dark' : 'job-1000');
  }
});

test('no such job: job-missing', async () => {
  const page = await set.open('/jobs/no-such-job');
  await seesText(page, '#notice', 'There is no such job');
  await shoot(page, 'job-missing', { fullPage: false });
});

test('the list: jobs-light, jobs-dark, jobs-phone, jobs-empty', async () => {
  const states = {
    'Nightly backup': 'pending', 'Print tomorrow’s newspaper': 'completed', 'Launch a small satellite': 'failed',
  };
  for (const [title, status] of Object.entries(states)) {
    const job = await set.server.createJob({ ...CAKE, title });
    await set.server.report(job.id, CAKE.tasks.slice(0, { pending: 0, completed: 6, failed: 3 }[status] || 1)
      .map(({ id }) => ({ taskId: id, status: 'completed' })));
    await set.server.setStatus(job.id, status);
  }
  await inWork({});
  for (const [name, look] of Object.entries({ 'jobs-light': {}, 'jobs-dark': { dark: true }, 'jobs-phone': PHONE })) {
    const page = await set.open('/', look);
    await until(page, () => document.querySelector('.jobs li.live .did')?.textContent.includes('done'));
    await pause(600); // the bars glide to their places
    await shoot(page, name, { fullPage: false });
  }
  const page = await set.open('/?q=nothing');
  await until(page, () => !document.getElementById('no-jobs').hidden);
  await shoot(page, 'jobs-empty', { fullPage: false });
});

test('the two pictures of the README are there and small', () => {
  for (const name of ['light', 'dark']) {
    const { size } = statSync(new URL(`../../docs/job-page-${name}.png`, import.meta.url));
    assert.ok(size > 10000 && size <= 250 * 1024, `${name}: ${size} bytes`);
  }
});
