/* One connection for all the tabs of an origin. Told in shared-socket.d.ts.
 *
 * One tab leads: it holds a Web Lock, runs a stream for each job that any tab wants, and hands what it hears to
 * all of them over a BroadcastChannel. In every tab, the leading one too, a stream believes that it opens a
 * WebSocket; what it gets is a seat. A seat takes up the position of its stream with one plain request, where it
 * is not that of the leader, and does the same where it finds a hole. */

const ANSWER_MS = 1500; // a leader that does not answer for so long is gone, or frozen
const COUNT_MS = 300; // tabs come and go together
const SIGN_MS = 1000; // half a message is a sign of life too, which is told no more often than this
const PART_MS = 10000; // a page of which nothing comes for so long is asked for again
const MISSED = 2; // a tab that is silent at more heartbeats than these is not there any more
const TABS = 32; // the server takes no more
const UP = /^(live|polling|ended)$/;

const seqOf = (cursor) => Number(/\d+$/.exec(cursor || '')?.[0] ?? NaN);
const hidden = () => document.hidden;

/* Names of locks are no secret within an origin, but need not tell a token. */
export const digest = (text) => {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (const { length } = text, i = { at: 0 }; i.at < length; i.at++) {
    const code = text.charCodeAt(i.at);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  return (a >>> 0).toString(36) + (b >>> 0).toString(36);
};

/* What a stream takes for its WebSocket. */
class Seat {
  #tabs; #seq; #cursor; #heartbeatMs;
  #open = false; #ready = false; #syncing = false;
  #abort = new AbortController();
  #pending = [];
  #timer; #told; #signAt = 0; // the leader's last word of the connection, and when it was repeated

  constructor(tabs, url) {
    const { searchParams: query } = new URL(url);
    this.#tabs = tabs;
    this.jobId = query.get('job');
    this.since = this.#cursor = query.get('since') || undefined;
    this.#seq = seqOf(this.#cursor);
    tabs.sit(this);
  }

  get cursor() { return this.#cursor; }

  close() {
    this.#abort.abort();
    this.#tabs.leave(this);
  }

  /* A ping is all that a stream says. */
  send() {
    this.#tabs.want(this, 'ping');
  }

  break(reason) {
    if (this.#abort.signal.aborted) return;
    this.close();
    this.onclose({ code: 1006, reason });
  }

  hear({ type, message, ...told }) {
    if (this.#abort.signal.aborted) return;
    if (type === 'mirror') this.#mirror(told);
    else if (this.#syncing) this.#pending.push(message);
    else if (message.epoch) this.#connected(message);
    else if (this.#ready) this.#take(message);
  }

  #say(message) {
    if (!this.#abort.signal.aborted) this.onmessage({ data: JSON.stringify(message) });
  }

  #mirror(told) {
    if (!this.#open) this.onopen();
    this.#open = true;
    this.#heartbeatMs = told.heartbeatMs;
    this.#told = { type: 'mirror', ...told };
    this.#say(this.#told);
    if (!UP.test(told.state) || this.#syncing) return;
    if (!this.#ready && told.cursor && told.cursor === this.#cursor) this.#begin(told);
    else if (!this.#ready || seqOf(told.cursor) > this.#seq) this.#sync();
  }

  #begin({ cursor, head }) {
    this.#ready = true;
    const [epoch] = cursor.split('.');
    this.#say({ type: 'connected', jobId: this.jobId, epoch, cursor, head, resume: 'exact',
      heartbeatMs: this.#heartbeatMs });
  }

  /* What the leader's connection began with. Its snapshot is for who has nothing, or when all begin anew. */
  #connected(message) {
    const { cursor, job, resume } = message;
    if (job && (!this.#cursor || resume === 'reset')) {
      this.#go(cursor);
      this.#ready = true;
      this.#say(message);
    } else if (cursor.split('.')[0] === this.#cursor?.split('.')[0] && seqOf(cursor) <= this.#seq) {
      this.#ready = true;
      this.#say({ ...message, cursor: this.#cursor, job: undefined, resume: 'exact' });
    } else if (this.#ready) this.#sync();
  }

  #go(cursor) {
    this.#cursor = cursor;
    this.#seq = seqOf(cursor);
  }

  #take(message) {
    const { seq } = message;
    if (seq > this.#seq + 1) {
      this.#pending.push(message);
      this.#sync();
    } else if (!(seq <= this.#seq)) {
      if (seq) this.#go(this.#cursor.replace(/\d+$/, seq));
      this.#say(message);
    }
  }

  /* From where it is to where the leader is. */
  async #sync() {
    this.#syncing = true;
    try {
      while (await this.#page());
    } catch (err) {
      return this.break(err.message);
    } finally {
      clearTimeout(this.#timer);
    }
    this.#syncing = false;
    this.#ready = true;
    for (const message of this.#pending.splice(0)) this.hear({ message });
    return undefined;
  }

  #await() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.break('The line went quiet'), PART_MS);
  }

  /* A part of a page has come. */
  #sign() {
    this.#await();
    const now = Date.now();
    if (now - this.#signAt < SIGN_MS) return;
    this.#signAt = now;
    this.#say({ ...this.#told, retryInMs: undefined }); // that is no news
  }

  /* One page; whether there are more. */
  async #page() {
    const { signal } = this.#abort;
    const query = new URLSearchParams({ since: this.#cursor || '' });
    const path = `jobs/${encodeURIComponent(this.jobId)}/updates?${query}`;
    this.#await();
    const page = await this.#tabs.ask(path, signal, () => this.#sign());
    const { jobId, epoch, head, job, reason, events, status, terminal, cursor } = page;
    signal.throwIfAborted();
    const from = job ? cursor : this.#cursor;
    if (job || !this.#ready) {
      this.#go(from);
      this.#say({ type: 'connected', jobId, epoch, cursor: from, head, status, job, reason,
        resume: job ? 'reset' : 'exact', heartbeatMs: this.#heartbeatMs });
    }
    this.#ready = true;
    for (const event of events || []) this.#take(event);
    if (terminal) this.#say({ type: 'end', jobId, seq: head, status });
    return !terminal && events?.length && head > this.#seq;
  }
}

/* What the leader has of a job: the one stream, and the tabs that want it. */
class Source {
  tabs = new Map(); // tab -> how many heartbeats it has not answered
  #told; #timer; #count = 1;
  #signs; #saidAt = 0; // what this tab says now and then, and when it said anything last
  #sent; // the count that the server was told
  #heartbeatMs = 30000;
  #left;

  /** `left`: no tab wants it any more. */
  constructor(jobId, cursor, { open, say, left }) {
    this.jobId = jobId;
    this.#left = left;
    this.say = (message) => {
      this.#saidAt = Date.now();
      say(message);
    };
    const stream = this.stream = open({ jobId, cursor, tabs: () => (this.#sent = this.#count) });
    const hand = ({ detail }) => {
      if (detail.type !== 'snapshot') this.say({ type: 'event', jobId, message: detail });
    };
    stream.addEventListener('connected', ({ detail }) => {
      this.#heartbeatMs = detail.heartbeatMs;
      this.#recount(); // some came before the first message
      this.say({ type: 'event', jobId, message: detail });
    });
    stream.addEventListener('heartbeat', ({ detail }) => {
      this.say({ type: 'event', jobId, message: { type: 'heartbeat', jobId, ...detail } });
      this.#prune(); // after the word of this tab, which is here
    });
    for (const type of ['event', 'end']) stream.addEventListener(type, hand);
    stream.addEventListener('state', ({ detail: { retryInMs } }) => {
      if (stream.state === 'closed' || this.#told) return;
      this.#told = true;
      queueMicrotask(() => this.tell(retryInMs)); // after the message that made it so
    });
    this.#signs = setInterval(() => this.#sign(), SIGN_MS);
  }

  /* Something has come since this tab said anything, if only half a message. */
  #sign() {
    if (Date.now() - this.stream.quietMs > this.#saidAt) this.tell();
  }

  /* How the connection is. */
  tell(retryInMs) {
    const { state, transport, cursor, error, faults } = this.stream;
    const plain = (err) => err && { ...err, message: err.message };
    this.#told = false;
    if (state === 'closed') return;
    this.say({ type: 'mirror', jobId: this.jobId, state, transport, cursor, head: seqOf(cursor), retryInMs,
      hidden: hidden(), heartbeatMs: this.#heartbeatMs, error: plain(error), faults: faults.map(plain) });
  }

  /* To who asks. A tab that is frozen may answer and hear nothing itself, so what is stale is no answer. */
  answer() {
    if (UP.test(this.stream.state) && this.stream.quietMs > this.#heartbeatMs * 1.2) return;
    queueMicrotask(() => this.tell()); // a seat that has just come has no ears yet
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
    return this.#left();
  }

  close() {
    clearTimeout(this.#timer);
    clearInterval(this.#signs);
    this.stream.close();
  }

  /* A tab that crashed or is frozen does not say that it leaves. */
  #prune() {
    for (const [tab, missed] of this.tabs) {
      if (missed < MISSED) this.tabs.set(tab, missed + 1);
      else this.tabs.delete(tab);
    }
    this.#settle();
  }

  #recount() {
    const count = this.#count = Math.min(Math.max(this.tabs.size, 1), TABS);
    clearTimeout(this.#timer);
    if (count !== this.#sent) this.#timer = setTimeout(() => this.#tellCount(), COUNT_MS);
  }

  /* A connection that opened meanwhile told it already; another one would be counted beside it. */
  #tellCount() {
    if (this.#sent !== this.#count) this.stream.recount();
  }
}

const everywhere = new Map(); // name -> the Tabs of this page

export class Tabs {
  #id = digest(crypto.getRandomValues(new Uint32Array(4)).join());
  #seats = new Set();
  #sources = new Map(); // job -> its source, while this tab leads
  #leads = false;
  #heardAt = 0; #leaderHidden = false;
  #name; #ways; #channel; #queued; #release; #timer;

  /** `ways`: open(options) makes a stream of its own, ask(path, signal, onPart) a plain request. */
  static of(name, ways) {
    if (!everywhere.has(name)) everywhere.set(name, new Tabs(name, ways));
    return everywhere.get(name);
  }

  static get able() {
    return Boolean(globalThis.document && globalThis.navigator?.locks && globalThis.BroadcastChannel);
  }

  constructor(name, ways) {
    this.#name = name;
    this.#ways = ways;
    this.Seat = function TabSeat(url) { return new Seat(tabs, url); };
    const tabs = this;
  }

  ask(...what) { return this.#ways.ask(...what); }

  sit(seat) {
    this.#seats.add(seat);
    this.#join();
    this.want(seat, 'want');
  }

  leave(seat) {
    if (!this.#seats.delete(seat)) return;
    if (![...this.#seats].some(({ jobId }) => jobId === seat.jobId)) {
      this.#post({ type: 'leave', jobId: seat.jobId });
    }
    queueMicrotask(() => this.#part()); // who moves sits down again at once
  }

  /* type: want (it has just come), ping (is anybody there?) or here (it is still there). */
  want({ jobId, cursor }, type) {
    this.#post({ type, jobId, cursor });
    if (this.#leads || type === 'here' || this.#timer) return;
    const asked = Date.now();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#heardAt < asked) this.#steal();
    }, ANSWER_MS);
  }

  // Who leads --------------------------------------------------------------------------------------

  #join() {
    if (this.#channel) return;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#channel.onmessageerror = () => this.#break();
    document.addEventListener('visibilitychange', this.#look);
    document.addEventListener('freeze', this.#giveWay);
    this.#queue();
  }

  #part() {
    if (this.#seats.size || !this.#channel) return;
    document.removeEventListener('visibilitychange', this.#look);
    document.removeEventListener('freeze', this.#giveWay);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queued?.abort();
    this.#resign();
    this.#channel.close();
    this.#channel = undefined;
  }

  #queue() {
    const queued = this.#queued = new AbortController();
    this.#request({ signal: queued.signal });
  }

  /* Whoever led finds out by its lock, when it can. */
  #steal() {
    if (!this.#channel || this.#leads) return;
    this.#queued?.abort();
    this.#request({ steal: true });
  }

  async #request(how) {
    let mine;
    try {
      await navigator.locks.request(this.#name, how, () => new Promise((resolve) => {
        mine = resolve;
        if (this.#channel && !how.signal?.aborted) this.#lead(resolve);
        else resolve();
      }));
    } catch (err) {
      if (err.name !== 'AbortError') return this.#lead(() => {}); // no locks here: every tab for itself
      if (mine && this.#release === mine) this.#giveWay(); // it was stolen
    }
    return undefined;
  }

  #lead(release) {
    if (this.#leads || !this.#channel) return;
    this.#leads = true;
    this.#release = release;
    this.#look();
    for (const seat of this.#seats) this.#want({ from: this.#id, jobId: seat.jobId, cursor: seat.cursor });
  }

  /* Another tab leads from now on. */
  #giveWay = () => {
    if (!this.#leads) return;
    this.#resign();
    this.#queue();
    for (const seat of this.#seats) this.want(seat, 'want');
  };

  #resign() {
    if (!this.#leads) return;
    this.#leads = false;
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
    this.#release();
  }

  /* The leader is a visible tab where there is one. */
  #look = () => {
    if (this.#leads) this.#say({ type: 'leads', hidden: hidden() });
    else this.#claim();
  };

  #claim() {
    const wanted = () => this.#leaderHidden && !hidden();
    if (wanted()) setTimeout(() => { if (wanted()) this.#steal(); }, Math.random() * COUNT_MS);
  }

  #break() {
    for (const seat of [...this.#seats]) seat.break('The connection broke');
  }

  // What is said -----------------------------------------------------------------------------------

  /* To the leader, who may be this tab. */
  #post(message) {
    const said = { ...message, from: this.#id };
    if (this.#leads) this.#serve(said);
    else this.#channel?.postMessage(said);
  }

  /* From the leader, to all tabs and to itself. */
  #say(message) {
    this.#channel?.postMessage({ ...message, from: this.#id });
    this.#hand(message);
  }

  #hear(message) {
    const { type } = message;
    if (/^(want|ping|here|leave)$/.test(type)) {
      if (this.#leads) this.#serve(message);
      return;
    }
    if (this.#leads) return; // the last words of the one before
    this.#heardAt = Date.now();
    if (type === 'leads') this.#follow(message);
    else this.#hand(message);
    if (type === 'mirror' && message.hidden !== this.#leaderHidden) {
      this.#leaderHidden = message.hidden;
      this.#claim();
    }
  }

  #follow({ hidden: away }) {
    this.#leaderHidden = away;
    for (const seat of this.#seats) this.want(seat, 'ping');
    this.#claim();
  }

  #here(jobId) {
    const seat = [...this.#seats].find((one) => one.jobId === jobId);
    if (seat) this.want(seat, 'here');
  }

  #hand(message) {
    for (const seat of [...this.#seats]) if (seat.jobId === message.jobId) seat.hear(message);
    if (message.message?.type === 'heartbeat') this.#here(message.jobId);
  }

  #serve(message) {
    const { type, jobId, from } = message;
    if (type !== 'leave') this.#want(message);
    else this.#sources.get(jobId)?.remove(from);
  }

  #want({ type, jobId, cursor, from }) {
    const known = this.#sources.get(jobId);
    const source = known || new Source(jobId, cursor, {
      open: this.#ways.open,
      say: (message) => this.#say(message),
      left: () => this.#sources.delete(jobId),
    });
    this.#sources.set(jobId, source);
    source.add(from);
    if (!known) source.stream.start();
    else if (type === 'want' && /^(failed|reconnecting)$/.test(source.stream.state)) source.stream.reconnect();
    if (type !== 'here') source.answer();
  }
}
