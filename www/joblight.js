/* Told in joblight.d.ts. A link is one connection, on one rung of the ladder. */
const OVER = /^(completed|failed|cancelled|deleted)$/;
const ACTIVE = /^(in_progress|revisions|hardening)$/;
const HEAD_MS = 1500, CHECK_MS = 4000, SETTLE_MS = 5000, CLIMB_MS = 60000, CLIMB_MAX_MS = 3600000;
const STALL_MS = 30000, CHARS_PER_MS = 16; // a WebSocket that brings a large message more slowly is left
const FALLS = 3, FALLS_MS = 60000; // so many lost connections in that time, and the rung is left
const RUNG = { rung: true };
const UP = /^(live|polling)$/;
const HELD = 4; // links that keep a connection busy, of six; who comes later asks now and then
const HTTP1 = /^(http|$)/.test(performance.getEntriesByType('navigation')[0]?.nextHopProtocol);

/* How often the server should speak, and how long a poll may wait: somebody looks, or nobody does. */
const period = (shown, hidden) => (globalThis.document ? document.hidden ? hidden : shown : undefined);
const blind = HTTP1 && globalThis.document && document.hidden === undefined; // nobody knows whether somebody looks

const held = new Set();

/* How long an announced message may take of which nothing is seen before it is here. */
export const openingMs = (bytes) => STALL_MS + (bytes || 0) / CHARS_PER_MS;

export const backoffMs = (attempt) => Math.random() * Math.min(30000, 500 * 2 ** attempt);

export class JobLightError extends Error {
  constructor(code, message, more) {
    super(message);
    Object.assign(this, { code }, more);
  }
}

export const eventParser = (onEvent, onRetry, maxChars = 16 << 20) => {
  const decoder = new TextDecoder();
  let tail = '', id = '', type = '', data = '', cr;
  const take = (line) => {
    const [, field, value] = /^([^:]*):? ?(.*)/s.exec(line);
    if (!line) {
      if (data) onEvent(data.slice(0, -1), type || 'message', id);
      data = type = '';
    } else if (field === 'data') data += value + '\n';
    else if (field === 'event') type = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) onRetry?.(+value);
  };
  return (bytes) => {
    let text = decoder.decode(bytes, { stream: true });
    if (cr && text[0] === '\n') text = text.slice(1); // half a CRLF
    cr = text.endsWith('\r');
    const lines = text.split(/\r\n?|\n/);
    lines[0] = tail + lines[0];
    tail = lines.pop();
    lines.forEach(take);
    if (tail.length + data.length > maxChars) {
      throw new JobLightError('too_big', 'An event is too big');
    }
  };
};

const delayMs = (attempt, least) => Math.min(Math.max(least || 0, backoffMs(attempt)), 600000);

/* Only a problem document with a code is the server's own word; anything else may be somebody's in between. */
const problem = async (response) => {
  const { status, headers } = response;
  const told = /^application\/problem\+json/i.test(headers.get('content-type'))
    && await response.json().catch(() => 0);
  const { code, detail } = told || {};
  const after = headers.get('retry-after');
  return new JobLightError(code || 'http', detail || `Something else than joblight answered ${status}: is the base URL right?`, {
    status,
    ours: Boolean(code),
    fatal: Boolean(code) && /^4(?!08|25|29)/.test(status),
    retryMs: after * 1000 || Date.parse(after) - Date.parse(headers.get('date')),
  });
};

const refusal = ({ code, detail, status, retryable = true, retryAfterMs: retryMs }) =>
  new JobLightError(code, detail || 'The server is busy', { status, ours: true, fatal: !retryable, retryMs });
const silent = () => new JobLightError('silent', 'The line went quiet');
const stranger = () => new JobLightError('content_type', 'A proxy answered instead', RUNG);

const look = (task) => JSON.stringify(task, ['status', 'title', 'note', 'progress', 'attempt']);

