/* The page with the description of the API. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complaints } from './support/axe.js';
import { seesText, textOf, until } from './support/browser.js';
import { stage } from './support/stage.js';

const set = stage({ flags: ['--max-note', '77'] });
const isThere = (page) => until(page, () => document.querySelectorAll('#reference .entry').length > 40);

test('it shows every route and message, with the limits of this server', async () => {
  const page = await set.open('/docs');
  await isThere(page);
  const description = await (await fetch(`${set.server.url}/openapi.json`)).json();
  const routes = Object.entries(description.paths).flatMap(([path, methods]) => Object.values(methods).map(({ operationId }) => [operationId, path]));
  for (const [id, path] of routes) assert.ok((await textOf(page, `#${id} h3`)).endsWith(path), id);
  await seesText(page, '#reportTasks', 'at most 77');
  await seesText(page, '#putTask details', 'stale_attempt');
  await seesText(page, '#UpdateClientMessage', 'Needs the right report');
  await seesText(page, '#ConnectedMessage', 'resume');
  await seesText(page, '#close-codes', '4404');
});

test('the type of a field leads to its object', async () => {
  const page = await set.open('/docs');
  await isThere(page);
  await page.$eval('#listJobs a[href="#ListedJob"]', (link) => link.click());
  await until(page, () => location.hash === '#ListedJob');
  await seesText(page, '#ListedJob', 'taskCounts');
  const dead = await page.$$eval('#reference a[href^="#"]', (links) => links.map(({ hash }) => hash.slice(1)).filter((id) => !document.getElementById(id)));
  assert.deepEqual(dead, []);
  const ids = await page.$$eval('.entry', (entries) => entries.map(({ id }) => id));
  assert.equal(new Set(ids).size, ids.length);
});

test('a search leaves what has the words, and an address leads to its entry', async () => {
  const page = await set.open('/docs#pollJob');
  await isThere(page);
  await until(page, () => Math.abs(document.getElementById('pollJob').getBoundingClientRect().top) < innerHeight);
  await page.type('#search', 'webhook idempotency');
  await until(page, () => document.getElementById('pollJob').hidden);
  const left = await page.$$eval('#reference .entry:not([hidden])', (all) => all.map(({ id }) => id));
  assert.deepEqual(left.filter((id) => id === 'UpdateClientMessage' || id === 'listKeys'), ['UpdateClientMessage']);
  assert.equal(await page.$$eval('#contents a:not([hidden])', (all) => all.length), left.length);
});

for (const look of [{}, { dark: true }, { width: 360, height: 740 }]) {
  test(`it is accessible and fits: ${JSON.stringify(look)}`, async () => {
    const page = await set.open('/docs', look);
    await isThere(page);
    assert.deepEqual(await complaints(page), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the page');
  });
}
