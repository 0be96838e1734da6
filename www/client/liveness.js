/*
 * Checks whether a connection is alive. After 1.2 heartbeats of silence the client sends a ping
 * over a WebSocket, or one plain request. Without an answer in 4 s, or after 2.5 heartbeats of
 * silence, the connection is lost.
 */
import { ANOTHER_RUNG, proxyAnswerError, silentError } from './errors.js';
import { isConnected } from './status.js';

export const CHECK_MS = 4000; // how long a check may take
const LATE = 1.2, LOST = 2.5; // heartbeats

export class Liveness {
  heardAt; // when the server was last heard from, over any connection; 0 after a restart
  heartbeatMs = 30000; // as the server told it
  #connector;

  constructor(connector) {
    this.#connector = connector;
  }

  /* Bytes arrived, perhaps only a part of a message. */
  heard(connection) {
    this.heardAt = Date.now();
    if (connection.checking) this.#connector.showConnected(connection);
    if (connection.signal.aborted) return;
    if (connection.upAt) this.watch(connection);
    else this.awaitFirstMessage(connection);
  }

  awaitFirstMessage(connection) {
    connection.abortAfter(this.heartbeatMs * LOST, silentError());
  }

  watch(connection) {
    const heartbeatMs = connection.heartbeatMs || this.heartbeatMs;
    const quietMs = Date.now() - this.heardAt;
    const late = quietMs >= heartbeatMs * LATE;
    if (late) connection.abortAfter(heartbeatMs * LOST - quietMs, silentError());
    else connection.setTimer(heartbeatMs * LATE - quietMs, () => this.check(connection));
  }

  /* A ping cannot overtake a large message. If the message does not arrive in time, another
   * transport may do better, because it delivers the parts of a message. */
  awaitLargeMessage(connection, ms) {
    const restMs = connection.largeUntil - Date.now();
    connection.abortAfter(Math.min(ms, restMs), silentError(ANOTHER_RUNG));
  }

  /* A plain request does not prove that the stream works. But if the server has no event that
   * the stream has not delivered, the page is current. */
  async check(connection) {
    if (!connection?.upAt || connection.largeUntil || connection.checking) return;
    connection.checking = true;
    connection.abortAfter(CHECK_MS, silentError());
    if (isConnected(this.#connector.stream.state)) this.#connector.setState('checking');
    try {
      if (connection.ping) return connection.ping();
      const page = await (await this.#connector.requestUpdates(connection)).json();
      if (!page.epoch) throw proxyAnswerError();
      // The stream has the rest of the 4 s to deliver the missing events.
      if (page.terminal || page.head > this.#connector.job.seq) return;
    } catch (err) {
      if (connection.checking && (!err.ours || err.fatal)) return connection.abort(err);
    }
    if (!connection.checking || connection.signal.aborted) return;
    this.#connector.showConnected(connection);
    this.watch(connection);
  }
}
