/* A line that lets only so many bytes a second come down; what goes up is as quick as it is. */
import net from 'node:net';

const TICK_MS = 50;

export class SlowLine {
  connections = 0;
  #sockets = new Set();
  #server;

  static async start(target, bytesPerSecond) {
    const line = new SlowLine();
    const { port } = new URL(target);
    line.#server = net.createServer((client) => line.#relay(client, Number(port), bytesPerSecond * TICK_MS / 1000));
    await new Promise((resolve) => { line.#server.listen(0, '127.0.0.1', resolve); });
    line.url = `http://127.0.0.1:${line.#server.address().port}`;
    return line;
  }

  #relay(client, port, share) {
    const server = net.connect({ port, host: '127.0.0.1', highWaterMark: 4096 });
    this.connections++;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => {
        this.#sockets.delete(socket);
        clearInterval(timer);
        client.destroy();
        server.destroy();
      });
    }
    client.pipe(server);
    let credit = 0;
    const timer = setInterval(() => {
      credit = Math.min(credit + share, 2 * share);
      for (let bytes; credit > 0 && (bytes = server.read(Math.min(Math.ceil(credit), server.readableLength || 1)));) {
        credit -= bytes.length;
        client.write(bytes);
      }
    }, TICK_MS);
    server.pause();
    server.on('end', () => client.end());
  }

  async stop() {
    const closed = new Promise((resolve) => { this.#server.close(resolve); });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