export class TaskEventStream extends EventTarget {
  static ladder = [HTTP1 ? 'ws' : 'sse', HTTP1 ? 'sse' : 'ws', 'poll'];
  state = 'idle';
  cursor; transport; error;
  faults = [];
  #o; #job; #base; #status; #ladder; #rung = 0; #attempt = 0; #retry; #stale = false;
  #falls = []; #fellAt; #climbMs = CLIMB_MS; #climbed;
  #link; #probe; #timer; #heardAt; #beatMs = 30000; #head; #seq; #hole;
  #known = new Map();

  constructor(options) {
    super();
    const o = this.#o = options;
    this.jobId = o.jobId;
    this.#base = (o.baseUrl || '').replace(/\/?$/, '/api/');
    this.#job = 'jobs/' + encodeURIComponent(o.jobId);
    this.#status = o.jobStatus;
    this.#ladder = o.transports || TaskEventStream.ladder;
    this.cursor = o.cursor;
    this.addEventListener('task_update', (e) => o.onTaskUpdate?.(e.detail));
    this.addEventListener('job_update', (e) => o.onJobUpdate?.(e.detail.status, e.detail));
    this.addEventListener('snapshot', (e) => o.onSnapshot?.(e.detail.job, e.detail));
    this.addEventListener('state', (e) => o.onStateChange?.(e.detail));
    o.signal?.addEventListener('abort', () => this.close());
  }

