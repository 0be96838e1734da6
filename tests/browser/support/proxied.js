/* The real server behind a proxy with faults, for the tests of a file; each test begins without any. */
import { after, afterEach, before } from 'node:test';
import { Proxy } from './proxy.js';
import { Server } from './server.js';

export function proxied() {
  const server = new Server();
  const proxy = new Proxy();
  before(async () => {
    await server.start('127.0.0.1:0');
    await proxy.start(server.url);
  });
  afterEach(() => proxy.reset());
  after(async () => {
    await proxy.stop();
    await server.stop();
  });
  return { server, proxy };
}
