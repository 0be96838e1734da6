/*
 * What stands in front of a server, with the faults of such: it answers 503 by itself (`busy`), keeps
 * the answer of a stream until it is whole (`holds`), or ends the streams in their own clean way
 * (`finish`). It counts the requests to the API, and serves the page and the script of the clients.
 */
import http from 'node:http';
import net from 'node:net';

const PAGE = '<!doctype html><meta charset="utf-8"><title>fault table</title>';
const BUSY = { 'content-type': 'text/html', connection: 'close' };
const BUSY_SOCKET = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
const CLOSE_1000 = Buffer.from([0x88, 2, 1000 >> 8, 1000 & 255]);

/** The server's random pause, always the same one and as long in bytes; no multiple of it is near 8 s. */
const still = (bytes) =>
  bytes.toString('latin1').replace(/^retry: (\d{4,5})$/m, (_, ms) => `retry: ${'2800'.padStart(ms.length, '0')}`);

function head({ url, rawHeaders }) {
  const lines = [`GET ${url} HTTP/1.1`];
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

export class Gateway {
  busy = false;
  holds = false;
  requests = 0;
  #streams = new Set();
  #target; #files;
  #server = http.createServer((request, response) => this.#serve(request, response));

  static async start(target, script) {
    const gateway = new Gateway();
    gateway.#target = new URL(target);
    gateway.#files = {
      '/fault-table/': ['text/html', PAGE],
      '/fault-table/clients.js': ['text/javascript', script],
    };
    gateway.#server.on('upgrade', (request, socket) => gateway.#upgrade(request, socket));
    await new Promise((resolve) => { gateway.#server.listen(0, '127.0.0.1', resolve); });
    gateway.address = { host: '127.0.0.1', port: gateway.#server.address().port };
    return gateway;
  }

  /** End of body for SSE, close frame 1000 for WebSocket: nothing looks broken. */
  finish() {
    for (const end of this.#streams) end();
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #serve(request, response) {
    const file = this.#files[request.url];
    if (file) return response.writeHead(200, { 'content-type': file[0] }).end(file[1]);
    if (request.url.startsWith('/api/')) this.requests++;
    if (this.busy) return response.writeHead(503, BUSY).end('<h1>503</h1>');
    return this.#forward(request, response);
  }

  #forward(request, response) {
    const { method, url, headers } = request;
    const { hostname: host, port } = this.#target;
    const out = http.request({ host, port, method, path: url, headers, agent: false });
    out.on('error', () => response.destroy());
    response.on('close', () => out.destroy());
    out.on('response', (answer) => {
      const stream = /event-stream/.test(answer.headers['content-type']);
      const send = () => this.#answer(answer, response, stream);
      if (stream && this.holds) answer.on('data', () => {}).on('end', () => response.destroy());
      else send();
    });
    request.pipe(out);
  }

  #answer(answer, response, stream) {
    const { connection, ...headers } = answer.headers;
    response.writeHead(answer.statusCode, headers);
    answer.on('error', () => response.destroy());
    if (!stream) return answer.pipe(response);
    answer.on('data', (bytes) => response.write(still(bytes), 'latin1'));
    answer.on('end', () => response.end());
    return this.#keep(response, () => response.end());
  }

  #upgrade(request, client) {
    this.requests++;
    client.on('error', () => {});
    if (this.busy) return client.end(BUSY_SOCKET);
    const { hostname: host, port } = this.#target;
    const server = net.connect({ host, port });
    server.on('error', () => client.destroy());
    client.on('close', () => server.destroy());
    server.write(head(request));
    client.pipe(server);
    server.pipe(client);
    return this.#keep(client, () => {
      server.unpipe();
      client.unpipe();
      client.once('data', () => client.end()).resume();
      client.write(CLOSE_1000);
    });
  }

  #keep(stream, end) {
    this.#streams.add(end);
    stream.on('close', () => this.#streams.delete(end));
  }
}
