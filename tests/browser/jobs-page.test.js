/* The list of jobs. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { isLive, launch, openPage, seesText, shoot, textOf, until } from './support/browser.js';
import { Proxy } from './support/proxy.js';
import { Server } from './support/server.js';
import { eventually } from './support/wait.js';

let server;
let chromium;
let page;

before(async () => {
  server = await Server.start();
  chromium = await launch();
});
after(async () => {
  await chromium.close();
  await server.stop();
});
afterEach(async () => {
  assert.deepEqual(page.faults, [], 'script errors or blocked resources');
  await page.close();
});

const open = async (options) => { page = await openPage(chromium.browser, `${server.url}/`, options); };
const titles = () => page.$$eval('.job .name', (names) => names.map(({ textContent }) => textContent));

test('without jobs it says so; on a demonstration a demo job is one press away and live', async () => {
  await open();
  await seesText(page, '#no-jobs', 'No jobs here yet');
  await page.close();
  const demo = await Server.demo();
  try {
    page = await openPage(chromium.browser, `${demo.url}/`);
    await page.click('#create');
    await until(page, () => location.pathname.startsWith('/jobs/'));
    await isLive(page);
    assert.equal(await page.$$eval('.task', (rows) => rows.length), 6);
  } finally {
    await demo.stop();
  }
});

test('jobs are listed newest first, with hostile titles as text, and new ones come by themselves', async () => {
  await server.createJob({ title: 'First' });
  await server.createJob({ title: '<b>Second</b>' });
  await open();
  await seesText(page, '#jobs', '<b>Second</b>');
  assert.deepEqual((await titles()).slice(0, 2), ['<b>Second</b>', 'First']);
  await server.createJob({ title: 'Third' });
  await until(page, () => document.querySelector('.job .name').textContent === 'Third');
});

test('open and finished jobs can be told apart', async () => {
  const job = await server.createJob({ title: 'Over and done' });
  await server.setStatus(job.id, 'completed');
  await open();
  await seesText(page, '#jobs', 'Over and done');
  await page.evaluate(() => document.querySelector('[name=filter][value=over]').click());
  assert.deepEqual(await titles(), ['Over and done']);
  await page.evaluate(() => document.querySelector('[name=filter][value=open]').click());
  assert.ok(!(await titles()).includes('Over and done'));
});

test('more jobs than fit are read page by page', async () => {
  for (let i = 0; i < 60; i++) await server.createJob({ title: `Job ${i}`, tasks: [] });
  await open();
  await until(page, () => document.querySelectorAll('.job').length === 50);
  await page.click('#older');
  await until(page, () => document.querySelectorAll('.job').length > 60);
});

test('a server that is away is told in words, and the list comes back with it', async () => {
  await open();
  await until(page, () => document.querySelector('.job'));
  await server.kill();
  await seesText(page, '#notice', 'The server cannot be reached');
  assert.ok((await titles()).length);
  await server.start();
  await until(page, () => document.getElementById('notice').hidden);
  assert.equal(await textOf(page, 'h1'), 'Jobs');
});

const six = Array.from({ length: 6 }, (_, i) => ({ id: `t${i}`, title: `Part ${i}` }));
const rowOf = (id) => page.$eval(`li[data-id="${id}"]`, (li) => ({
  did: li.querySelector('.did').textContent, status: li.dataset.status, live: li.classList.contains('live'),
}));
const seesRow = (id, text) => seesText(page, `li[data-id="${id}"]`, text);

/** The list is read again every 3 s, which then never comes. */
const withoutTimer = () => {
  const { setTimeout } = window;
  window.setTimeout = (what, ms, ...rest) => (ms === 3000 ? 0 : setTimeout(what, ms, ...rest));
};

test('the progress of every job is shown, and what happens in active ones comes at once', async () => {
  const job = await server.createJob({ title: 'Live', tasks: six });
  const over = await server.createJob({ title: 'Over', tasks: six });
  await server.report(over.id, [{ taskId: 't0', status: 'completed' }, { taskId: 't1', status: 'completed' }]);
  await server.setStatus(over.id, 'failed');
  const waiting = await server.createJob({ title: 'Waits', tasks: six, status: 'pending' });
  await open({ first: withoutTimer });
  await seesRow(job.id, '0 of 6 tasks done');
  await seesRow(over.id, '2 of 6 tasks done');
  await seesRow(waiting.id, '0 of 6 tasks done');
  await until(page, (id) => document.querySelector(`li[data-id="${id}"]`).classList.contains('live'), job.id);
  await server.report(job.id, { taskId: 't0', status: 'completed' });
  await seesRow(job.id, '1 of 6 tasks done');
  await server.setStatus(job.id, 'completed');
  await seesRow(job.id, 'Completed');
  assert.deepEqual((await rowOf(over.id)).live, false);
});

