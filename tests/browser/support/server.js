/* The real server as a child process, on a free port. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BINARY, WWW } from './www.js';

export class Server {
  #child;
  #dir = mkdtempSync(join(tmpdir(), 'joblight-browser-'));

  flags = [];
  #verb = 'serve';

  static async start(...flags) {
    const server = new Server();
    server.flags = flags;
    await server.start('127.0.0.1:0');
    return server;
  }

  /** joblight demo: a worker of its own is at work on its jobs demo-1, demo-2 … */
  static async demo(...flags) {
    const server = new Server();
    server.#verb = 'demo';
    server.flags = flags;
    await server.start('127.0.0.1:0');
    return server;
  }

  async start(listen = new URL(this.url).host) {
    const args = [this.#verb, '--listen', listen, '--db', join(this.#dir, 'jobs.db'), ...this.flags];
    if (!args.includes('--www')) args.push('--www', WWW);
    const child = this.#child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    child.stderr.on('data', (text) => { log = (log + text).slice(-4000); });
    const gone = new Promise((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the server left with ${code}: ${log}`)));
    });
    gone.catch(() => {});
    const lines = createInterface({ input: child.stdout });
    const ready = new Promise((resolve) => {
      lines.on('line', (line) => { if (line.includes('http://')) resolve(line); });
    });
    const line = await Promise.race([ready, gone]);
    this.url = new URL(/http:\/\/\S+/.exec(line)[0]).origin;
  }

  get pid() { return this.#child.pid; }

  /** As the power cut does it. */
  kill() {
    return this.#end('SIGKILL');
  }

  async #end(signal) {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => { child.once('exit', resolve); });
    child.kill(signal);
    await gone;
  }

  async stop() {
    if (this.#verb === 'demo') await this.#end('SIGTERM'); // its server is a process of its own
    else await this.kill();
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

  /** A job whose snapshot has about so many bytes. */
  async createLargeJob(bytes) {
    const note = 'n'.repeat(5000);
    const tasks = Array.from({ length: bytes / note.length }, (_, i) => ({ taskId: `t${i}`, status: 'in_progress', note }));
    const job = await this.createJob({ tasks: [] });
    while (tasks.length) await this.report(job.id, tasks.splice(0, 40));
    return job;
  }

  report(jobId, update) {
    return this.call('POST', `/api/agent-hooks/task-update/${jobId}`, update);
  }

  setStatus(jobId, status) {
    return this.call('PATCH', `/api/jobs/${jobId}`, { status });
  }
}
