/*
 * A WebSocket that carries the streams of many jobs, one of each, and the reports and commands of
 * the page. Each stream uses a virtual socket, which JobLight makes and adds here: { jobId, since,
 * heartbeat, tabs, onopen, onmessage, onclose, close, send, recount }. The streams have the same
 * credential. The ticket that opened the WebSocket is for one job only, so the token follows it.
 */
import { openingMs } from './large-message.js';
import { renewInTime, tokenMessage } from './renewal.js';

export const jsonResponse = (body, status = 200) => new Response(JSON.stringify(body),
  { status, headers: { 'content-type': `application/${status < 400 ? '' : 'problem+'}json` } });

export class SharedWebSocket {
  sockets = new Map(); // job -> the virtual socket of its stream
  #pinged = new Set(); // sockets that wait for a pong
  #largeUntil = 0; // when the large message that is arriving has to be complete; 0 if none is
  #announcement; // the message that announced it
  #unsubscribing = new Map(); // job -> how many unsubscribes the server has not confirmed
  #writes = new Map(); // key -> a write that waits for its ack
  #heardAt = Date.now();
  #heartbeatMs = 30000;
  #webSocket; #onClose;
  #stop = new AbortController();

  /* `credential` is the option token; `bearer` is the token that bought the ticket, and renew()
   * returns a fresh one. */
  constructor(webSocket, { url, credential, bearer, renew }, onClose) {
    Object.assign(this, { url, credential });
    this.#webSocket = webSocket;
    this.#onClose = onClose;
    webSocket.onopen = () => {
      const send = (token) => webSocket.send(tokenMessage(token));
      if (bearer) send(bearer);
      renewInTime(bearer, renew, send, this.#stop.signal);
      this.sockets.forEach((socket) => this.#opened(socket));
    };
    webSocket.onmessage = ({ data }) => this.#receive(data);
    webSocket.onclose = (event) => this.#close(event);
    webSocket.onerror = () => {}; // onclose follows
  }

  get isOpen() { return this.#webSocket.readyState === 1; }

  /* A socket that was silent for long may be dead, so no new stream uses it. */
  get isFresh() {
    const now = Date.now();
    return now < this.#largeUntil || now - this.#heardAt < this.#heartbeatMs * 1.5;
  }

  add(socket) {
    this.sockets.set(socket.jobId, socket);
    if (this.isOpen) this.#opened(socket);
  }

  /* One ping serves all sockets that want one before its pong. */
  ping(socket) {
    if (!this.#pinged.size) this.#send({ type: 'ping' });
    this.#pinged.add(socket);
  }

  remove(socket) {
    const { jobId } = socket;
    if (this.sockets.get(jobId) !== socket) return;
    this.sockets.delete(jobId);
    if (this.isOpen) {
      this.#unsubscribing.set(jobId, (this.#unsubscribing.get(jobId) || 0) + 1);
      this.#send({ type: 'unsubscribe', jobId });
    }
    queueMicrotask(() => this.#closeIfUnused()); // a stream that reconnects adds a socket at once
  }

  /* Sends a report or a command. Returns a Response, as fetch does. */
  write(frame, signal) {
    return new Promise((resolve, reject) => {
      const settle = (act, what) => {
        if (!this.#writes.delete(frame.id)) return;
        act(what);
        this.#closeIfUnused();
      };
      this.#writes.set(frame.id, {
        receive: ({ type, id, ...fields }) => settle(resolve, type === 'ack'
          ? jsonResponse({ ok: true, ...fields }) : jsonResponse(fields, fields.status || 500)),
        lose: () => settle(reject, new TypeError('The connection broke')),
      });
      signal?.addEventListener('abort', () => settle(reject, signal.reason), { once: true });
      this.#send(frame);
    });
  }

  #send(frame) {
    this.#webSocket.send(JSON.stringify(frame));
  }

  #opened(socket) {
    queueMicrotask(() => { // the socket may have no onmessage yet
      socket.onopen?.();
      if (Date.now() < this.#largeUntil) this.#deliver([socket], this.#announcement);
    });
    this.subscribe(socket);
  }

  subscribe({ jobId, since, heartbeat, tabs }) {
    if (this.isOpen) this.#send({ type: 'subscribe', jobId, since, heartbeat, tabs });
  }

  #deliver(sockets, message) {
    const data = JSON.stringify(message);
    for (const socket of [...sockets]) socket.onmessage({ data });
  }

  /* Handles messages that matter to all streams. No pong arrives during a large message, because
   * nothing overtakes it; the message after the announcement proves that the connection works. */
  #receiveForAll(type, message) {
    const alive = this.#largeUntil ? this.sockets.values() : type === 'pong' ? this.#pinged : [];
    this.#largeUntil = type === 'opening' ? Date.now() + openingMs(message.bytes) : 0;
    this.#announcement = message;
    if (this.#largeUntil || type === 'restart') {
      return this.#deliver(this.sockets.values(), message);
    }
    this.#deliver(alive, { type: 'pong' });
    if (type === 'pong') this.#pinged.clear();
    return undefined;
  }

  #receive(data) {
    let message;
    try {
      message = JSON.parse(data);
      this.#heardAt = Date.now();
      this.#receiveForAll(message.type, message);
      if (!this.#largeUntil) this.#route(message, data);
    } catch {
      this.#close({ code: 1006 });
    }
  }

  #route({ type, id, jobId, status, heartbeatMs }, data) {
    const left = this.#unsubscribing.get(jobId);
    this.#heartbeatMs = heartbeatMs || this.#heartbeatMs;
    if (this.#writes.has(id)) this.#writes.get(id).receive(JSON.parse(data));
    else if (!left) this.sockets.get(jobId)?.onmessage({ data });
    else if (type === 'end' && status === 'unsubscribed') {
      if (left > 1) this.#unsubscribing.set(jobId, left - 1);
      else this.#unsubscribing.delete(jobId);
    }
  }

  #closeIfUnused() {
    if (!this.sockets.size && !this.#writes.size) this.#close({ code: 1000 });
  }

  #close(event) {
    const sockets = [...this.sockets.values()];
    const webSocket = this.#webSocket;
    webSocket.onopen = webSocket.onmessage = webSocket.onclose = null; // tell a close only once
    webSocket.close();
    this.#stop.abort();
    this.#onClose(this);
    this.sockets.clear();
    for (const { lose } of [...this.#writes.values()]) lose();
    for (const socket of sockets) socket.onclose(event);
  }
}
