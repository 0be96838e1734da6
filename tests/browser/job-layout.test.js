/* Nothing jumps while a page loads and lives, and nothing is blank in a long list. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seesText, textOf, until } from './support/browser.js';
import { bigJob, CAKE, stage } from './support/stage.js';
import { WHOLE } from './support/whole.js';

const set = stage();
const SHIFT = 0.05;
const LONG = WHOLE ? 1000 : 400; // tasks, of many screens

const watchShifts = `window.shifts = [];
window.keepShifts = (entries) => {
  for (const { value, hadRecentInput, sources } of entries) {
    if (!hadRecentInput) {
      window.shifts.push({ value, sources: sources.map(({ node }) => node?.id || node?.className || node?.nodeName) });
    }
  }
};
window.shiftWatch = new PerformanceObserver((list) => window.keepShifts(list.getEntries()));
window.shiftWatch.observe({ type: 'layout-shift', buffered: true });`;

const shifted = async (page) => {
  const shifts = await page.evaluate(async () => {
    // The frame that is due, and the one after it, before which the first one's shifts are recorded.
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
    window.keepShifts(window.shiftWatch.takeRecords());
    return window.shifts;
  });
  return { sum: shifts.reduce((sum, { value }) => sum + value, 0), shifts };
};

for (const [what, look] of [['desktop', {}], ['phone', { width: 390, height: 844 }]]) {
  test(`a job that comes up and is worked on does not jump: ${what}`, async () => {
    const job = await set.server.createJob(CAKE);
    const api = `/api/jobs/${job.id}`;
    const post = (path, body) => set.server.call('POST', `${api}/${path}`, body);
    const page = await set.openJob(job, { ...look, first: watchShifts });
    await seesText(page, '#watchers', '1 watching');
    for (const { id } of CAKE.tasks) {
      await set.server.report(job.id, { taskId: id, status: 'in_progress', progress: 30, note: 'well under way' });
    }
    await post('presence', { agent: 'ann', state: 'typing', taskId: 'bake' });
    await seesText(page, '#agents', 'ann');
    for (const { id } of CAKE.tasks) await set.server.report(job.id, { taskId: id, status: 'completed' });
    await seesText(page, '#counts', '6 of 6');
    await set.server.setStatus(job.id, 'completed');
    await seesText(page, '#link-word', 'Finished');
    const { sum, shifts } = await shifted(page);
    console.log(`# layout shift of a job, ${what}: ${sum.toFixed(3)}`);
    assert.ok(sum < SHIFT, `${sum}: ${JSON.stringify(shifts)}`);
  });

  test(`the list does not jump while it comes up: ${what}`, async () => {
    for (let i = 0; i < 3; i++) await set.server.createJob({ ...CAKE, title: `Job ${i}` });
    const page = await set.open('/', { ...look, first: watchShifts });
    await until(page, () => document.querySelectorAll('.jobs li.live').length >= 3);
    const { sum, shifts } = await shifted(page);
    console.log(`# layout shift of the list, ${what}: ${sum.toFixed(3)}`);
    assert.ok(sum < SHIFT, `${sum}: ${JSON.stringify(shifts)}`);
  });
}

/** A list of tasks without notes, with them and with long ones. */
async function mixedJob(count) {
  const tasks = Array.from({ length: count }, (_, i) => ({ id: `t${i}`, title: `Part ${i}` }));
  const job = await set.server.createJob({ title: 'Mixed', tasks });
  for (let i = 0; i < count; i += 100) {
    await set.server.report(job.id, tasks.slice(i, i + 100).map(({ id }, k) => ({
      taskId: id, status: 'in_progress', progress: k, note: k % 3 ? 'a word' : 'many words '.repeat(60) })));
  }
  return job;
}

/** Rows of which Chromium paints nothing now. */
const skipped = (page, from, to) => page.evaluate(([a, b]) => [...document.querySelectorAll('.task .name')]
  .slice(a, b).filter((name) => !name.checkVisibility({ contentVisibilityAuto: true })).length, [from, to]);

test('of a list that is on the page as a whole nothing is blank, however far down', async () => {
  const page = await set.openJob(await mixedJob(30), { height: 500 });
  assert.equal(await skipped(page, 0, 30), 0);
});

test('a long list has the right size before anybody has scrolled', async () => {
  const page = await set.openJob(await mixedJob(LONG));
  const height = () => page.$eval('#tasks', (list) => list.scrollHeight);
  await until(page, (long) => document.querySelectorAll('.task').length === long, LONG);
  const before = await height();
  await page.$eval('#tasks', async (list) => {
    for (let at = 0; at < list.scrollHeight; at += list.clientHeight / 2) {
      list.scrollTop = at;
      await new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); });
    }
  });
  const after = await height();
  assert.ok(Math.abs(after - before) <= before * 0.01, `${before} became ${after}`);
});

test('a row that is jumped to is there with the next frame, and in a printout all of them are', async () => {
  const page = await set.openJob(await bigJob(set.server), { height: 800 });
  await page.$eval('.task[data-id=t700]', (row) => {
    row.scrollIntoView({ block: 'center' });
    return new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); });
  });
  assert.equal(await skipped(page, 698, 703), 0);
  await page.emulateMediaType('print');
  await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
  assert.equal(await skipped(page, 0, 1000), 0);
  const [list, rows] = await page.$eval('#tasks', (node) => [node.clientHeight, node.scrollHeight]);
  assert.equal(list, rows);
  assert.equal(await textOf(page, '.task[data-id=t999] .name'), 'Render frame 1000');
});
