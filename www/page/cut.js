/*
 * A real cut, below the client, which has to find out by itself: what is open breaks, and for a moment
 * nothing gets through, as if the cable were out. Requests of the page and of its demo worker pass.
 * The cable is that of all the tabs, because another one may have the connection that they share.
 */
const OUT_MS = 2500;

const requests = new Map(); // one for each connection of the client
const sockets = new Set();
let timer;
let tabs; // the others

export const isCut = () => timer !== undefined;

/* The client looks for WebSocket when it needs one; it gets one that can break. */
class Line extends WebSocket {
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
    if (isCut()) queueMicrotask(() => this.break()); // before it can open
  }

  break() {
    if (this.#broken || this.readyState > WebSocket.OPEN) return;
    this.#broken = true;
    this.close();
    this.dispatchEvent(new CloseEvent('close', { code: 1006, wasClean: false })); // what a dead line looks like
  }
}
globalThis.WebSocket = Line;

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
  dispatchEvent(new Event('online')); // as the browser does when the cable is in again
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

/* A page with an open channel may not be kept for going back to. */
addEventListener('pageshow', () => {
  tabs = globalThis.BroadcastChannel && new BroadcastChannel('joblight cable');
  tabs?.addEventListener('message', ({ data }) => (data === 'cut' ? pullOut : plugIn)());
});
addEventListener('pagehide', () => {
  tabs?.close();
  tabs = undefined;
});