  /* Of a large message over a WebSocket nothing is heard before it is here. */
  get quietMs() { return this.#link?.large ? 0 : Date.now() - this.#heardAt; }

  get jobStatus() { return this.#status; }

  set jobStatus(status) {
    if (status === this.#status) return;
    this.#status = status;
    if (/idle|closed/.test(this.state)) return;
    if (!ACTIVE.test(status)) this.#drop();
    this.start();
  }

  start() {
    if (this.#link || this.#timer || this.#o.signal?.aborted) return;
    if (this.#status && !ACTIVE.test(this.#status)) {
      this.#stop(OVER.test(this.#status) ? 'ended' : 'waiting');
    } else this.reconnect();
  }

  reconnect() {
    if (OVER.test(this.#status)) return;
    this.#attempt = this.#rung = this.#heardAt = 0;
    this.#falls = this.faults = [];
    this.#climbMs = CLIMB_MS;
    this.#listen('addEventListener');
    this.#connect();
  }

  close() {
    if (this.state !== 'ended') this.#stop('closed');
  }

  report(update) {
    return this.#post(this.#job.replace('jobs', 'agent-hooks/task-update'), update);
  }

  command(command, more) {
    return this.#post(this.#job + '/commands', { command, ...more });
  }

  async *[Symbol.asyncIterator]() {
    const queue = [];
    const stop = new AbortController();
    let wake;
    const take = ({ type, detail }) => {
      if (type === 'event') queue.push(detail);
      wake?.();
    };
    for (const type of ['event', 'state']) this.addEventListener(type, take, stop);
    this.start();
    try {
      for (;;) {
        while (queue.length) yield queue.shift();
        if (this.state === 'failed') throw this.error;
        if (/ended|closed/.test(this.state)) return;
        await new Promise((resolve) => { wake = resolve; });
      }
    } finally {
      stop.abort();
      this.close();
    }
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #set(state, retryInMs) {
    const previous = this.state;
    if (state === previous && !retryInMs) return;
    this.state = state;
    this.#emit('state', { ...this, previous, attempt: this.#attempt, retryInMs });
  }

  #stop(state) {
    this.#drop();
    this.#listen('removeEventListener');
    this.#set(state);
  }

  #end(status) {
    this.#status = status;
    this.error = undefined;
    this.#stop('ended');
    this.#emit('end', { type: 'end', jobId: this.jobId, status });
  }

  /* It may be revived: by what #page hears, or by reconnect(). */
  #fail() {
    this.#drop();
    this.#set('failed');
  }

  #connect() {
    this.#drop();
    this.transport = this.#ladder[this.#rung];
    if (this.#rests()) return this.#set('idle');
    this.#set(this.#heardAt || this.state === 'reconnecting' ? 'reconnecting' : 'connecting');
    this.#link = this.#open(this.#rung);
    return undefined;
  }

  /* Six connections are all that a browser has for a server over HTTP/1.1, in all of its tabs. */
  #rests() {
    return HTTP1 && this.#ladder[this.#rung] !== 'ws' && !this.#o.tabs?.call && globalThis.document?.hidden;
  }

  #open(rung) {
    const way = this.#ladder[rung];
    const link = Object.assign(new AbortController(), { rung, from: this.cursor });
    if (HTTP1 && way !== 'ws') {
      if (held.size < HELD || held.has(this.#link)) held.add(link);
      else link.as = 'poll';
    }
    const run = { ws: this.#ws, sse: this.#sse, poll: this.#poll }[link.as || way];
    run.call(this, link).catch((err) => this.#lost(link, err));
    return link;
  }

  #drop() {
    clearTimeout(this.#timer);
    const links = [this.#link, this.#probe];
    this.#link = this.#probe = this.#timer = undefined;
    links.forEach(this.#cut);
  }

  #cut = (link) => {
    held.delete(link);
    clearTimeout(link?.timer);
    clearTimeout(link?.pause);
    link?.abort();
  };

  // Whether a link is alive ------------------------------------------------------------------------

  #arm(link, ms, act) {
    clearTimeout(link.timer);
    if (!link.signal.aborted) link.timer = setTimeout(act, ms);
  }

  #kill(link, ms, err) {
    this.#arm(link, ms, () => link.abort(err));
  }

  /* A link that has no answer in 1.5 s gets the next rung beside it; the first that comes up wins. */
  #await(link, ...why) {
    link.why = new JobLightError(...why);
    this.#arm(link, HEAD_MS, () => {
      this.#kill(link, SETTLE_MS - HEAD_MS, link.why);
      const next = link.rung + 1;
      if (link === this.#link && this.#ladder[next]) this.#probe ||= this.#open(next);
    });
  }

  /* The head of the answer, or the upgrade, is here. */
  #answered(link) {
    this.#kill(link, SETTLE_MS, link.why);
  }

  #up(link) {
    const { rung } = link;
    link.upAt = Date.now();
    if (link === this.#link) this.#cut(this.#probe);
    else {
      const { why } = this.#link || {};
      this.#probe = undefined;
      this.#drop();
      this.#link = link;
      if (rung > this.#rung) this.#leave(why);
      else this.#climbed = rung < this.#rung;
    }
    this.#probe = undefined;
    this.#rung = rung;
    this.#head = 0;
    this.error = undefined;
    if (!link.as) this.faults = this.faults.slice(0, rung);
    this.#rise(link);
  }

  #rise(link) {
    link.checking = false;
    this.transport = link.as || this.#ladder[link.rung];
    this.#set(this.transport === 'poll' ? 'polling' : 'live');
  }

  /* A message. */
  #alive(link) {
    link.large = 0;
    if (!link.upAt) this.#up(link);
    if (link.signal.aborted) return;
    this.#heard(link);
    if (link.rung && Date.now() - this.#fellAt > this.#climbMs) {
      this.#fellAt = Date.now();
      this.#cut(this.#probe);
      this.#probe = this.#open(0);
    }
  }

