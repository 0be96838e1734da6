/*
 * The tabs of an origin that share a connection. One tab leads: it holds a Web Lock, runs a stream
 * for each job that any tab wants, and sends what it hears to all of them over a BroadcastChannel.
 * In every tab, the leading one too, a stream uses a TabSocket as its WebSocket.
 */
import { digest } from './digest.js';
import { LeaderStream } from './leader-stream.js';
import { TabSocket } from './tab-socket.js';
import { COUNT_MS, hidden } from './tab-protocol.js';

const ANSWER_MS = 1500; // a leader that does not answer for so long is gone or frozen

const groups = new Map(); // name -> the Tabs of this page

export class Tabs {
  #id = digest(crypto.getRandomValues(new Uint32Array(4)).join());
  #sockets = new Set();
  #streams = new Map(); // job -> its LeaderStream, while this tab leads
  #leads = false;
  #isStealing = false; // its request to take the lock is not granted yet
  #leaderHeardAt = 0; #leaderHidden = false;
  #name; #ways; #channel; #lockRequest; #release; #timer;

  /** `ways`: open(options) makes a stream, ask(path, signal, onPart) sends a plain request. */
  static of(name, ways) {
    if (!groups.has(name)) groups.set(name, new Tabs(name, ways));
    return groups.get(name);
  }

  static get able() {
    const { document, navigator, BroadcastChannel } = globalThis;
    return Boolean(document && navigator?.locks && BroadcastChannel);
  }

  constructor(name, ways) {
    this.#name = name;
    this.#ways = ways;
    this.Socket = function Socket(url) { return new TabSocket(tabs, url); };
    const tabs = this;
  }

