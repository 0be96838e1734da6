/*
 * Cuts the connection below the client, which has to notice it by itself: open connections break,
 * and new ones fail for a while, as if the cable were out. Requests of the page and of its demo
 * worker still work. All tabs are cut together, because another tab may have the connection that
 * they share.
 */
const OUT_MS = 2500;

const requests = new Map(); // signal of a connection -> the AbortController that cuts it
const sockets = new Set();
let timer;
let tabs; // the channel to the other tabs

export const isCut = () => timer !== undefined;

/* Replaces WebSocket on this page, so that the client uses sockets that can break. */
class CuttableWebSocket extends WebSocket {
  #broken = false;

  constructor(...about) {
    super(...about);
    for (const type of ['message', 'close', 'error']) {
      this.addEventListener(type, (event) => {
        if (this.#broken && event.isTrusted) event.stopImmediatePropagation();
      });
    }
    this.addEventListener('close', () => sockets.delete(this));
    sockets.add(this);
    if (isCut()) queueMicrotask(() => this.break()); // before it opens
  }

  break() {
    if (this.#broken || this.readyState > WebSocket.OPEN) return;
    this.#broken = true;
    this.close();
    this.dispatchEvent(new CloseEvent('close', { code: 1006, wasClean: false })); // what a lost connection causes
  }
}
globalThis.WebSocket = CuttableWebSocket;

export function fetchThatCanBeCut(url, init) {
  if (isCut()) return Promise.reject(new TypeError('the line is cut'));
  const { signal } = init;
  if (!signal) return fetch(url, init);
  if (!requests.has(signal)) {
    const line = new AbortController();
    requests.set(signal, line);
    signal.addEventListener('abort', () => {
      requests.delete(signal);
      line.abort(signal.reason);
    }, { once: true });
  }
  return fetch(url, { ...init, signal: requests.get(signal).signal });
}

function plugIn() {
  if (!isCut()) return;
  clearTimeout(timer);
  timer = undefined;
  dispatchEvent(new Event('online')); // as a browser does when the network is back
}

function pullOut() {
  if (isCut()) return;
  timer = setTimeout(plugIn, OUT_MS);
  for (const line of requests.values()) line.abort(new TypeError('the line is cut'));
  for (const socket of sockets) socket.break();
}

export function mend() {
  tabs?.postMessage('mend');
  plugIn();
}

export function cut() {
  tabs?.postMessage('cut');
  pullOut();
}

/* A browser does not keep a page in its back/forward cache while a channel is open. */
addEventListener('pageshow', () => {
  tabs = globalThis.BroadcastChannel && new BroadcastChannel('joblight cable');
  tabs?.addEventListener('message', ({ data }) => (data === 'cut' ? pullOut : plugIn)());
});
addEventListener('pagehide', () => {
  tabs?.close();
  tabs = undefined;
});
