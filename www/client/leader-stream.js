/*
 * The stream of one job in the leading tab. It forwards each message to all tabs that want the job,
 * and tells the server how many they are.
 */
import { COUNT_MS, CURRENT, MIRROR_MS, hidden, seqOf } from './tab-protocol.js';

const TABS_MAX = 32; // the maximum that the server accepts
const MISSED_MAX = 2; // a tab that misses more heartbeats than these is gone

export class LeaderStream {
  tabs = new Map(); // tab -> how many heartbeats it has not answered
  #count = 1; #countSent; // the number of tabs, and the number that the server was told
  #timer; // runs until the number is sent
  #sentAt = 0; // when anything was last sent to the tabs
  #mirrorQueued; #interval;
  #heartbeatMs = 30000;
  #onUnused;

  /* onUnused() is called when no tab wants the job any more. */
  constructor(jobId, cursor, { open, send, onUnused }) {
    this.jobId = jobId;
    this.#onUnused = onUnused;
    this.send = (message) => {
      this.#sentAt = Date.now();
      send(message);
    };
    const tabs = () => (this.#countSent = this.#count);
    const stream = this.stream = open({ jobId, cursor, tabs });
    const forward = ({ detail }) => {
      if (detail.type !== 'snapshot') this.send({ type: 'event', jobId, message: detail });
    };
    stream.addEventListener('connected', ({ detail }) => {
      this.#heartbeatMs = detail.heartbeatMs;
      this.#recount(); // tabs may have joined before the first message
      this.send({ type: 'event', jobId, message: detail });
    });
    stream.addEventListener('heartbeat', ({ detail }) => {
      this.send({ type: 'event', jobId, message: { type: 'heartbeat', jobId, ...detail } });
      this.#prune(); // after this tab has answered the heartbeat
    });
    for (const type of ['event', 'end']) stream.addEventListener(type, forward);
    stream.addEventListener('state', ({ detail: { retryInMs } }) => {
      if (stream.state === 'closed' || this.#mirrorQueued) return;
      this.#mirrorQueued = true;
      queueMicrotask(() => this.mirror(retryInMs)); // after the message that changed the state
    });
    this.#interval = setInterval(() => this.#mirrorIfHeard(), MIRROR_MS);
  }

  /* Sends the state if anything, even a part of a message, has arrived since the last send. */
  #mirrorIfHeard() {
    if (Date.now() - this.stream.quietMs > this.#sentAt) this.mirror();
  }

  /* Sends the state of the connection to all tabs. */
  mirror(retryInMs) {
    const { state, transport, cursor, error, faults } = this.stream;
    const plain = (err) => err && { ...err, message: err.message };
    this.#mirrorQueued = false;
    if (state === 'closed') return;
    this.send({
      type: 'mirror', jobId: this.jobId, state, transport, cursor, head: seqOf(cursor), retryInMs,
      hidden: hidden(), heartbeatMs: this.#heartbeatMs, error: plain(error),
      faults: faults.map(plain),
    });
  }

  /* Answers a tab that asked. A leader that hears nothing may have been frozen, so it does not
   * answer. */
  answer() {
    const { state, quietMs } = this.stream;
    const waits = CURRENT.test(state) || state === 'checking';
    if (waits && quietMs > this.#heartbeatMs * 1.2) return;
    queueMicrotask(() => this.mirror()); // the new socket has no onmessage yet
  }

  add(tab) {
    this.tabs.set(tab, 0);
    this.#recount();
  }

  remove(tab) {
    this.tabs.delete(tab);
    this.#settle();
  }

  #settle() {
    if (this.tabs.size) return this.#recount();
    this.close();
    return this.#onUnused();
  }

  close() {
    clearTimeout(this.#timer);
    clearInterval(this.#interval);
    this.stream.close();
  }

  /* A tab that crashed or is frozen does not say that it leaves. */
  #prune() {
    for (const [tab, missed] of this.tabs) {
      if (missed < MISSED_MAX) this.tabs.set(tab, missed + 1);
      else this.tabs.delete(tab);
    }
    this.#settle();
  }

  #recount() {
    const count = this.#count = Math.min(Math.max(this.tabs.size, 1), TABS_MAX);
    clearTimeout(this.#timer);
    if (count !== this.#countSent) this.#timer = setTimeout(() => this.#sendCount(), COUNT_MS);
  }

  /* A connection that has opened since told the server the number already; another message would
   * add to it. */
  #sendCount() {
    if (this.#countSent !== this.#count) this.stream.recount();
  }
}
