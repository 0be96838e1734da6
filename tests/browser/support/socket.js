/* A server that says a script over WebSockets, and answers plain requests as it is told. It has the client, too. */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import { WWW } from './www.js';

export class SocketServer {
  /**
   * Called for each connection: (socket, query), where socket can say(object), raw(text or bytes) and
   * close(code, reason), and socket.hears is called with each message that comes.
   */
  script = () => {};
  /** What a plain request is answered with: { status, headers, body }. */
  plain = () => ({ status: 404 });
  /** A status: handshakes are refused with it. */
  refuses = () => undefined;
  asked = [];
  requests = [];
  open = 0;
  #sockets = new WebSocketServer({ noServer: true });
  #server = http.createServer((request, response) => this.#answer(request, response));

  static async start() {
    const server = new SocketServer();
    server.#server.on('upgrade', (request, socket, head) => server.#upgrade(request, socket, head));
    await new Promise((resolve) => { server.#server.listen(0, '127.0.0.1', resolve); });
    server.url = `http://127.0.0.1:${server.#server.address().port}`;
    return server;
  }

  /** Forgets the scripts and what was asked. */
  reset() {
    this.script = () => {};
    this.plain = () => ({ status: 404 });
    this.refuses = () => undefined;
    this.asked.length = this.requests.length = 0;
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  #answer({ method, url, headers }, response) {
    if (url === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
    if (/^\/[\w-]+\.js$/.test(url)) {
      return response.writeHead(200, { 'content-type': 'text/javascript' }).end(readFileSync(join(WWW, url)));
    }
    if (url === '/favicon.ico') return response.writeHead(204).end();
    this.requests.push({ method, url, headers, at: Date.now() });
    const { status = 200, headers: more, body = '' } = this.plain({ method, url, headers }) || {};
    const json = typeof body !== 'string' && { 'content-type': 'application/json' };
    return response.writeHead(status, { ...json, ...more }).end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  #upgrade(request, socket, head) {
    const { url, headers } = request;
    const protocol = headers['sec-websocket-protocol'];
    const status = this.refuses(request);
    this.asked.push({ path: url, protocol, at: Date.now() });
    if (status) {
      socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#run(ws, new URL(url, this.url).searchParams));
  }

  #run(ws, query) {
    const socket = {
      hears: () => {},
      say: (what) => ws.send(JSON.stringify(what)),
      raw: (bytes) => ws.send(bytes),
      close: (code, reason) => ws.close(code, reason),
    };
    this.open++;
    ws.on('close', () => { this.open--; });
    ws.on('error', () => ws.terminate());
    ws.on('message', (text) => socket.hears(JSON.parse(text)));
    this.script(socket, query);
  }

  async stop() {
    this.reset();
    this.#server.closeAllConnections();
    await new Promise((resolve) => { this.#server.close(resolve); });
  }
}