  ask(...what) { return this.#ways.ask(...what); }

  addSocket(socket) {
    this.#sockets.add(socket);
    this.#openChannel();
    this.send(socket, 'want');
  }

  removeSocket(socket) {
    if (!this.#sockets.delete(socket)) return;
    if (![...this.#sockets].some(({ jobId }) => jobId === socket.jobId)) {
      this.#sendToLeader({ type: 'leave', jobId: socket.jobId });
    }
    queueMicrotask(() => this.#closeChannel()); // a stream that reconnects adds a socket at once
  }

  /* Sends the leader a message of a socket: `want` (it is new), `ping` (it wants an answer) or
   * `here` (it still exists). A leader that does not answer loses the lock. */
  send({ jobId, cursor }, type) {
    this.#sendToLeader({ type, jobId, cursor });
    if (this.#leads || type === 'here' || this.#timer) return;
    const asked = Date.now();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#leaderHeardAt < asked) this.#stealLock();
    }, ANSWER_MS + Math.random() * COUNT_MS); // not all tabs at the same time
  }

  // The leader ------------------------------------------------------------------------------------

  #openChannel() {
    if (this.#channel) return;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#channel.onmessageerror = () => this.#breakAll();
    document.addEventListener('visibilitychange', this.#visibilityChanged);
    document.addEventListener('freeze', this.#stepDown);
    this.#waitForLock();
  }

  #closeChannel() {
    if (this.#sockets.size || !this.#channel) return;
    document.removeEventListener('visibilitychange', this.#visibilityChanged);
    document.removeEventListener('freeze', this.#stepDown);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lockRequest?.abort();
    this.#stopLeading();
    this.#channel.close();
    this.#channel = undefined;
  }

  #waitForLock() {
    const request = this.#lockRequest = new AbortController();
    this.#requestLock({ signal: request.signal });
  }

  /* The old leader notices the loss of the lock as soon as it runs again. A second request would
   * take the lock from this tab itself. */
  #stealLock() {
    if (!this.#channel || this.#leads || this.#isStealing) return;
    this.#isStealing = true;
    this.#lockRequest?.abort();
    this.#requestLock({ steal: true });
  }

  async #requestLock(how) {
    let mine;
    try {
      await navigator.locks.request(this.#name, how, () => new Promise((resolve) => {
        mine = resolve;
        if (how.steal) this.#isStealing = false;
        if (this.#channel && !how.signal?.aborted) this.#becomeLeader(resolve);
        else resolve();
      }));
    } catch (err) {
      // Without locks every tab leads.
      if (err.name !== 'AbortError') return this.#becomeLeader(() => {});
      if (mine && this.#release === mine) this.#stepDown(); // another tab took the lock
    }
    return undefined;
  }

  #becomeLeader(release) {
    if (this.#leads || !this.#channel) return;
    this.#leads = true;
    this.#release = release;
    this.#visibilityChanged();
    const from = this.#id;
    for (const { jobId, cursor } of this.#sockets) this.#addRequest({ from, jobId, cursor });
  }

  /* Another tab has become the leader. */
  #stepDown = () => {
    if (!this.#leads) return;
    this.#stopLeading();
    this.#waitForLock();
    for (const socket of this.#sockets) this.send(socket, 'want');
  };

  #stopLeading() {
    if (!this.#leads) return;
    this.#leads = false;
    for (const leader of this.#streams.values()) leader.close();
    this.#streams.clear();
    this.#release();
  }

  /* If any tab is visible, a visible tab leads. */
  #visibilityChanged = () => {
    if (this.#leads) this.#broadcast({ type: 'leads', hidden: hidden() });
    else this.#claimLock();
  };

  #claimLock() {
    const wanted = () => this.#leaderHidden && !hidden();
    if (wanted()) setTimeout(() => { if (wanted()) this.#stealLock(); }, Math.random() * COUNT_MS);
  }

  #breakAll() {
    for (const socket of [...this.#sockets]) socket.break('The connection broke');
  }

  // Messages --------------------------------------------------------------------------------------

  /* The leader may be this tab. */
  #sendToLeader(message) {
    const addressed = { ...message, from: this.#id };
    if (this.#leads) this.#handleRequest(addressed);
    else this.#channel?.postMessage(addressed);
  }

  /* Sends to all tabs, including this one. */
  #broadcast(message) {
    this.#channel?.postMessage({ ...message, from: this.#id });
    this.#deliver(message);
  }

  #receive(message) {
    const { type } = message;
    if (/^(want|ping|here|leave)$/.test(type)) {
      if (this.#leads) this.#handleRequest(message);
      return;
    }
    if (this.#leads) return; // the previous leader sent this
    this.#leaderHeardAt = Date.now();
    if (type === 'leads') this.#followNewLeader(message);
    else this.#deliver(message);
    if (type === 'mirror' && message.hidden !== this.#leaderHidden) {
      this.#leaderHidden = message.hidden;
      this.#claimLock();
    }
  }

  #followNewLeader({ hidden: isHidden }) {
    this.#leaderHidden = isHidden;
    for (const socket of this.#sockets) this.send(socket, 'ping');
    this.#claimLock();
  }

  #confirm(jobId) {
    const socket = [...this.#sockets].find((one) => one.jobId === jobId);
    if (socket) this.send(socket, 'here');
  }

  #deliver(message) {
    for (const socket of [...this.#sockets]) {
      if (socket.jobId === message.jobId) socket.receive(message);
    }
    if (message.message?.type === 'heartbeat') this.#confirm(message.jobId);
  }

  #handleRequest(message) {
    const { type, jobId, from } = message;
    if (type !== 'leave') this.#addRequest(message);
    else this.#streams.get(jobId)?.remove(from);
  }

  #addRequest({ type, jobId, cursor, from }) {
    const known = this.#streams.get(jobId);
    const leader = known || new LeaderStream(jobId, cursor, {
      open: this.#ways.open,
      send: (message) => this.#broadcast(message),
      onUnused: () => this.#streams.delete(jobId),
    });
    this.#streams.set(jobId, leader);
    leader.add(from);
    if (!known) leader.stream.start();
    else if (type === 'want' && /^(failed|reconnecting)$/.test(leader.stream.state)) {
      leader.stream.reconnect();
    }
    if (type !== 'here') leader.answer();
  }
}
