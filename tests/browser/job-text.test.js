/* Text of others: what turns its direction, what runs from right to left, what is very long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seesText, textOf, until } from './support/browser.js';
import { stage } from './support/stage.js';

const set = stage();
const RLO = '\u202e';
const HEBREW = 'דוח רבעוני';

test('what forces a direction is shown, not obeyed, wherever a text of others stands', async () => {
  const evil = `invoice${RLO}gnp.exe\u2069\u202c`;
  const shown = 'invoice[U+202E]gnp.exe';
  const job = await set.server.createJob({ title: evil, tasks: [{ id: 'read', title: evil }] });
  const page = await set.openJob(job);
  const api = `/api/jobs/${job.id}`;
  const post = (path, body) => set.server.call('POST', `${api}/${path}`, body);
  await set.server.report(job.id, { taskId: 'read', status: 'in_progress', note: evil });
  await post('commands', { command: 'comment', args: { text: evil, from: evil } });
  await post('deliverables', { title: evil, url: 'https://example.org/' });
  await post('presence', { agent: 'ann', state: evil.slice(0, 9), taskId: 'read' });
  await seesText(page, '#agents', 'says');
  for (const part of ['#title', '.task .name', '.note', '#thread p', '#thread .who', '#files a']) {
    await seesText(page, part, shown);
  }
  await until(page, () => document.title.includes('[U+202E]'));
  assert.ok((await page.$eval('.stop', (stop) => stop.getAttribute('aria-label'))).includes(shown));
  await seesText(page, '#raw', 'gnp.exe');
  const loose = await page.evaluate(() => [document.title, document.body.textContent,
    ...[...document.querySelectorAll('[aria-label], [title]')].flatMap((node) => [node.title, node.ariaLabel])]
    .filter((text) => /[\u202a-\u202e]/.test(text)));
  assert.deepEqual(loose, []);
  const list = await set.open('/');
  await seesText(list, '.job .name', shown);
});

test('what is copied as code still says exactly what was said', async () => {
  const page = await set.openJob(await set.server.createJob());
  await page.type('#words', `a${RLO}b`);
  await page.keyboard.press('Enter');
  await seesText(page, '#code', 'comment');
  const code = await textOf(page, '#code');
  assert.ok(!code.includes(RLO));
  assert.equal(JSON.parse(/'(\{.*\})'/.exec(code)[1]).args.text, `a${RLO}b`);
});

const boxes = (page, selector) => page.$eval(selector, (row) => Object.fromEntries(
  [...row.querySelectorAll('.name, .icon, .word, .bar, .ago, .pill, .note')].map((node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const { left, right } = (node.textContent ? range : node).getBoundingClientRect();
    return [node.className.split(' ')[0], { left, right }];
  })));

test('a task whose title runs from right to left has a row that does', async () => {
  const tasks = [{ id: 'rtl', title: HEBREW }, { id: 'ltr', title: 'Report' }];
  const job = await set.server.createJob({ title: 'Both', tasks });
  const page = await set.openJob(job);
  for (const { id } of tasks) {
    await set.server.report(job.id, { taskId: id, status: 'in_progress', progress: 25, note: 'page 1 of 4' });
  }
  await until(page, () => document.querySelectorAll('.task .bar').length === 2);
  const rtl = await boxes(page, '.task[data-id=rtl]');
  const ltr = await boxes(page, '.task[data-id=ltr]');
  assert.ok(ltr.icon.left < ltr.name.left && ltr.name.left < ltr.word.left && ltr.note.left < ltr.ago.left);
  assert.ok(rtl.icon.right > rtl.name.right && rtl.name.right > rtl.word.right && rtl.note.left > rtl.ago.right);
  assert.ok(Math.abs(rtl.note.right - rtl.name.right) < 2, 'the note stands below the title');
  assert.equal(await textOf(page, '.task[data-id=rtl] .word'), 'In progress · 25 %');
  assert.equal(await page.$eval('.task[data-id=rtl] .word', (word) => getComputedStyle(word).direction), 'ltr');
  await page.evaluate(() => Promise.all(document.getAnimations().filter((motion) => motion.transitionProperty)
    .map(({ finished }) => finished)));
  const fills = await page.$$eval('.task .bar', (bars) => bars.map((bar) => {
    const [box, fill] = [bar, bar.firstChild].map((node) => node.getBoundingClientRect());
    return [Math.round(fill.left - box.left), Math.round(fill.right - box.right)].map(Math.sign);
  }));
  assert.deepEqual(fills, [[1, 1], [-1, -1]], 'it fills from the side where the row begins');
});

test('a job whose title runs from right to left is cut at its end, not at its beginning', async () => {
  const job = await set.server.createJob({ title: `${HEBREW} ${'מאוד '.repeat(50)}` });
  const page = await set.open('/', { width: 390, height: 844 });
  await until(page, (id) => document.querySelector(`li[data-id="${id}"]`), job.id);
  const row = await boxes(page, `li[data-id="${job.id}"]`);
  assert.equal(await page.$eval(`li[data-id="${job.id}"] .name`, (name) => getComputedStyle(name).direction), 'rtl');
  assert.ok(row.pill.right < row.name.right);
  const [inner, needed] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  assert.ok(needed <= inner);
});

test('a long heading is cut after three lines, and there is a way to the rest', async () => {
  const title = 'A very long name of a job '.repeat(19);
  const job = await set.server.createJob({ title, tasks: [{ id: 'long', title }] });
  const page = await set.openJob(job, { width: 390, height: 844 });
  const lines = (selector) => page.$eval(selector, (node) =>
    Math.round(node.clientHeight / parseFloat(getComputedStyle(node).lineHeight)));
  assert.deepEqual([await lines('#title'), await lines('.task .name')], [3, 3]);
  assert.equal(await page.$eval('#title', (h1) => h1.title), title);
  assert.equal(await page.$eval('.task .name', (name) => name.title), title);
  await page.click('#title');
  assert.ok(await lines('#title') > 8);
});
