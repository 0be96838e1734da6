/* A server with access keys, what its keys make, and a page that uses it. */
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server } from './server.js';
import { BINARY } from './www.js';

export class KeyedServer extends Server {
  #keyDir = mkdtempSync(join(tmpdir(), 'joblight-key-'));

  /** `key` has every right over every job. */
  static async start(...flags) {
    const server = new KeyedServer();
    server.key = execFileSync(BINARY, ['key', 'generate'], { encoding: 'utf8' }).trim();
    const path = join(server.#keyDir, 'key');
    writeFileSync(path, server.key, { mode: 0o600 });
    server.flags = ['--key-file', path, ...flags];
    await server.start('127.0.0.1:0');
    return server;
  }

  /** Any request; the answer as it is. */
  ask(method, path, { key = this.key, body, headers } = {}) {
    return fetch(this.url + path, {
      method,
      headers: { ...key && { authorization: `Bearer ${key}` }, ...body && { 'content-type': 'application/json' }, ...headers },
      body: body && JSON.stringify(body),
    });
  }

  async call(method, path, body) {
    const response = await this.ask(method, path, { body });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text && JSON.parse(text);
  }

  makeKey(scope, jobs = ['*'], more = {}) {
    return this.call('POST', '/api/keys', { name: scope.join(' and '), scope, jobs, ...more });
  }

  revoke({ id }) {
    return this.call('DELETE', `/api/keys/${id}`);
  }

  async makeToken(job, request = { scope: ['watch'] }, { key } = {}) {
    const response = await this.ask('POST', `/api/jobs/${job.id}/tokens`, { body: request, ...key && { key } });
    return (await response.json()).token;
  }

  async stop() {
    await super.stop();
    rmSync(this.#keyDir, { recursive: true, force: true });
  }
}
