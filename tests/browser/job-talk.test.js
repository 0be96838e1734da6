/* The way back: comments, cancels and presence, and what the page tells others to do. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { isLive, seesText, textOf, until } from './support/browser.js';
import { CAKE, stage } from './support/stage.js';
import { eventually } from './support/wait.js';

const run = promisify(execFile);
const set = stage({ demo: true });

const commands = async (job) => {
  const { activity } = await set.server.call('GET', `/api/jobs/${job.id}/activity`);
  return activity.filter(({ type }) => type === 'command');
};

test('a comment is a command in the log, and everybody sees it', async () => {
  const job = await set.server.createJob(CAKE);
  const one = await set.openJob(job);
  const other = await set.openJob(job);
  await one.bringToFront();
  await one.type('#words', 'Less sugar <b>please</b>');
  await one.keyboard.press('Enter');
  for (const page of [one, other]) await seesText(page, '#thread', 'Less sugar <b>please</b>');
  assert.equal(await textOf(one, '.who'), 'You');
  assert.equal(await textOf(other, '.who'), 'Somebody');
  assert.equal(await one.$eval('#words', (input) => input.value), '');
  const [said] = await commands(job);
  assert.deepEqual([said.command, said.args.text], ['comment', 'Less sugar <b>please</b>']);
});

test('what was said before is there when one comes later', async () => {
  const job = await set.server.createJob(CAKE);
  for (const text of ['first', 'second']) {
    await set.server.call('POST', `/api/jobs/${job.id}/commands`, { command: 'comment', args: { text } });
  }
  const page = await set.openJob(job);
  await until(page, () => document.querySelectorAll('#thread li').length === 2);
  const said = await page.$$eval('#thread p', (nodes) => nodes.map(({ textContent }) => textContent));
  assert.deepEqual(said, ['first', 'second']);
});

test('the demo worker answers a comment, and types before', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  await page.click('#demo');
  await seesText(page, '#agents', 'demo-worker is working on');
  await page.type('#words', 'Faster!');
  await page.click('#send');
  await seesText(page, '#agents', 'demo-worker is typing');
  await seesText(page, '#thread', '“Faster!”');
  assert.equal(await page.$$eval('#thread li.worker', (rows) => rows.length), 1);
});

test('the demo worker leaves out a task that is cancelled', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  await page.click('#demo');
  await page.hover('.task[data-id=ice]');
  await page.click('.task[data-id=ice] .stop');
  await page.click('.task[data-id=shop] .stop');
  await until(page, () => document.querySelector('.task[data-id=shop]').dataset.status === 'cancelled');
  await seesText(page, '#thread', 'Cancel “\u2068Pour the icing\u2069”');
  await eventually('the job is over', async () => (await textOf(page, '#status')) === 'Completed', 40000);
  assert.equal(await page.$eval('.task[data-id=ice]', (row) => row.dataset.status), 'cancelled');
  await seesText(page, '#counts', '4 of 4 tasks done');
});

test('the demo worker stops when the job is cancelled, which takes two presses', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  await page.click('#demo');
  await until(page, () => document.querySelector('.task[data-status=in_progress]'));
  await page.click('#cancel');
  await seesText(page, '#cancel', 'Press again');
  assert.deepEqual(await commands(job), []);
  await page.click('#cancel');
  await seesText(page, '#status', 'Cancelled');
  assert.equal(await page.$$eval('.task[data-status=cancelled]', (rows) => rows.length), 6);
  assert.deepEqual(await page.$$eval('#words, #send, #cancel', (nodes) => nodes.map(({ disabled }) => disabled)),
    [true, true, true]);
});

test('a worker that tells of itself is shown, with its task, and goes by itself', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  await set.server.call('POST', `/api/jobs/${job.id}/presence`, { agent: 'ann', state: 'typing', taskId: 'bake' });
  await seesText(page, '#agents', 'ann is typing in “\u2068Bake at 175 °C\u2069”');
  await set.server.call('POST', `/api/jobs/${job.id}/presence`, { agent: 'ann', state: '' });
  await until(page, () => !document.getElementById('agents').textContent);
});

test('who types is seen by the others, not by oneself', async () => {
  const job = await set.server.createJob(CAKE);
  const one = await set.openJob(job);
  const other = await set.openJob(job);
  await one.bringToFront();
  await one.type('#words', 'hm');
  await other.bringToFront();
  await seesText(other, '#agents', 'is typing');
  assert.equal(await textOf(one, '#agents'), '');
});

test('a task nobody hears of any more is shown as such, until the next word', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  await set.server.report(job.id, { taskId: 'bake', status: 'in_progress', progress: 30, heartbeatTimeoutMs: 1000 });
  const look = () => page.$eval('.task[data-id=bake]', (row) =>
    [row.dataset.status, row.querySelector('.word').textContent]);
  await until(page, () => document.querySelector('.task[data-id=bake]').dataset.status === 'stalled');
  assert.deepEqual(await look(), ['stalled', 'No word from the worker · 30 %']);
  await set.server.report(job.id, { taskId: 'bake', note: 'here I am', heartbeatTimeoutMs: null });
  await until(page, () => document.querySelector('.task[data-id=bake]').dataset.status === 'in_progress');
});

test('what was done is shown as curl, JavaScript and Python, and each of them runs', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  await page.type('#words', 'It’s "quoted" \\ $HOME `x` 😀');
  await page.keyboard.press('Enter');
  await seesText(page, '#code', 'comment');
  const dir = mkdtempSync(join(tmpdir(), 'joblight-code-'));
  const programs = { curl: ['sh', 'a.sh'], javascript: ['node', 'a.mjs'], python: ['/usr/bin/python3', 'a.py'] };
  try {
    for (const [name, [program, file]] of Object.entries(programs)) {
      await page.click(`#tab-${name}`);
      assert.equal(await page.$eval(`#tab-${name}`, (tab) => tab.getAttribute('aria-selected')), 'true');
      const before = (await commands(job)).length;
      writeFileSync(join(dir, file), await textOf(page, '#code'));
      await run(program, [join(dir, file)]);
      const after = await commands(job);
      assert.equal(after.length, before + 1, name);
      assert.deepEqual(after.at(-1).args, after[0].args, name);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('the tabs of the code are moved through with the arrows', async () => {
  const page = await set.openJob(await set.server.createJob(CAKE));
  await page.focus('#tab-curl');
  await page.keyboard.press('ArrowRight');
  await seesText(page, '#code', 'await fetch(');
  await page.keyboard.press('ArrowRight');
  await seesText(page, '#code', 'import json');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'tab-python');
});

test('raw events can be filtered and copied as lines of JSON', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  await set.server.report(job.id, { taskId: 'bake', note: 'needle' });
  await set.server.report(job.id, { taskId: 'cool', note: 'hay' });
  await until(page, () => document.querySelectorAll('#raw li').length >= 3);
  await page.type('#raw-filter', 'Needle');
  assert.equal(await page.$$eval('#raw li', (rows) => rows.length), 1);
  await set.server.report(job.id, { taskId: 'ice', note: 'another needle' });
  await until(page, () => document.querySelectorAll('#raw li').length === 2);
  const copied = await page.evaluate(() => {
    Object.defineProperty(navigator, 'clipboard', { value: undefined }); // as on plain http
    const text = new Promise((resolve) => {
      document.addEventListener('copy', () => resolve(document.activeElement.value), { once: true });
    });
    document.getElementById('raw-copy').click();
    return text;
  });
  assert.deepEqual(copied.trim().split('\n').map((line) => JSON.parse(line).note), ['needle', 'another needle']);
  await page.type('#raw-filter', ' nowhere');
  await seesText(page, '#no-raw', 'None of them');
});

test('the link of the page is copied to be shared, and shows a task when it names one', async () => {
  const tasks = Array.from({ length: 80 }, (_, i) => ({ id: `t${i}`, title: `Part ${i}` }));
  const job = await set.server.createJob({ tasks });
  const page = await set.open(`/jobs/${job.id}#task=t70`);
  await isLive(page);
  await until(page, () => {
    const box = document.querySelector('.task[data-id=t70]')?.getBoundingClientRect();
    return box && box.top > 0 && box.bottom < innerHeight;
  });
  await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', {
    value: { writeText: async (text) => { window.copied = text; } },
  }));
  await page.click('#share');
  await seesText(page, '#share', 'Link copied');
  assert.equal(await page.evaluate(() => window.copied), `${set.server.url}/jobs/${job.id}`);
});