test('the list reads no job: its rows say how far each one is', async () => {
  const proxy = await Proxy.start(server.url);
  try {
    const job = await server.createJob({ title: 'Large', tasks: six });
    const over = await server.createJob({ title: 'Ended', tasks: six });
    await server.report(over.id, { taskId: 't0', status: 'in_progress', progress: 60 });
    await server.setStatus(over.id, 'failed');
    let heard = '';
    page = await openPage(chromium.browser, `${proxy.url}/?q=e`);
    const cdp = await page.createCDPSession();
    await cdp.send('Network.enable');
    cdp.on('Network.webSocketFrameReceived', ({ response }) => { heard += response.payloadData; });
    await page.reload();
    await until(page, (id) => document.querySelector(`li[data-id="${id}"]`)?.classList.contains('live'), job.id);
    await server.report(job.id, { taskId: 't0', status: 'completed' });
    await seesRow(job.id, '1 of 6 tasks done');
    assert.match(await page.$eval(`li[data-id="${over.id}"] .bar i`, (bar) => bar.style.transform), /-90%/);
    assert.match(heard, /"resume":"exact"/);
    assert.ok(!heard.includes('"tasks":'), heard);
    assert.deepEqual(proxy.asked('/api/jobs/').map(({ url }) => url), []);
  } finally {
    await proxy.stop();
  }
});

test('who watches a job and who works on it is in its row', async () => {
  const job = await server.createJob({ title: 'Busy', tasks: six });
  const other = await openPage(chromium.browser, `${server.url}/jobs/${job.id}`);
  await isLive(other);
  await open();
  await server.call('POST', `/api/jobs/${job.id}/presence`, { agent: 'ann', state: 'typing' });
  await seesRow(job.id, '1 watching');
  await seesRow(job.id, '\u2068ann\u2069 is typing…');
  await other.close();
  await until(page, (id) => !document.querySelector(`li[data-id="${id}"]`).textContent.includes('watching'), job.id);
});

test('a list that nobody looks at watches nothing', async () => {
  const job = await server.createJob({ title: 'Alone', tasks: six });
  const watchers = async () => (await server.report(job.id, { taskId: 't0', status: 'in_progress' })).watchers;
  await open();
  await eventually('the list watches it', async () => await watchers() === 1);
  const cover = await openPage(chromium.browser, 'about:blank');
  await cover.bringToFront();
  await eventually('it closes the connection', async () => await watchers() === 0);
  await page.bringToFront();
  await eventually('it watches again', async () => await watchers() === 1);
  await cover.close();
});

test('jobs are counted, searched, and the search is in the address', async () => {
  await server.createJob({ title: 'A needle' });
  await open();
  await until(page, () => document.querySelector('.job'));
  const counts = await page.$$eval('#filter b', (nodes) => nodes.map(({ textContent }) => parseInt(textContent, 10)));
  assert.equal(counts[0], counts[1] + counts[2]);
  await page.type('#search', 'NEEDLE');
  assert.deepEqual(await titles(), ['A needle']);
  assert.equal(await page.evaluate(() => location.search), '?q=NEEDLE');
  await page.reload();
  await until(page, () => document.querySelector('.job'));
  assert.deepEqual(await titles(), ['A needle']);
  await page.type('#search', ' in no haystack');
  await seesText(page, '#no-jobs', 'None of the jobs is like this');
});

test('it looks right in light, in the dark and on a phone', async () => {
  await server.createJob({ title: 'x'.repeat(500) });
  const looks = { 'jobs-light': {}, 'jobs-dark': { dark: true }, 'jobs-phone': { width: 390, height: 844 } };
  for (const [name, options] of Object.entries(looks)) {
    await page?.close().catch(() => {});
    await open(options);
    await until(page, () => document.querySelector('.job'));
    const [inner, needed] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    assert.ok(needed <= inner, `${name} is ${needed} wide in a window of ${inner}`);
    await shoot(page, name, { fullPage: false });
  }
});
