/* The real server as a child process, on a free port. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const BINARY = process.env.JOBLIGHT_TEST_BINARY || here('../../../build/joblight');
const WWW = here('../../../www');

export class Server {
  #child;
  #dir = mkdtempSync(join(tmpdir(), 'joblight-browser-'));

  #flags = [];

  static async start(...flags) {
    const server = new Server();
    server.#flags = flags;
    await server.start('127.0.0.1:0');
    return server;
  }

  async start(listen = new URL(this.url).host) {
    const args = ['serve', '--listen', listen, '--db', join(this.#dir, 'jobs.db'), '--www', WWW, ...this.#flags];
    const child = this.#child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    child.stderr.on('data', (text) => { log = (log + text).slice(-4000); });
    const gone = new Promise((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the server left with ${code}: ${log}`)));
    });
    gone.catch(() => {});
    const lines = createInterface({ input: child.stdout });
    const ready = new Promise((resolve) => { lines.once('line', resolve); });
    const line = await Promise.race([ready, gone]);
    this.url = /http:\/\/\S+/.exec(line)[0];
  }

  get pid() { return this.#child.pid; }

  /** As the power cut does it. */
  async kill() {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => { child.once('exit', resolve); });
    child.kill('SIGKILL');
    await gone;
  }

  async stop() {
    await this.kill();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async call(method, path, body) {
    const init = { method };
    if (body) Object.assign(init, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const response = await fetch(this.url + path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  createJob(fields = {}) {
    const tasks = [{ id: 'read', title: 'Read the sources' }, { id: 'write', title: 'Write the report' }];
    return this.call('POST', '/api/jobs', { title: 'A report', status: 'in_progress', tasks, ...fields });
  }

  report(jobId, update) {
    return this.call('POST', `/api/agent-hooks/task-update/${jobId}`, update);
  }

  setStatus(jobId, status) {
    return this.call('PATCH', `/api/jobs/${jobId}`, { status });
  }
}
