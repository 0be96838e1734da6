/* Told in joblight.d.ts. A link is one connection on a rung (transport) of the ladder. All of them
 * go on at one cursor, and a rung is left only for its own faults. */
const OVER = /^(completed|failed|cancelled|deleted)$/;
const ACTIVE = /^(in_progress|revisions|hardening)$/;
const CONNECT_MS = 5000, STABLE_MS = 5000, CLIMB_MS = 60000, LONGEST_MS = 600000, WAIT_S = 20;

export const backoffMs = (attempt, random = Math.random) =>
  random() * Math.min(30000, 500 * 2 ** attempt);

export class JobLightError extends Error {
  constructor(code, message, more) {
    super(message);
    Object.assign(this, { code }, more);
  }
}

/* WHATWG HTML 9.2.6 */
export const eventParser = (onEvent, onRetry, maxChars = 16 << 20) => {
  const decoder = new TextDecoder(); // drops the BOM
  let tail = '', id = '', type, data, cr;
  const take = (line) => {
    const [, field, value] = /^([^:]*):? ?(.*)/s.exec(line);
    if (!line) {
      if (data != null) onEvent(data, type || 'message', id);
      data = type = undefined;
    } else if (field === 'data') data = data == null ? value : data + '\n' + value;
    else if (field === 'event') type = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) onRetry?.(+value);
  };
  return (bytes) => {
    let text = decoder.decode(bytes, { stream: true });
    if (!text) return;
    if (cr && text[0] === '\n') text = text.slice(1); // a CRLF cut in two
    cr = text.endsWith('\r');
    const lines = text.split(/\r\n?|\n/);
    lines[0] = tail + lines[0];
    tail = lines.pop();
    lines.forEach(take);
    if (tail.length + (data || '').length > maxChars) {
      throw new JobLightError('too_big', 'Unreadable event');
    }
  };
};

const delayMs = (attempt, least) => Math.min(Math.max(least || 0, backoffMs(attempt)), LONGEST_MS);

const problem = async (response) => {
  const { status } = response;
  const body = await response.json().catch(() => 0) || 0; // a proxy answers in HTML
  const after = response.headers.get('retry-after');
  return new JobLightError(body.code || 'http', body.detail || 'HTTP ' + status, {
    status,
    fatal: status < 500 && ![408, 425, 429].includes(status),
    retryMs: after * 1000 || Date.parse(after) - Date.now(),
  });
};

const look = (task) => JSON.stringify(task, ['status', 'title', 'note', 'progress', 'attempt']);

export class TaskEventStream extends EventTarget {
  static ladder = ['sse', 'poll'];
  state = 'idle';
  cursor; transport; error;
  #o; #id; #status; #ladder; #rung = 0; #proved; #fellAt; #attempt = 0; #retry;
  #link; #probe; #timer; #hidden; #heardAt; #beatMs = 30000; #head; #epoch; #seq; #hole;
  #known = new Map();

  constructor(options) {
    super();
    const o = this.#o = options;
    this.jobId = o.jobId;
    this.#id = encodeURIComponent(o.jobId);
    this.#status = o.jobStatus;
    this.#ladder = (o.transports || TaskEventStream.ladder)
      .filter((name) => name !== 'ws' || (globalThis.WebSocket && !o.token));
    this.cursor = o.cursor;
    this.addEventListener('task_update', (e) => o.onTaskUpdate?.(e.detail));
    this.addEventListener('job_update', (e) => o.onJobUpdate?.(e.detail.status, e.detail));
    this.addEventListener('snapshot', (e) => o.onSnapshot?.(e.detail.job, e.detail));
    this.addEventListener('state', (e) => o.onStateChange?.(e.detail));
    o.signal?.addEventListener('abort', () => this.close());
  }

