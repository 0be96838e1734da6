/* The wrappers of docs/wrappers, each in an application of its framework, in Chromium and from the real server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openPage, seesText, until } from './support/browser.js';
import { Server } from './support/server.js';
import { eventually } from './support/wait.js';
import { bundle } from './wrappers/bundle.js';

let server;
let chromium;

before(async () => {
  server = await Server.start();
  chromium = await launch();
});
after(async () => {
  await chromium.close();
  await server.stop();
});

async function show(page, { id }) {
  await page.evaluate((jobId) => { window.app.show(jobId); }, id);
  await until(page, (jobId) => {
    const { stream, state } = document.querySelector('task-event-stream') || {};
    return stream?.jobId === jobId && state === 'live';
  }, id);
}

/** The server's own word on it, from the answer to a worker. */
const isLeft = ({ id }) => eventually('nobody watches', async () =>
  !(await server.report(id, { taskId: 'write', status: 'pending' })).watchers);

for (const [name, entry] of [['React', 'react.jsx'], ['Vue', 'vue.js'], ['Svelte', 'svelte.js']]) {
  test(`${name}: updates are seen, another job is switched to, unmounting disconnects`, async () => {
    const [one, two, three] = await Promise.all([server.createJob(), server.createJob(), server.createJob()]);
    const page = await openPage(chromium.browser, `${server.url}/healthz`);
    await page.addScriptTag({ content: await bundle(entry) });

    await show(page, one);
    await server.report(one.id, { taskId: 'read', status: 'blocked' });
    await seesText(page, 'output', 'read is blocked, the job in_progress');

    await show(page, two);
    await isLeft(one);
    await server.report(two.id, { taskId: 'read', status: 'completed' });
    await seesText(page, 'output', 'read is completed, the job in_progress');

    await show(page, three);
    const { watchers } = await server.report(three.id, { taskId: 'write', status: 'in_progress' });
    assert.equal(watchers, 1);
    await page.evaluate(() => window.app.close());
    assert.equal(await page.$('task-event-stream'), null);
    await isLeft(three);
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  test(`${name}: the end of the job reaches the application`, async () => {
    const job = await server.createJob();
    const page = await openPage(chromium.browser, `${server.url}/healthz`);
    await page.addScriptTag({ content: await bundle(entry) });
    await show(page, job);
    await server.setStatus(job.id, 'completed');
    await seesText(page, 'output', 'the job completed');
    assert.equal(await page.$eval('task-event-stream', ({ state }) => state), 'ended');
    assert.deepEqual(page.faults, []);
    await page.close();
  });
}
