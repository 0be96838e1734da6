/*
 * A proxy with faults between a client and the server. It counts what asks and what is open.
 * `rule(request)` says what happens to a request: nothing (passed on), 'hold' (the answer is read and
 * never handed on, as a buffering proxy does), 'cut' (the connection breaks after the server answered),
 * 'head' (the headers come, and nothing after them), 'reset' (it breaks after the headers) or { status, headers, body } (answered here). `rewrite(text)` changes what the server sends;
 * what goes over a WebSocket passes as it is.
 */
import http from 'node:http';
import net from 'node:net';

export class Proxy {
  requests = [];
  rule = () => undefined;
  rewrite = (text) => text;
  path = (url) => url; // what the server is asked for
  #server; #target; #sockets = new Set();

  static async start(target) {
    const proxy = new Proxy();
    await proxy.start(target);
    return proxy;
  }

  async start(target) {
    this.#target = target;
    await this.listen('127.0.0.1', 0);
  }

  /** Forgets the faults and what was asked. */
  reset() {
    this.rule = () => undefined;
    this.rewrite = (text) => text;
    this.requests.length = 0;
  }

  async listen(host, port) {
    this.#server = http.createServer((request, response) => this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise((resolve) => { this.#server.listen(port, host, resolve); });
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Every connection breaks and new ones are refused. */
  async refuse() {
    const closed = new Promise((resolve) => { this.#server.close(resolve); });
    this.cut();
    await closed;
  }

  accept() {
    return this.listen('127.0.0.1', new URL(this.url).port);
  }

  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The line is dead: connections stay, and not a byte passes any more. */
  silence() {
    for (const { upstream } of this.requests) upstream?.pause();
  }

  asked(part) {
    return this.requests.filter(({ url }) => url.includes(part));
  }

  open(part) {
    return this.asked(part).filter((request) => request.open);
  }

  async stop() {
    await this.refuse();
  }

  #serve(request, response) {
    const entry = { method: request.method, url: request.url, headers: request.headers, at: Date.now(), open: true };
    const rule = this.rule(request);
    this.requests.push(entry);
    response.on('close', () => { entry.open = false; });
    if (rule?.status) {
      response.writeHead(rule.status, rule.headers).end(rule.body);
      return;
    }
    this.#forward(request, response, entry, rule);
  }

  #upgrade(request, socket, head) {
    const { method, url, headers, rawHeaders } = request;
    const entry = { method, url, headers, at: Date.now(), open: true };
    const rule = this.rule(request);
    this.requests.push(entry);
    socket.on('close', () => { entry.open = false; });
    socket.on('error', () => socket.destroy());
    if (rule?.status) {
      socket.end(`HTTP/1.1 ${rule.status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    const upstream = entry.upstream = net.connect(new URL(this.#target).port, '127.0.0.1');
    const lines = rawHeaders.flatMap((text, i) => (i % 2 ? [] : `${text}: ${rawHeaders[i + 1]}`));
    upstream.write(`GET ${this.path(url)} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    upstream.write(head);
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.on('end', () => socket.destroy());
    socket.pipe(upstream);
    if (rule !== 'hold') upstream.pipe(socket);
  }

  #forward(request, response, entry, rule) {
    const { method, url, headers } = request;
    const out = http.request(this.#target + this.path(url), { method, headers, agent: false });
    out.on('error', () => response.destroy());
    response.on('close', () => out.destroy());
    out.on('response', (upstream) => {
      if (rule === 'hold') return upstream.resume();
      if (rule === 'cut') return response.destroy();
      if (rule === 'reset' || rule === 'head') {
        response.writeHead(upstream.statusCode, { 'content-type': upstream.headers['content-type'] });
        response.flushHeaders();
        upstream.resume();
        return rule === 'head' || setImmediate(() => response.destroy());
      }
      return this.#answer(upstream, response, entry);
    });
    request.pipe(out);
  }

  #answer(upstream, response, entry) {
    entry.upstream = upstream;
    const headers = { ...upstream.headers };
    delete headers['content-length']; // rewriting may change it
    delete headers.connection;
    delete headers['keep-alive'];
    delete headers['transfer-encoding'];
    response.writeHead(upstream.statusCode, headers);
    upstream.setEncoding('utf8');
    upstream.on('data', (text) => response.write(this.rewrite(text)));
    upstream.on('end', () => response.end());
    upstream.on('aborted', () => response.destroy());
    upstream.on('error', () => response.destroy());
  }
}
