/* A server, a proxy before it and a browser for the tests of a file, and pages that must not fail silently. */
import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import { isLive, launch, openPage } from './browser.js';
import { Proxy } from './proxy.js';
import { Server } from './server.js';

export const CAKE = {
  title: 'Bake a lemon cake',
  status: 'in_progress',
  tasks: [
    { id: 'shop', title: 'Find the ingredients' }, { id: 'whisk', title: 'Whisk eggs and sugar' },
    { id: 'zest', title: 'Zest four lemons' }, { id: 'bake', title: 'Bake at 175 °C' },
    { id: 'cool', title: 'Let it cool' }, { id: 'ice', title: 'Pour the icing' },
  ],
};

/** A film of many frames, as a render farm has it: most of it done, some of it in work. */
export async function bigJob(server, count = 1000) {
  const tasks = Array.from({ length: count }, (_, i) => ({ id: `t${i}`, title: `Render frame ${i + 1}` }));
  const job = await server.createJob({ title: 'Render a short film', tasks });
  const stateOf = (i) => {
    if (i < count * 0.42) return { status: i % 97 === 5 ? 'failed' : 'completed', note: 'in 4.1 s' };
    const status = i % 13 ? 'in_progress' : 'blocked';
    if (i < count * 0.46) return { status, progress: (i * 37) % 100, note: 'tracing rays' };
    return { status: 'pending' };
  };
  for (let i = 0; i < count; i += 250) {
    await server.report(job.id, tasks.slice(i, i + 250).map(({ id }, k) => ({ taskId: id, ...stateOf(i + k) })));
  }
  return job;
}

/** `demo`: the server is `joblight demo`, whose pages offer a worker. `flags` go to the server. */
export function stage({ demo = false, flags = [] } = {}) {
  const set = { pages: [] };
  before(async () => {
    set.server = await (demo ? Server.demo(...flags) : Server.start(...flags));
    set.proxy = await Proxy.start(set.server.url);
    set.chromium = await launch();
  });
  after(async () => {
    await set.chromium.close();
    await set.proxy.stop();
    await set.server.stop();
  });
  afterEach(async () => {
    for (const page of set.pages.splice(0)) {
      assert.deepEqual(page.faults, [], 'script errors or blocked resources');
      await page.close();
    }
    set.proxy.rule = () => undefined;
  });
  set.open = async (path, { through = set.server, ...options } = {}) => {
    const page = await openPage(set.chromium.browser, through.url + path, options);
    set.pages.push(page);
    return page;
  };
  set.openJob = async (job, options) => {
    const page = await set.open(`/jobs/${job.id}`, options);
    await isLive(page);
    return page;
  };
  return set;
}
