/* Page events that matter to a stream: the page is shown, hidden, or put into the back/forward
 * cache, or the network changes. */
import { STALL_MS } from './large-message.js';

const NAMES = ['pagehide', 'pageshow', 'online', 'offline', 'visibilitychange'];

export class PageEvents {
  #connector;

  constructor(connector) {
    this.#connector = connector;
  }

  listen() {
    for (const name of NAMES) globalThis.addEventListener?.(name, this.#handle);
  }

  ignore() {
    for (const name of NAMES) globalThis.removeEventListener?.(name, this.#handle);
  }

  #handle = ({ type, persisted }) => {
    const connector = this.#connector;
    const { connection, liveness } = connector;
    if (type === 'pagehide') connector.disconnect(); // a page with a connection is not cached
    else if (type === 'pageshow') {
      if (persisted && !connection) connector.connect();
    } else if (type === 'offline') {
      // The server waits as long for progress of a large message.
      if (connection?.largeUntil) liveness.awaitLargeMessage(connection, STALL_MS);
      else liveness.check(connection);
    } else if (type === 'online' || !document.hidden) connector.wake();
    else if (connector.mustRest) {
      connector.disconnect();
      connector.setState('idle');
    }
  };
}
