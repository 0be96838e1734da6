/* axe-core finds nothing to complain about, in light and dark, whatever the pages show. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complaints } from './support/axe.js';
import { isLive, seesText, until } from './support/browser.js';
import { bigJob, CAKE, stage } from './support/stage.js';
import { eventually } from './support/wait.js';
import { WHOLE, pairs } from './support/whole.js';

const set = stage();
const MANY = WHOLE ? 1000 : 200; // tasks; axe-core takes longer for each, the more there are

const STATES = {
  async 'the list without jobs'(look) {
    const page = await set.open('/?q=nothing-is-called-like-this', look);
    await until(page, () => !document.getElementById('no-jobs').hidden);
    return page;
  },
  async 'the list with jobs of every status'(look) {
    for (const status of ['pending', 'in_progress', 'revisions', 'completed', 'failed', 'cancelled']) {
      const job = await set.server.createJob({ title: `A job that is ${status}`, status: 'in_progress' });
      await set.server.report(job.id, { taskId: 'read', status: 'in_progress', progress: 40 });
      if (status !== 'in_progress') await set.server.setStatus(job.id, status);
    }
    const page = await set.open('/', look);
    await until(page, () => document.querySelector('.jobs .live') && document.querySelectorAll('.job').length >= 6);
    return page;
  },
  async 'a job without tasks'(look) {
    const page = await set.openJob(await set.server.createJob({ tasks: [] }), look);
    await until(page, () => !document.getElementById('no-tasks').hidden);
    return page;
  },
  async 'a live job with everything'(look) {
    const job = await set.server.createJob(CAKE);
    const page = await set.openJob(job, look);
    const api = `/api/jobs/${job.id}`;
    await set.server.report(job.id, [
      { taskId: 'shop', status: 'completed', note: 'Everything is on the table' },
      { taskId: 'whisk', status: 'in_progress', progress: 64, note: 'w '.repeat(400) },
      { taskId: 'zest', status: 'blocked', progress: 30 }, { taskId: 'bake', status: 'failed', progress: 80 },
      { taskId: 'cool', status: 'cancelled' },
      { taskId: 'stall', title: 'Wait', status: 'in_progress', progress: 10, heartbeatTimeoutMs: 1000 },
    ]);
    const post = (path, body) => set.server.call('POST', `${api}/${path}`, body);
    await post('deliverables', { title: 'cake.pdf', url: 'https://example.org/', mediaType: 'application/pdf' });
    await post('commands', { command: 'comment', args: { text: 'hello', from: 'demo-worker' } });
    await post('presence', { agent: 'ann', state: 'typing', taskId: 'bake' });
    await seesText(page, '#agents', 'ann');
    await until(page, () => document.querySelector('.task[data-status=stalled]'));
    return page;
  },
  async 'a job whose connection is cut'(look) {
    const page = await set.openJob(await set.server.createJob(CAKE), look);
    await page.click('#cut');
    await seesText(page, '#link-word', 'Reconnecting');
    await seesText(page, '#link-detail', 'You cut it');
    return page;
  },
  async 'a job behind a proxy that holds streams'(look) {
    set.proxy.rule = ({ url }) => (/task-events|\/ws/.test(url) ? 'hold' : undefined);
    const page = await set.open(`/jobs/${(await set.server.createJob(CAKE)).id}`, { ...look, through: set.proxy });
    await seesText(page, '#link-word', 'Live by polling');
    await until(page, () => !document.getElementById('advice').hidden);
    return page;
  },
  async 'a job that has ended, being replayed'(look) {
    const job = await set.server.createJob(CAKE);
    await set.server.report(job.id, { taskId: 'shop', status: 'completed' });
    await set.server.setStatus(job.id, 'completed');
    const page = await set.open(`/jobs/${job.id}`, look);
    await seesText(page, '#status', 'Completed');
    await page.click('#replay-play');
    await seesText(page, '#replay-play', 'Replay it');
    return page;
  },
  async 'a job that failed'(look) {
    const job = await set.server.createJob(CAKE);
    await set.server.setStatus(job.id, 'failed');
    const page = await set.open(`/jobs/${job.id}`, look);
    await seesText(page, '#status', 'Failed');
    return page;
  },
  async 'a job of many tasks'(look) {
    const page = await set.openJob(await bigJob(set.server, MANY), look);
    await until(page, (many) => document.querySelectorAll('.task').length === many, MANY);
    return page;
  },
  async 'no job'(look) {
    const page = await set.open('/jobs/no-such-job', look);
    await seesText(page, '#notice', 'There is no such job');
    return page;
  },
};

for (const [[name, make], dark] of pairs(Object.entries(STATES), [false, true])) {
  test(`${name}, ${dark ? 'dark' : 'light'}`, async () => {
    const page = await make({ dark });
    assert.deepEqual(await complaints(page), []);
  });
}

test('a live job on a phone, with the wishes for less motion and more contrast', async () => {
  const page = await set.open(`/jobs/${(await set.server.createJob(CAKE)).id}`, { width: 390, height: 844 });
  await isLive(page);
  await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
  assert.deepEqual(await complaints(page), []);
});

test('a flood of updates is not a flood of words', async () => {
  const page = await set.openJob(await bigJob(set.server, 200));
  await page.evaluate(() => {
    window.said = [];
    const live = '[role=status]:not(task-event-stream), [aria-live]';
    for (const node of document.querySelectorAll(live)) {
      new MutationObserver(() => window.said.push(node.textContent))
        .observe(node, { childList: true, characterData: true, subtree: true });
    }
  });
  const { pathname } = new URL(page.url());
  const id = pathname.split('/')[2];
  for (let i = 0; i < 200; i += 4) {
    const four = [0, 1, 2, 3].map((k) => ({ taskId: `t${i + k}`, status: 'completed', note: String(i) }));
    await set.server.report(id, four);
  }
  await seesText(page, '#counts', '200 of 200');
  await eventually('the last is said', () => page.evaluate(() => window.said.at(-1)?.includes('completed')));
  const said = await page.evaluate(() => window.said);
  assert.ok(said.length <= 3, `${said.length} announcements: ${said}`);
});
