/*
 * What a stream uses as its WebSocket when tabs share a connection. It delivers the messages of the
 * leading tab. If its position differs from the leader's, or an event is missing, it requests the
 * updates between.
 */
import { proxyAnswerError } from './errors.js';
import { CURRENT, MIRROR_MS, seqOf } from './tab-protocol.js';

const PART_MS = 10000; // a page of updates is requested again if nothing of it arrives for so long

export class TabSocket {
  #tabs; #seq; #cursor; #heartbeatMs;
  #open = false; #ready = false; #syncing = false;
  #abort = new AbortController();
  #pending = [];
  #lastMirror; // the last state of the leader's connection
  #mirrorSentAt = 0; // when it was last repeated
  #timer; // runs until the next part of a page arrives

  constructor(tabs, url) {
    const { searchParams: query } = new URL(url);
    this.#tabs = tabs;
    this.jobId = query.get('job');
    this.since = this.#cursor = query.get('since') || undefined;
    this.#seq = seqOf(this.#cursor);
    tabs.addSocket(this);
  }

  get cursor() { return this.#cursor; }

  close() {
    this.#abort.abort();
    this.#tabs.removeSocket(this);
  }

  /* The leading tab tells the server its parameters, so there is nothing to do. */
  recount() {}

  /* A stream sends nothing but pings. */
  send() {
    this.#tabs.send(this, 'ping');
  }

  break(reason) {
    if (this.#abort.signal.aborted) return;
    this.close();
    this.onclose({ code: 1006, reason });
  }

  receive({ type, message, ...status }) {
    if (this.#abort.signal.aborted) return;
    if (type === 'mirror') this.#mirror(status);
    else if (this.#syncing) this.#pending.push(message);
    else if (message.epoch) this.#connected(message);
    else if (this.#ready) this.#applyEvent(message);
  }

  #deliver(message) {
    if (!this.#abort.signal.aborted) this.onmessage({ data: JSON.stringify(message) });
  }

  #mirror(status) {
    if (!this.#open) this.onopen();
    this.#open = true;
    this.#heartbeatMs = status.heartbeatMs;
    this.#lastMirror = { type: 'mirror', ...status };
    this.#deliver(this.#lastMirror);
    if (!CURRENT.test(status.state) || this.#syncing) return;
    if (!this.#ready && status.cursor && status.cursor === this.#cursor) this.#begin(status);
    else if (!this.#ready || seqOf(status.cursor) > this.#seq) this.#sync();
  }

  #begin({ cursor, head }) {
    this.#ready = true;
    const [epoch] = cursor.split('.');
    this.#deliver({ type: 'connected', jobId: this.jobId, epoch, cursor, head, resume: 'exact',
      heartbeatMs: this.#heartbeatMs });
  }

  /* The first message of the leader's connection. Its snapshot is used when there is no position
   * yet, or when the server could not continue from it. */
  #connected(message) {
    const { cursor, job, resume } = message;
    if (job && (!this.#cursor || resume === 'reset')) {
      this.#moveTo(cursor);
      this.#ready = true;
      this.#deliver(message);
    } else if (cursor.split('.')[0] === this.#cursor?.split('.')[0] && seqOf(cursor) <= this.#seq) {
      this.#ready = true;
      this.#deliver({ ...message, cursor: this.#cursor, job: undefined, resume: 'exact' });
    } else if (this.#ready) this.#sync();
  }

  #moveTo(cursor) {
    this.#cursor = cursor;
    this.#seq = seqOf(cursor);
  }

  #applyEvent(message) {
    const { seq } = message;
    if (seq > this.#seq + 1) {
      this.#pending.push(message);
      this.#sync();
    } else if (!(seq <= this.#seq)) {
      if (seq) this.#moveTo(this.#cursor.replace(/\d+$/, seq));
      this.#deliver(message);
    }
  }

  /* Requests the updates between its position and the leader's. */
  async #sync() {
    this.#syncing = true;
    try {
      while (await this.#requestPage());
    } catch (err) {
      return this.break(err.message);
    } finally {
      clearTimeout(this.#timer);
    }
    this.#syncing = false;
    this.#ready = true;
    for (const message of this.#pending.splice(0)) this.receive({ message });
    return undefined;
  }

  #awaitPart() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.break('The line went quiet'), PART_MS);
  }

  /* A part of a page has arrived. Repeats the last state, so that the stream does not take the
   * connection for dead. */
  #repeatMirror() {
    this.#awaitPart();
    const now = Date.now();
    if (now - this.#mirrorSentAt < MIRROR_MS) return;
    this.#mirrorSentAt = now;
    this.#deliver({ ...this.#lastMirror, retryInMs: undefined }); // the stream knows that
  }

  /* Requests one page of updates. Returns whether there are more. */
  async #requestPage() {
    const { signal } = this.#abort;
    const query = new URLSearchParams({ since: this.#cursor || '' });
    const path = `jobs/${encodeURIComponent(this.jobId)}/updates?${query}`;
    this.#awaitPart();
    const page = await this.#tabs.ask(path, signal, () => this.#repeatMirror());
    const { jobId, epoch, head, job, reason, events, status, terminal, cursor } = page;
    signal.throwIfAborted();
    if (!epoch) throw proxyAnswerError();
    const from = job ? cursor : this.#cursor;
    if (job || !this.#ready) {
      this.#moveTo(from);
      this.#deliver({ type: 'connected', jobId, epoch, cursor: from, head, status, job, reason,
        resume: job ? 'reset' : 'exact', heartbeatMs: this.#heartbeatMs });
    }
    this.#ready = true;
    for (const event of events || []) this.#applyEvent(event);
    if (terminal) this.#deliver({ type: 'end', jobId, seq: head, status });
    return !terminal && events?.length && head > this.#seq;
  }
}
