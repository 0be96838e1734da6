/* The smallest WebSocket server that can say a script: text frames out, close codes out, nothing in. */
import { createHash } from 'node:crypto';
import http from 'node:http';

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

function frame(opcode, payload) {
  const head = payload.length < 126 ? [0x80 | opcode, payload.length]
    : [0x80 | opcode, 126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from(head), payload]);
}

export class SocketServer {
  /** Called for each connection: (socket, query), where socket can say(object) and close(code). */
  script = () => {};
  asked = [];
  open = 0;
  #server = http.createServer((request, response) => response.writeHead(404).end());

  static async start() {
    const server = new SocketServer();
    server.#server.on('upgrade', (request, socket) => server.#upgrade(request, socket));
    await new Promise((resolve) => { server.#server.listen(0, '127.0.0.1', resolve); });
    server.url = `http://127.0.0.1:${server.#server.address().port}`;
    return server;
  }

  #upgrade(request, socket) {
    const query = new URL(request.url, this.url).searchParams;
    const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + MAGIC).digest('base64');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
      + `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: joblight.v1\r\n\r\n`);
    this.asked.push({ path: request.url, protocol: request.headers['sec-websocket-protocol'] });
    this.open++;
    socket.on('close', () => { this.open--; });
    socket.on('error', () => socket.destroy());
    socket.on('data', () => socket.end()); // the client closes, or breaks the script
    this.script({
      say: (object) => socket.write(frame(1, Buffer.from(JSON.stringify(object)))),
      close: (code) => socket.end(frame(8, Buffer.from([code >> 8, code & 255]))),
    }, query);
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => { this.#server.close(resolve); });
  }
}
