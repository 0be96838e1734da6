/* The list of jobs. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { isLive, launch, openPage, seesText, shoot, textOf, until } from './support/browser.js';
import { Server } from './support/server.js';

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

test('without jobs it says so, and a demo job is one press away and live', async () => {
  await open();
  await seesText(page, '#no-jobs', 'No jobs here yet');
  await page.click('#create');
  await until(page, () => location.pathname.startsWith('/jobs/'));
  await isLive(page);
  assert.equal(await page.$$eval('.task', (rows) => rows.length), 6);
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

test('it looks right in light, in the dark and on a phone', async () => {
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