  /* A sign of life, be it half a message. */
  #heard(link) {
    this.#heardAt = Date.now();
    if (link.checking) this.#rise(link);
    if (link.signal.aborted) return;
    if (link.upAt) this.#watch(link);
    else this.#kill(link, this.#beatMs * 2.5, silent());
  }

  #watch(link) {
    const beatMs = link.beatMs || this.#beatMs;
    const quietMs = Date.now() - this.#heardAt;
    const late = quietMs >= beatMs * 1.2;
    if (late) this.#kill(link, beatMs * 2.5 - quietMs, silent());
    else this.#arm(link, beatMs * 1.2 - quietMs, () => this.#check(link));
  }

  /* For a large message: no ping overtakes it, and another transport shows how it gets on. */
  #wait(link, ms) {
    const why = new JobLightError('silent', 'The line went quiet', RUNG);
    this.#kill(link, Math.min(ms, link.large - Date.now()), why);
  }

  /* Is anybody there? Over a WebSocket its pong tells. A plain request cannot prove the stream, but when the
   * server knows of nothing new, what is shown is the truth. */
  async #check(link) {
    if (!link?.upAt || link.large || link.checking) return;
    link.checking = true;
    this.#kill(link, CHECK_MS, silent());
    if (UP.test(this.state)) this.#set('checking');
    try {
      if (link.ping) return link.ping();
      const page = await (await this.#plain(link)).json();
      if (page.terminal || page.head > this.#seq) return; // the stream has to tell it, and has the rest of the 4 s
    } catch (err) {
      if (link.checking && (!err.ours || err.fatal)) return link.abort(err);
    }
    if (!link.checking || link.signal.aborted) return;
    this.#rise(link);
    this.#watch(link);
  }

  /* A request that needs nothing but a network, and what stands in the way of none. */
  async #plain({ signal }) {
    const query = this.#at(this.cursor && { limit: 1 });
    const response = await this.#fetch(signal, this.#job + '/updates' + query);
    if (!/json/i.test(response.headers.get('content-type'))) throw stranger();
    return response;
  }

  // When it is not ---------------------------------------------------------------------------------

  #lost(link, err) {
    if (link.signal.aborted) err = link.signal.reason;
    this.#cut(link);
    if (link === this.#probe) this.#probe = undefined;
    if (link !== this.#link) return;
    this.#drop();
    const held = link.upAt && Date.now() - link.upAt > SETTLE_MS;
    if (held || this.cursor !== link.from) this.#attempt = 0;
    this.#because(err);
    if (this.error.fatal) this.#fail();
    else if (this.error.ours) this.#again();
    else if (!link.upAt && this.transport === 'poll') {
      this.#rung = 0; // it is the network, not the rung
      this.#again();
    } else if (link.upAt && (this.#fell() < FALLS || !this.#ladder[this.#rung + 1])) this.#again();
    else this.#judge(link.upAt);
  }

  #because(err) {
    this.error = err instanceof JobLightError ? err
      : new JobLightError('network', 'The server cannot be reached' + (this.#isForeign()
        ? ', or does not allow the origin of this page' : ''));
  }

  #isForeign() {
    const { location } = globalThis;
    return location && new URL(this.#base, location).origin !== location.origin;
  }

  /* How many connections of this rung were lost lately, with this one. */
  #fell() {
    const now = Date.now();
    this.#falls = [...this.#falls.filter((at) => now - at < FALLS_MS), now];
    return this.#falls.length;
  }

  /* Is it the rung or the network? A plain request tells, and perhaps in the server's own words. */
  async #judge(counted) {
    const link = this.#link = Object.assign(new AbortController(), { rung: this.#rung });
    const fault = this.error;
    const first = fault.rung && !this.#heardAt;
    if (/live|polling|checking/.test(this.state)) this.#set('reconnecting');
    this.#kill(link, CHECK_MS, undefined);
    let err;
    try {
      await this.#plain(link);
    } catch (why) {
      err = why;
    }
    if (link !== this.#link) return;
    this.#drop();
    if (err) {
      this.#because(err);
      if (this.error.fatal) this.#fail();
      else this.#again();
      return;
    }
    const falls = counted ? this.#falls.length : this.#fell();
    if (this.#ladder[this.#rung + 1] && (first || falls >= FALLS)) {
      this.#leave(fault);
      this.#connect();
    } else this.#again();
  }

  #leave(fault) {
    this.faults = [...this.faults.slice(0, this.#rung++), fault];
    this.#fellAt = Date.now();
    this.#falls = [];
    if (this.#climbed) this.#climbMs = Math.min(this.#climbMs * 2, CLIMB_MAX_MS);
    this.#climbed = false;
  }

  #again() {
    const asked = this.error.retryMs || (this.transport === 'sse' && this.#retry);
    const ms = delayMs(this.#attempt++, asked);
    this.#timer = setTimeout(() => this.#connect(), ms);
    this.#set('reconnecting', ms);
  }

  // The rungs --------------------------------------------------------------------------------------

  async #ws(link) {
    const { token, WebSocket: Socket = globalThis.WebSocket } = this.#o;
    const refused = ['refused', 'No WebSocket gets through', RUNG];
    if (!Socket) throw new JobLightError(...refused);
    this.#await(link, ...refused);
    const query = { job: this.jobId, ...this.#wishes() };
    if (token) Object.assign(query, await this.#ticket(link));
    const url = new URL(this.#base + 'ws' + this.#at(query), globalThis.location);
    link.signal.throwIfAborted();
    const ws = new Socket(url.href.replace('http', 'ws'), 'joblight.v1');
    link.ping = () => ws.send('{"type":"ping"}');
    link.recount = () => ws.recount?.({ since: this.cursor, ...this.#wishes() });
    const { code, reason } = await new Promise((resolve, reject) => {
      link.signal.onabort = () => reject(ws.close());
      ws.onopen = () => this.#answered(link);
      ws.onerror = () => {};
      ws.onclose = resolve;
      ws.onmessage = ({ data }) => {
        try {
          this.#receive(link, JSON.parse(data));
        } catch (err) {
          reject(err);
        }
      };
    });
    if (code === 4001) this.#stale = true;
    if (code === 1006 && !link.upAt) throw link.why; // a refused socket does not say why
    throw new JobLightError('closed', reason || 'The connection broke', {
      status: code, fatal: /^44/.test(code), ours: /^(101[23]|4)/.test(code), rung: /^10(0[2379]|11)/.test(code),
    });
  }

  /* A server without keys sells none and wants none. */
  async #ticket({ signal }) {
    try {
      const { ticket } = await (await this.#fetch(signal, this.#job + '/tickets', {})).json();
      return ticket && { ticket };
    } catch (err) {
      if (!err.ours || err.status !== 404) throw err;
    }
    return undefined;
  }

  async #sse(link) {
    this.#await(link, 'held', 'A proxy holds the stream back', RUNG);
    const response = await this.#fetch(link.signal, this.#job + '/task-events' + this.#at(this.#wishes()));
    this.#answered(link);
    if (response.status === 204) return this.#confirm(link);
    if (!/^text\/event-stream/i.test(response.headers.get('content-type'))) throw stranger();
    await this.#read(link, response, eventParser(
      (data, type) => this.#receive(link, JSON.parse(data), type),
      (ms) => { this.#retry = ms; },
    ));
    throw new JobLightError('closed', 'The connection broke');
  }

  /* 204 is the end of the job, if it is the server that says so. */
  async #confirm(link) {
    const { terminal, status } = await (await this.#plain(link)).json();
    if (!terminal) throw stranger();
    if (!link.signal.aborted) this.#end(status);
  }

  async #read(link, { body }, take) {
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      link.signal.throwIfAborted();
      if (done) return;
      this.#heard(link);
      take(value);
    }
  }

  async #poll(link) {
    const brief = blind || link.as;
    for (;;) {
      const wait = link.upAt && !brief && (period(10, 20) || 20);
      const began = Date.now();
      if (wait) {
        link.beatMs = wait * 1000;
        this.#watch(link);
      } else this.#await(link, 'silent', 'The line went quiet');
      const page = await this.#ask(link, wait && { wait, ...this.#crowd() });
      const events = page.events || [];
      this.#alive(link);
      if (page.job) this.#snapshot(page);
      for (const event of events) this.#receive(link, event);
      if (link.signal.aborted) return;
      if (page.terminal && !(page.head > this.#seq && page.status !== 'deleted')) return this.#end(page.status);
      const early = (brief || (wait && Date.now() - began < 1000)) && !events.length;
      await new Promise((resolve) => { link.pause = setTimeout(resolve, early ? page.pollIntervalMs : 200); });
      if (link.as && held.size < HELD) this.#probe ||= this.#open(link.rung);
    }
  }

  async #ask(link, query) {
    const decoder = new TextDecoder();
    let text = '';
    const response = await this.#fetch(link.signal, this.#job + '/updates' + this.#at(query));
    await this.#read(link, response, (bytes) => { text += decoder.decode(bytes, { stream: true }); });
    const page = JSON.parse(text);
    if (!page.epoch) throw stranger();
    return page;
  }

  // What arrives -----------------------------------------------------------------------------------

  #receive(link, message, name) {
    const { type = name, seq, epoch, status, jobId } = message;
    if (link.signal.aborted) return;
    if (type === 'end') return this.#end(status);
    if (type === 'error' || type === 'refused') throw refusal(message);
    if (type === 'restart') {
      throw refusal({ code: 'closed', detail: 'The server restarts', status: 1012, retryAfterMs: message.retryMs });
    }
    if (type === 'mirror') return this.#mirror(link, message);
    if (type === 'pong') {
      link.large = 0;
      return this.#heard(link);
    }
    if (type === 'opening') { // until it is here, the server alone knows whether it gets on
      link.large = Date.now() + openingMs(message.bytes);
      return this.#wait(link, Infinity);
    }
    if (epoch) this.#beatMs = message.heartbeatMs || this.#beatMs;
    this.#alive(link);
    if (link.signal.aborted) return;
    if (epoch) {
      this.#emit('connected', message);
      if (message.job) this.#snapshot(message);
    } else if (type === 'heartbeat') {
      this.#emit(type, message);
      if (this.#head > this.#seq) throw new JobLightError('hole', 'The stream skipped an event');
      this.#head = message.head;
    } else if (jobId === this.jobId && !(seq <= this.#seq)) {
      if (seq) this.#logged(message);
      this.#emit('event', message);
      this.#emit(type, message);
      if (type === 'job_update' && OVER.test(status)) this.#end(status);
    }
  }

  #logged(message) {
    const { seq } = message;
    if (seq > this.#seq + 1 && seq !== this.#hole) { // ask again, once
      this.#hole = seq;
      throw new JobLightError('hole', 'The stream skipped an event');
    }
    this.#seq = seq;
    this.cursor = this.cursor.replace(/\d+$/, seq);
    if (message.type === 'task_update') this.#known.set(message.taskId, look(message));
    if (message.type === 'job_update') this.#status = message.status;
  }

  /* How the connection is that another stream, perhaps of another tab, has for this one. */
  #mirror(link, { state, transport, error, faults, retryInMs }) {
    const revive = (told) => told && new JobLightError(told.code, told.message, told);
    if (state === 'failed') throw revive(error);
    link.as = transport;
    link.checking = false;
    if (faults) this.faults = faults.map(revive);
    if (!link.upAt) this.#kill(link, this.#beatMs * 2.5, silent());
    else this.#heard(link);
    if (state === 'ended' || (link.upAt ? state === 'connecting' : UP.test(state))) return; // the message follows
    this.error = revive(error);
    const moved = state === this.state && transport !== this.transport;
    this.transport = transport;
    if (moved) this.#emit('state', { ...this, previous: state, attempt: this.#attempt });
    else this.#set(state, retryInMs);
  }

  /* What changed in a gap comes as updates too. */
  #snapshot({ job, cursor, reason }) {
    const gap = this.cursor;
    const was = this.#status;
    const { status, seq } = job;
    const about = { jobId: job.id, seq, snapshot: true };
    this.#seq = seq;
    this.cursor = cursor;
    this.#status = status;
    this.#emit('event', { type: 'snapshot', job, reason });
    this.#emit('snapshot', { job, reason });
    for (const task of job.tasks) {
      const face = look(task);
      if (gap && this.#known.get(task.id) !== face) {
        const { id: taskId, updatedAt: timestamp } = task;
        this.#emit('task_update', { ...task, type: 'task_update', ...about, taskId, timestamp });
      }
      this.#known.set(task.id, face);
    }
    if (was && was !== status) {
      this.#emit('job_update', { ...job, type: 'job_update', ...about });
    }
    if (OVER.test(status)) this.#end(status);
  }

  #at(query) {
    return '?' + new URLSearchParams({ since: this.cursor || '', ...query });
  }

  /* What a stream is asked to be like. */
  #wishes() {
    const heartbeat = this.#o.heartbeat || period(10, 30);
    return { ...heartbeat && { heartbeat }, ...this.#crowd() };
  }

  /* For how many tabs it speaks. */
  #crowd() {
    const tabs = this.#o.tabs?.call && this.#o.tabs();
    return tabs > 1 && { tabs };
  }

  /* The number of tabs has changed; the server is told in place, or by a connection that takes over. */
  recount() {
    const link = this.#link;
    if (!link?.upAt) return;
    if (link.recount) link.recount();
    else if (this.transport === 'sse' && !this.#probe) this.#probe = this.#open(this.#rung);
  }

  async #fetch(signal, path, body, key) {
    const { token, credentials, fetch: get = fetch } = this.#o;
    for (;;) {
      const refresh = this.#stale;
      const bearer = token?.call ? await token({ refresh }) : token;
      const response = await get(this.#base + path, {
        ...body && { method: 'POST', body: JSON.stringify(body) },
        headers: {
          ...bearer && { authorization: 'Bearer ' + bearer },
          ...body && { 'content-type': 'application/json' },
          ...key && { 'idempotency-key': key },
          ...path.includes('/task-events?') && { accept: 'text/event-stream' },
        },
        cache: 'no-store', credentials, signal,
      });
      signal.throwIfAborted();
      this.#stale = false;
      if (response.ok) return response;
      const err = await problem(response);
      if (refresh || !token?.call || !/40[13]/.test(err.status)) throw err;
      this.#stale = true;
    }
  }

  async #post(path, body) {
    const key = crypto.getRandomValues(new Uint32Array(4)).join('-'); // one for all the tries
    for (let attempt = 0; ; attempt++) {
      try {
        return await (await this.#fetch(AbortSignal.timeout(15000), path, body, key)).json();
      } catch (err) {
        if (err.fatal || attempt > 8 || this.#o.signal?.aborted) throw err;
        await new Promise((resolve) => { setTimeout(resolve, delayMs(attempt, err.retryMs)); });
      }
    }
  }

  #listen(act) {
    for (const name of ['pagehide', 'pageshow', 'online', 'offline', 'visibilitychange']) {
      globalThis[act]?.(name, this.#page);
    }
  }

  #page = ({ type, persisted }) => {
    if (type === 'pagehide') this.#drop(); // or the cache keeps it open
    else if (type === 'pageshow') {
      if (persisted && !this.#link) this.#connect();
    } else if (type === 'offline') {
      if (this.#link?.large) this.#wait(this.#link, STALL_MS); // the server gives it up as soon
      else this.#check(this.#link);
    } else if (type === 'online' || !document.hidden) this.#wake();
    else if (this.#rests()) {
      this.#drop();
      this.#set('idle');
    }
  };

  /* The network is back, or somebody looks. */
  #wake() {
    const stale = Date.now() - this.#heardAt > this.#beatMs * 1.5;
    if (this.state === 'failed') this.reconnect();
    else if (this.state === 'idle') this.start();
    else if (this.#timer || (stale && this.#link?.upAt)) this.#connect();
    else this.#check(this.#link);
  }
}
