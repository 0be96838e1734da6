/* What a newcomer does on the job page, in real Firefox. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isLive, launch, seesText, textOf, until } from './support/browser.js';
import { Server } from './support/server.js';
import { CAKE } from './support/stage.js';
import { eventually } from './support/wait.js';

let server;
let firefox;

before(async () => {
  server = await Server.demo();
  firefox = await launch('firefox');
});
after(async () => {
  await firefox.close();
  await server.stop();
});

test('live at once, the demo worker at work, cut and back, nothing lost, done, replayed', async () => {
  const job = await server.createJob(CAKE);
  const page = await firefox.browser.newPage();
  const faults = [];
  page.on('pageerror', (err) => {
    if (!/ws:\/\//.test(err)) faults.push(String(err)); // it tells of each lost socket
  });
  await page.goto(`${server.url}/jobs/${job.id}`);
  await isLive(page);
  await seesText(page, '#watchers', '1 watching');
  await page.click('#demo');
  await until(page, () => document.querySelector('.task[data-status=in_progress]'));
  await page.type('#words', 'Hello from Firefox');
  await page.click('#send');
  await seesText(page, '#thread', '“Hello from Firefox”');
  await page.click('#cut');
  await seesText(page, '#link-word', 'Reconnecting');
  await seesText(page, '#link-detail', 'You cut it');
  await isLive(page);
  await seesText(page, '#link-detail', 'happened meanwhile');
  await eventually('the job is done', async () => (await textOf(page, '#status')) === 'Completed', 40000);
  await seesText(page, '#counts', '6 of 6 tasks done');
  assert.deepEqual([await textOf(page, '#lost'), await textOf(page, '#repeated')], ['0', '0']);
  await page.click('#replay-play');
  await seesText(page, '#status', 'In progress');
  await page.evaluate(() => document.querySelector('[name=speed][value="64"]').click());
  await seesText(page, '#status', 'Completed');
  assert.deepEqual(faults, []);
});

test('the list shows the progress of the jobs, live', async () => {
  const job = await server.createJob(CAKE);
  const page = await firefox.browser.newPage();
  await page.goto(`${server.url}/`);
  await seesText(page, `li[data-id="${job.id}"]`, '0 of 6 tasks done');
  await until(page, (id) => document.querySelector(`li[data-id="${id}"]`).classList.contains('live'), job.id);
  await server.report(job.id, { taskId: 'bake', status: 'completed' });
  await seesText(page, `li[data-id="${job.id}"]`, '1 of 6 tasks done');
});