  get jobStatus() { return this.#status; }

  set jobStatus(status) {
    if (status === this.#status) return;
    this.#status = status;
    if (this.state === 'idle' || this.state === 'closed') return;
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
    this.#attempt = this.#rung = 0;
    this.#listen('addEventListener');
    this.#connect();
  }

  close() {
    if (this.state !== 'ended') this.#stop('closed');
  }

  report(update) {
    return this.#post('agent-hooks/task-update/' + this.#id, update);
  }

  command(command, more) {
    return this.#post(`jobs/${this.#id}/commands`, { command, ...more });
  }

  async *[Symbol.asyncIterator]() {
    const queue = [];
    const stop = new AbortController();
    let wake;
    this.addEventListener('event', (e) => queue.push(e.detail), stop);
    for (const type of ['event', 'state']) this.addEventListener(type, () => wake?.(), stop);
    this.start();
    try {
      for (;;) {
        while (queue.length) yield queue.shift();
        if (this.state === 'failed') throw this.error;
        if (this.state === 'ended' || this.state === 'closed') return;
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

  #connect() {
    this.#drop();
    this.#set(this.#heardAt || this.state === 'reconnecting' ? 'reconnecting' : 'connecting');
    this.transport = this.#ladder[this.#rung];
    this.#link = this.#open(this.#rung);
  }

  #open(rung) {
    const link = Object.assign(new AbortController(), { rung });
    const run = { ws: this.#ws, sse: this.#sse, poll: this.#poll }[this.#ladder[rung]];
    run.call(this, link).catch((err) => this.#lost(link, err));
    return link;
  }

  #drop() {
    clearTimeout(this.#timer);
    const links = [this.#link, this.#probe];
    this.#link = this.#probe = this.#timer = undefined; // first: #lost must not know them
    links.forEach(this.#cut);
  }

  #cut = (link) => {
    clearTimeout(link?.timer);
    link?.abort();
  };

  #arm(link, ms, ...why) {
    clearTimeout(link.timer);
    link.timer = setTimeout(() => link.abort(new JobLightError(...why)), ms);
  }

  /* Something came. While on a lower rung, try the top one beside it now and then. */
  #heard(link) {
    this.#heardAt = Date.now();
    if (!link.upAt || link.signal.aborted) return;
    this.#arm(link, this.#beatMs * 2.5, 'silent', 'Nothing heard');
    if (link.rung && this.#heardAt - this.#fellAt > CLIMB_MS) {
      this.#fellAt = this.#heardAt;
      this.#cut(this.#probe);
      this.#probe = this.#open(0);
    }
  }

  #up(link) {
    if (link.upAt) return;
    if (link !== this.#link) { // a probe got through
      this.#probe = undefined;
      this.#drop();
      this.#link = link;
    }
    link.upAt = Date.now();
    this.#rung = link.rung;
    this.#proved = true;
    this.#head = 0;
    this.error = undefined;
    this.transport = this.#ladder[link.rung];
    this.#set(this.transport === 'poll' ? 'polling' : 'live');
  }

  #lost(link, err) {
    if (link.signal.aborted) err = link.signal.reason;
    this.#cut(link);
    if (link !== this.#link) return;
    this.#link = undefined;
    this.error = err;
    if (err.fatal) return this.#stop('failed');
    if (err.rung && this.#ladder[this.#rung + 1]) {
      this.#rung++;
      this.#proved = false;
      this.#fellAt = Date.now();
      return this.#connect();
    }
    if (!this.#proved) this.#rung = 0; // the lower one failed too: it was not the rung
    if (Date.now() - link.upAt > STABLE_MS) this.#attempt = 0;
    const ms = delayMs(this.#attempt++, err.retryMs || this.#retry);
    this.#timer = setTimeout(() => this.#connect(), ms);
    this.#set('reconnecting', ms);
  }

  #ws(link) {
    const url = new URL(this.#url('ws', { job: this.jobId }), globalThis.location?.href);
    return new Promise((_, reject) => {
      const ws = new WebSocket(url.href.replace('http', 'ws'), 'joblight.v1');
      const late = ['refused', 'No WebSocket', { rung: true }];
      this.#arm(link, CONNECT_MS, ...late);
      link.signal.onabort = () => reject(ws.close());
      ws.onclose = ({ code }) => reject(new JobLightError(...link.upAt
        ? ['closed', 'Close ' + code, { fatal: code > 4399 }] : late));
      ws.onmessage = ({ data }) => {
        try {
          this.#receive(link, JSON.parse(data));
          this.#heard(link);
        } catch (err) {
          reject(err);
        }
      };
    });
  }

  async #sse(link) {
    this.#arm(link, CONNECT_MS, 'held', 'A proxy holds the stream', { rung: true });
    const response = await this.#fetch(link.signal, `jobs/${this.#id}/task-events`, {});
    if (response.status === 204) return this.#end(this.#status);
    if (!/^text\/event-stream/i.test(response.headers.get('content-type'))) {
      throw new JobLightError('content_type', 'Not an event stream', { rung: true });
    }
    const reader = response.body.getReader();
    const feed = eventParser(
      (data, type, id) => this.#receive(link, JSON.parse(data), type, id),
      (ms) => { this.#retry = ms; },
    );
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new JobLightError('closed', 'The server closed the stream');
      feed(value);
      this.#heard(link);
    }
  }

  async #poll(link) {
    for (;;) {
      const query = link.upAt ? { wait: WAIT_S } : {}; // at once, to begin with
      const began = Date.now();
      this.#arm(link, WAIT_S * 1500, 'silent', 'Nothing heard');
      const response = await this.#fetch(link.signal, `jobs/${this.#id}/updates`, query);
      const page = await response.json();
      const events = page.events || [];
      link.signal.throwIfAborted();
      this.#epoch = page.epoch;
      this.#up(link);
      this.#heard(link);
      if (page.job) this.#snapshot(page);
      for (const event of events) this.#receive(link, event);
      if (link.signal.aborted) return;
      if (page.terminal && !(page.head > this.#seq)) return this.#end(page.status);
      const early = query.wait && Date.now() - began < 1000;
      const pause = events.length ? 200 : early ? page.pollIntervalMs : 0;
      clearTimeout(link.timer);
      await new Promise((resolve) => { link.timer = setTimeout(resolve, pause); });
    }
  }

  #receive(link, message, name, id) {
    if (link.signal.aborted) return; // closed by a handler
    const { type = name, seq } = message;
    if (type === 'connected' || type === 'reset') {
      this.#beatMs = message.heartbeatMs || this.#beatMs;
      this.#epoch = message.epoch;
      this.#up(link);
      this.#emit('connected', message);
      if (message.job) this.#snapshot(message);
    } else if (type === 'heartbeat') {
      this.#emit(type, message);
      if (this.#head > this.#seq) throw new JobLightError('behind', 'The stream fell behind');
      this.#head = message.head; // must be here by the next one
    } else if (type === 'end') this.#end(message.status);
    else if (!(seq <= this.#seq)) {
      if (seq) this.#logged(message, id);
      this.#emit('event', message);
      this.#emit(type, message);
      if (type === 'job_update' && OVER.test(message.status)) this.#end(message.status);
    }
  }

  #logged(message, id) {
    const { seq } = message;
    if (seq > this.#seq + 1 && seq !== this.#hole) { // ask again, once
      this.#hole = seq;
      throw new JobLightError('hole', 'The stream skipped an event');
    }
    this.#seq = seq;
    this.cursor = id || this.#epoch + '.' + seq;
    if (message.type === 'task_update') this.#known.set(message.taskId, look(message));
    if (message.type === 'job_update') this.#status = message.status;
  }

  /* What changed in a gap comes as updates too, for those who listen to nothing else. */
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
    if (was !== status && (was || gap)) {
      this.#emit('job_update', { ...job, type: 'job_update', ...about });
    }
    if (OVER.test(status)) this.#end(status);
  }

  #url(path, query) {
    const since = this.cursor;
    return (this.#o.baseUrl || '').replace(/\/$/, '') + '/api/' + path
      + (query ? '?' + new URLSearchParams({ ...since && { since }, ...query }) : '');
  }

  async #fetch(signal, path, query, init) {
    const { token, credentials, fetch: get = fetch } = this.#o;
    for (let refresh = false; ; refresh = true) {
      const bearer = token?.call ? await token({ refresh }) : token;
      const headers = { ...bearer && { authorization: 'Bearer ' + bearer }, ...init?.headers };
      const options = { cache: 'no-store', credentials, signal, ...init, headers };
      const response = await get(this.#url(path, query), options);
      signal.throwIfAborted();
      if (response.ok) return response;
      const err = await problem(response);
      if (refresh || !token?.call || !/40[13]/.test(err.status)) throw err;
    }
  }

  async #post(path, body) {
    const key = crypto.getRandomValues(new Uint32Array(4)).join('-'); // one for all the tries
    const headers = { 'content-type': 'application/json', 'idempotency-key': key };
    const init = { method: 'POST', headers, body: JSON.stringify(body) };
    for (let attempt = 0; ; attempt++) {
      try {
        return await (await this.#fetch(AbortSignal.timeout(15000), path, 0, init)).json();
      } catch (err) {
        if (err.fatal || attempt > 8 || this.#o.signal?.aborted) throw err;
        await new Promise((resolve) => { setTimeout(resolve, delayMs(attempt, err.retryMs)); });
      }
    }
  }

  #listen(act) {
    if (!globalThis.document) return;
    for (const name of ['pagehide', 'pageshow', 'online']) globalThis[act](name, this.#page);
    document[act]('visibilitychange', this.#page);
  }

  #page = ({ type }) => {
    const stale = this.#link?.upAt && Date.now() - this.#heardAt > this.#beatMs * 1.5;
    if (type === 'pagehide') { // or the back/forward cache keeps the connection
      this.#hidden = true;
      this.#drop();
    } else if (this.#hidden || (!document.hidden && (this.#timer || stale))) {
      this.#hidden = false;
      this.#connect();
    }
  };
}
