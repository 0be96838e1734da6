/* The demonstration: what it offers, and that a real job is not finished by a click. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isLive, seesText, textOf, until } from './support/browser.js';
import { CAKE, stage } from './support/stage.js';
import { Server } from './support/server.js';
import { eventually } from './support/wait.js';

const set = stage(); // an ordinary server
let demo;
before(async () => { demo = await Server.demo(); });
after(() => demo.stop());

const isSeen = (page, selector) => page.$eval(selector, (node) => node.checkVisibility());
const WORKER = { agent: 'demo-worker', state: 'working' };

test('a job of an ordinary server has no demo worker, no line that changes it, and a link starts none', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.open(`/jobs/${job.id}#demo`);
  await isLive(page);
  for (const part of ['#demo', '#curl', '#copy']) assert.equal(await isSeen(page, part), false, part);
  assert.ok(!(await textOf(page, '#code')).includes('agent-hooks'));
  await page.evaluate(() => document.getElementById('demo').click());
  await set.server.report(job.id, { taskId: 'bake', note: 'all that happens' });
  await seesText(page, '#tasks', 'all that happens');
  assert.equal((await set.server.call('GET', `/api/jobs/${job.id}`)).seq, 2);
});

test('metadata makes no demo of a job', async () => {
  const page = await set.openJob(await set.server.createJob({ ...CAKE, metadata: { demo: true } }));
  assert.equal(await isSeen(page, '#demo'), false);
});

test('the list of an ordinary server makes no demo job either, and says how a program makes one', async () => {
  const own = await Server.start();
  try {
    const page = await set.open('/', { through: own });
    await seesText(page, '#no-jobs', 'No jobs here yet');
    assert.equal(await isSeen(page, '#create'), false);
    const line = await textOf(page, '#first-curl');
    const [, body] = /--json '(.*)'/.exec(line);
    assert.ok(line.endsWith(`${own.url}/api/jobs`));
    await own.call('POST', '/api/jobs', JSON.parse(body));
    await seesText(page, '#jobs', 'My first job');
  } finally {
    await own.stop();
  }
});

test('the address that the demo prints shows a job at work, by somebody who is there', async () => {
  const page = await set.open('/demo', { through: demo });
  await isLive(page);
  await seesText(page, '#agents', 'demo-worker is at work');
  assert.deepEqual(await page.$eval('#demo', ({ disabled, textContent }) => [disabled, textContent]),
    [true, 'Demo worker at work…']);
});

test('a second worker is offered only when the first has gone', async () => {
  const job = await demo.createJob(CAKE);
  const page = await set.openJob(job, { through: demo });
  const button = () => page.$eval('#demo', ({ disabled }) => disabled);
  assert.equal(await button(), false);
  await demo.call('POST', `/api/jobs/${job.id}/presence`, WORKER);
  await until(page, () => document.getElementById('demo').disabled);
  await demo.call('POST', `/api/jobs/${job.id}/presence`, { ...WORKER, state: '' });
  await until(page, () => !document.getElementById('demo').disabled);
});

test('when a job of the demo is over, its page leads to the one that is done now', async () => {
  const page = await set.open('/demo', { through: demo });
  await isLive(page);
  const first = await page.evaluate(() => location.pathname);
  await demo.setStatus(first.split('/')[2], 'cancelled');
  await eventually('the worker goes on', async () =>
    (await fetch(`${demo.url}/demo`, { redirect: 'manual' })).headers.get('location') !== first);
  await until(page, () => document.getElementById('next').checkVisibility());
  await Promise.all([page.waitForNavigation(), page.click('#next a')]);
  await isLive(page);
  assert.notEqual(await page.evaluate(() => location.pathname), first);
});

test('a failed job does not look busy', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  await set.server.report(job.id, [
    { taskId: 'shop', status: 'completed' }, { taskId: 'whisk', status: 'in_progress', progress: 64 },
    { taskId: 'zest', status: 'blocked', progress: 30 },
    { taskId: 'cool', status: 'in_progress', heartbeatTimeoutMs: 1000 },
  ]);
  await until(page, () => document.querySelector('.task[data-status=stalled]'));
  await set.server.setStatus(job.id, 'failed');
  const looksOver = async (it) => {
    await until(it, () => document.querySelectorAll('.task[data-status=unfinished]').length === 5);
    const found = await it.evaluate(() => ({
      words: [...document.querySelectorAll('.word')].map(({ textContent }) => textContent),
      turning: document.getAnimations().filter(({ animationName }) => animationName === 'turn').length,
      buttons: document.querySelectorAll('.stop:enabled').length,
      left: document.getElementById('eta').textContent,
    }));
    const no = 'Not finished';
    assert.deepEqual(found,
      { words: ['Completed', `${no} · 64 %`, `${no} · 30 %`, no, no, no], turning: 0, buttons: 0, left: '' });
  };
  await looksOver(page);
  await looksOver(await set.open(`/jobs/${job.id}`)); // and so it does for who comes later
});

test('no time left is invented: not in a replay, not without a connection, not without a worker', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  for (const { id } of CAKE.tasks.slice(0, 3)) {
    await set.server.report(job.id, { taskId: id, status: 'in_progress' });
  }
  await set.server.report(job.id, { taskId: 'shop', status: 'completed' });
  await until(page, () => document.getElementById('eta').textContent.startsWith('about'));
  await page.click('#cut');
  await until(page, () => document.getElementById('eta').textContent === '');
  await until(page, () => document.getElementById('eta').textContent.startsWith('about'));
  await page.evaluate(() => { // half a minute later, in which nobody has said a word
    const now = Date.now;
    Date.now = () => now() + 60000;
  });
  await until(page, () => document.getElementById('eta').textContent === '');
  await set.server.setStatus(job.id, 'failed');
  await seesText(page, '#status', 'Failed');
  await page.evaluate(() => { // looks at the text whenever it changes
    window.told = [];
    new MutationObserver(() => window.told.push(document.getElementById('eta').textContent))
      .observe(document.getElementById('eta'), { childList: true });
  });
  await page.click('#replay-play');
  await seesText(page, '#replay-play', 'Replay it');
  assert.deepEqual((await page.evaluate(() => window.told)).filter(Boolean), []);
});
