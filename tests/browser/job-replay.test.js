/* A job that is over, once more from its log. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seesText, textOf, until } from './support/browser.js';
import { CAKE, stage } from './support/stage.js';
import { pause } from './support/wait.js';

const set = stage();

/** About a second and a half of work, and what a page must look like at its end. */
async function finished() {
  const job = await set.server.createJob(CAKE);
  for (const { id } of CAKE.tasks.slice(0, 3)) {
    await set.server.report(job.id, { taskId: id, status: 'in_progress', progress: 50, note: `half of ${id}` });
    await pause(250); // the job's own speed
    await set.server.report(job.id, { taskId: id, status: 'completed', note: `all of ${id}` });
    await pause(250);
  }
  await set.server.report(job.id, { taskId: 'extra', title: 'One more', status: 'completed' });
  await set.server.setStatus(job.id, 'completed');
  return job;
}

const rows = (page) => page.$$eval('.task', (nodes) =>
  nodes.map((li) => [li.dataset.id, li.dataset.status, li.querySelector('.note').textContent]));

const seek = (page, part) => page.$eval('#replay-at', (bar, value) => {
  bar.value = value;
  bar.dispatchEvent(new Event('input', { bubbles: true }));
}, part * 1000);

const speed = (page, factor) => page.evaluate((value) =>
  document.querySelector(`[name=speed][value="${value}"]`).click(), factor);

/** A frame takes so many ms of the page's clock, whatever it takes. */
const frameByFrame = (page, ms = 16) => page.evaluate((step) => {
  let now = performance.now();
  performance.now = () => now;
  window.requestAnimationFrame = (paint) => setTimeout(() => paint(now += step));
}, ms);

test('a job in work cannot be replayed, one that is over can', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  assert.equal(await page.$eval('#replay', (node) => node.hidden), true);
  await set.server.setStatus(job.id, 'completed');
  await until(page, () => !document.getElementById('replay').hidden);
});

test('a replay begins at the beginning and ends as the job did', async () => {
  const page = await set.open(`/jobs/${(await finished()).id}`);
  await seesText(page, '#status', 'Completed');
  const truth = await rows(page);
  await frameByFrame(page);
  await page.evaluate(() => {
    window.shown = []; // what stands there for a moment may be gone when one looks
    new MutationObserver(() => {
      const texts = ['#status', '.task[data-id=shop] .note'].map((one) => document.querySelector(one)?.textContent);
      window.shown.push([document.querySelectorAll('.task').length, ...texts].join());
    }).observe(document.body, { childList: true, characterData: true, subtree: true });
  });
  await page.click('#replay-play');
  for (const shown of ['6,In progress,', '6,In progress,half of shop']) {
    await until(page, (text) => window.shown.includes(text), shown);
  }
  await speed(page, 4);
  await seesText(page, '#status', 'Completed');
  await seesText(page, '#replay-play', 'Replay it');
  assert.deepEqual(await rows(page), truth);
});

test('four times as fast is four times as fast', async () => {
  const page = await set.open(`/jobs/${(await finished()).id}`);
  await frameByFrame(page);
  const took = async (factor) => {
    await speed(page, factor);
    return page.evaluate(() => new Promise((resolve) => {
      const button = document.getElementById('replay-play');
      let began;
      new MutationObserver((_, observer) => {
        if (button.textContent === 'Pause') began = performance.now();
        if (!began || button.textContent !== 'Replay it') return;
        observer.disconnect();
        resolve(performance.now() - began);
      }).observe(button, { childList: true, characterData: true, subtree: true });
      button.click();
    }));
  };
  await until(page, () => !document.getElementById('replay').hidden);
  await took(64); // reads the log
  const [one, four] = [await took(1), await took(4)];
  assert.ok(one > 1400, `${one} ms`);
  assert.ok(Math.abs(one - four * 4) <= 16 * 8, `${one} ms and ${four} ms`);
});

test('the time bar goes to any moment, back and forth', async () => {
  const page = await set.open(`/jobs/${(await finished()).id}`);
  await until(page, () => !document.getElementById('replay').hidden);
  await frameByFrame(page, 1); // there is time to pause it
  await page.click('#replay-play');
  await seesText(page, '#replay-play', 'Pause');
  await page.click('#replay-play');
  await seesText(page, '#replay-play', 'Go on');
  await seek(page, 1);
  await until(page, () => document.querySelector('.task[data-id=extra]'));
  await seek(page, 0);
  await until(page, () => !document.querySelector('.task[data-id=extra]'));
  await until(page, () => [...document.querySelectorAll('.task')].every((li) => li.dataset.status === 'pending'));
  await seek(page, 0.5);
  await until(page, () => document.querySelector('.task[data-id=shop]').dataset.status === 'completed');
  assert.equal(await page.$eval('.task[data-id=zest]', (li) => li.dataset.status) === 'completed', false);
  const said = await page.$eval('#replay-at', (bar) => bar.getAttribute('aria-valuetext'));
  assert.match(said, /^0:0[01] of 0:0[12]$/);
  await page.click('#replay-close');
  await until(page, () => document.querySelector('.task[data-id=extra]'));
  assert.match(await textOf(page, '#since'), /^took/);
});

test('a log that cannot be read now is told, and can be asked for again', async () => {
  const job = await finished();
  const page = await set.open(`/jobs/${job.id}`, { through: set.proxy });
  await until(page, () => !document.getElementById('replay').hidden);
  await frameByFrame(page, 1); // there is time to see it begin
  set.proxy.rule = ({ url }) => (url.includes('activity') ? { status: 503, body: '{}' } : undefined);
  await page.click('#replay-play');
  await seesText(page, '#replay-play', 'busy');
  set.proxy.rule = () => undefined;
  await page.click('#replay-play');
  await seesText(page, '#replay-play', 'Pause');
});
