/*
 * What a stream of a tab uses as its WebSocket. It delivers what the leading tab hears. Where its
 * position is not that of the leader, or an event is missing, it requests the updates between.
 */
import { CONNECTED, MIRROR_MS, seqOf } from './tab-protocol.js';

const PART_MS = 10000; // a page of which nothing arrives for so long is requested again

export class TabSocket {
  #tabs; #seq; #cursor; #heartbeatMs;
  #open = false; #ready = false; #syncing = false;
  #abort = new AbortController();
  #pending = [];
  #lastMirror; // what the leader last told of its connection
  #mirrorSentAt = 0; // when that was repeated
  #timer; // until the next part of a page has to arrive

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

  /* The leading tab tells the server what its stream wants. */
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
    if (!CONNECTED.test(status.state) || this.#syncing) return;
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

  /* Requests what is between its own position and that of the leader. */
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

  /* A part of a page has arrived: the stream is told, so that it does not take the connection
   * for dead. */
  #repeatMirror() {
    this.#awaitPart();
    const now = Date.now();
    if (now - this.#mirrorSentAt < MIRROR_MS) return;
    this.#mirrorSentAt = now;
    this.#deliver({ ...this.#lastMirror, retryInMs: undefined }); // the stream knows that already
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
