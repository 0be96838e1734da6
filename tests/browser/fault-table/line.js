/*
 * A TCP line with faults, on a loopback address of its own: browsers count connections, and make
 * WebSocket handshakes wait for each other, per address. It relays bytes and knows nothing of HTTP.
 */
import net from 'node:net';

export class Line {
  #dead = false;
  #pairs = new Set();
  #server; #host; #port; #target;

  static async start(target, host) {
    const line = new Line();
    line.#target = target;
    line.#host = host;
    await line.accept();
    return line;
  }

  accept() {
    const server = this.#server = net.createServer({ allowHalfOpen: true }, (client) => this.#relay(client));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port || 0, this.#host, () => {
        this.#port = server.address().port;
        this.url = `http://${this.#host}:${this.#port}`;
        resolve();
      });
    });
  }

  /** Every connection is reset and new ones are refused. */
  refuse() {
    this.#server.close();
    this.cut();
  }

  cut() {
    for (const { client } of this.#pairs) client.resetAndDestroy();
  }

  /** No byte passes, and no end of a connection; connections of this time stay dead. */
  die() {
    this.#dead = true;
    for (const pair of this.#pairs) this.#bury(pair);
  }

  revive() {
    this.#dead = false;
  }

  async stop() {
    const closed = new Promise((resolve) => { this.#server.close(resolve); });
    this.cut();
    await closed;
  }

  #relay(client) {
    const pair = { client };
    this.#pairs.add(pair);
    client.on('error', () => {});
    client.on('close', () => {
      this.#pairs.delete(pair);
      pair.server?.destroy();
    });
    if (this.#dead) return this.#bury(pair);
    const server = pair.server = net.connect({ ...this.#target, allowHalfOpen: true });
    server.on('error', () => {});
    server.on('close', () => pair.dead || client.destroy());
    client.pipe(server);
    server.pipe(client);
  }

  #bury(pair) {
    const { client, server } = pair;
    pair.dead = true;
    client.unpipe();
    client.resume(); // what comes in is swallowed
    server?.unpipe();
    server?.destroy();
  }
}
