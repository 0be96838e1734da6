/*
 * The fault table: a client in a real browser, the real server, and one fault between them. Ten events
 * come before the fault, ten in it, twenty when it is long over; what counts is how many of these forty
 * the page got. Requests are counted for 8 s after the end of a job. Everything random, in the page and
 * in the server's `retry:`, is always the same, so that a run can be repeated.
 */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { launch } from '../support/browser.js';
import { Server } from '../support/server.js';
import { eventually, pause } from '../support/wait.js';
import { Gateway } from './gateway.js';
import { Line } from './line.js';

export const EVENTS = 40;
const BEFORE = 10, DURING = 10;
const SETTLE_MS = 10000; // from the end of the fault to the last events
const HELLO_MS = 8000; // a page that has received nothing by then receives nothing
const PATIENCE_MS = 15000; // for the last events; beyond it they are lost
const AFTER_END_MS = 8000;

export const FAULTS = [
  { name: '503 for 4 s', async run({ gateway, line }, report) {
    gateway.busy = true;
    line.cut();
    await report(DURING);
    await pause(4000);
    gateway.busy = false;
  } },
  { name: 'refused for 3 s', async run({ line }, report) {
    line.refuse();
    await report(DURING);
    await pause(3000);
    await line.accept();
  } },
  { name: 'dead link for 12 s', async run({ line }, report) {
    line.die();
    await report(DURING);
    await pause(12000);
    line.revive();
  } },
  { name: 'clean close', async run({ gateway }, report) {
    gateway.finish();
    await report(DURING);
  } },
  { name: 'proxy holds SSE', holds: true, run: (_, report) => report(DURING) },
];

/** A server for one stream, and while the client cannot connect somebody else takes that place for 4 s. */
const FULL = { async run({ line, server, id }, report) {
  line.refuse();
  const other = await eventually('the place is taken', async () => {
    const { body } = await fetch(`${server.url}/api/jobs/${id}/task-events`);
    const reader = body.getReader();
    const { value } = await reader.read();
    return new TextDecoder().decode(value).includes('connected') && reader;
  });
  await line.accept();
  await report(DURING);
  await pause(4000);
  await other.cancel();
} };

export const CLIENTS = ['native EventSource', 'eventsource', 'reconnecting-eventsource',
  '@microsoft/fetch-event-source', 'sse.js', 'partysocket', 'reconnecting-websocket', 'joblight'];

export const END = 'requests after the end';

/** The clients as one module for the page. Ours is the one that the server serves. */
async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('clients.js', import.meta.url))],
    bundle: true, write: false, format: 'esm', external: ['/joblight.js'], logLevel: 'error',
  });
  return outputFiles[0].text;
}

export class Bench {
  #server; #browser; #script;
  #count = 0;

  /** `name` is chromium or firefox. */
  static async start(name, ...options) {
    const bench = new Bench();
    bench.#script = await bundle();
    bench.#browser = await launch(name);
    try {
      bench.#server = await Server.start('--heartbeat-ms', '1000', ...options);
    } catch (err) {
      await bench.#browser.close();
      throw err;
    }
    return bench;
  }

  version() {
    return this.#browser.browser.version();
  }

  async stop() {
    await this.#browser.close();
    await this.#server.stop();
  }

  /** All columns of one client, side by side: what it has seen of each, how many of the forty, and requests. */
  async row(client) {
    const cells = await Promise.all([
      ...FAULTS.map((fault) => this.#stand(client, fault.holds, (stand) => this.#suffer(stand, fault))),
      this.#stand(client, false, (stand) => this.#finish(stand)),
    ]);
    const requests = cells.pop();
    return { client, cells, counts: cells.map((seen) => new Set(seen).size), requests };
  }

  /** What this client has seen of its forty events although the server (--max-streams 1) had no place for a while. */
  whileFull(client) {
    return this.#stand(client, false, (stand) => this.#suffer({ ...stand, server: this.#server }, FULL));
  }

  /** A job, a way to the server, and a page in the foreground that follows it. */
  async #stand(client, holds, use) {
    const gateway = await Gateway.start(this.#server.url, this.#script);
    const line = await Line.start(gateway.address, `127.0.64.${++this.#count}`);
    const { id } = await this.#server.createJob({ tasks: [] });
    const page = await this.#browser.browser.newPage({ type: 'window' });
    try {
      await page.goto(`${line.url}/fault-table/`);
      gateway.holds = Boolean(holds);
      await page.evaluate(watch, client, id);
      await this.#begin(page, id);
      return await use({ gateway, line, page, id });
    } finally {
      await page.close();
      await line.stop();
      gateway.stop();
    }
  }

  /** Says hello until the page has heard it: then it is subscribed. */
  #begin(page, id) {
    const heard = () => page.evaluate(() => window.hello);
    const end = Date.now() + HELLO_MS;
    return eventually('it hears', async () => {
      await this.#server.report(id, { taskId: 'hello', progress: 1 });
      return Date.now() > end || heard();
    });
  }

  async #report(id, times) {
    for (let i = 0; i < times; i++) await this.#server.report(id, { taskId: 'work', progress: i });
  }

  async #suffer({ page, id, ...between }, fault) {
    const report = (times) => this.#report(id, times);
    await report(BEFORE);
    if (!fault.holds) await gets(page, BEFORE);
    await fault.run({ ...between, id }, report);
    await pause(SETTLE_MS);
    await report(EVENTS - BEFORE - DURING);
    await gets(page, EVENTS, PATIENCE_MS).catch(() => {});
    return page.evaluate(() => window.seen);
  }

  async #finish({ gateway, page, id }) {
    await this.#report(id, BEFORE);
    await gets(page, BEFORE);
    gateway.requests = 0;
    await this.#server.setStatus(id, 'completed');
    await pause(AFTER_END_MS);
    return gateway.requests;
  }
}

const gets = (page, count, timeout = PATIENCE_MS) =>
  page.waitForFunction((least) => new Set(window.seen).size >= least, { timeout, polling: 100 }, count);

/** In the page. */
async function watch(client, jobId) {
  window.seen = [];
  Math.random = () => 0.5;
  const { follow } = await import('/fault-table/clients.js');
  follow(client, jobId, ({ type, taskId, seq }) => {
    if (type !== 'task_update') return;
    if (taskId === 'work') window.seen.push(seq);
    else window.hello = true;
  });
}
