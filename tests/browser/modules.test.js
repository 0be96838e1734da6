/* Where esbuild is not installed, a program serves the modules of www/client/ unbundled. They are the same client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { seesText } from './support/browser.js';
import { stage } from './support/stage.js';
import * as bundled from './support/www.js';

const set = stage({ flags: ['--www', fileURLToPath(new URL('../../www', import.meta.url))] });

test('the page of a job is live with the modules', async () => {
  const job = await set.server.createJob();
  const page = await set.openJob(job);
  await set.server.report(job.id, { taskId: 'read', status: 'completed', note: 'all of them' });
  await seesText(page, 'main', 'all of them');
  const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname));
  assert.ok(loaded.includes('/client/stream.js'), String(loaded));
});

test('the bundle exports what the modules export', async () => {
  const page = await set.open('/healthz');
  const names = await page.evaluate(async () => Object.keys(await import('/joblight.js')));
  assert.deepEqual(Object.keys(bundled.client).sort(), names.sort());
});
