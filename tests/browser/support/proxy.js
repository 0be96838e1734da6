/*
 * A proxy with faults between a client and the server. It counts what asks and what is open.
 * `rule(request)` says what happens to a request: nothing (passed on), 'hold' (the answer is read and
 * never handed on, as a buffering proxy does), 'cut' (the connection breaks after the server answered)
 * or { status, headers, body } (answered here). `rewrite(text)` changes what the server sends.
 */
import http from 'node:http';

export class Proxy {
  requests = [];
  rule = () => undefined;
  rewrite = (text) => text;
  #server; #target; #sockets = new Set();

  static async start(target) {
    const proxy = new Proxy();
    proxy.#target = target;
    await proxy.listen('127.0.0.1', 0);
    return proxy;
  }

  async listen(host, port) {
    this.#server = http.createServer((request, response) => this.#serve(request, response));
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

  #forward(request, response, entry, rule) {
    const { method, url, headers } = request;
    const out = http.request(this.#target + url, { method, headers, agent: false });
    out.on('error', () => response.destroy());
    response.on('close', () => out.destroy());
    out.on('response', (upstream) => {
      if (rule === 'hold') return upstream.resume();
      if (rule === 'cut') return response.destroy();
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
