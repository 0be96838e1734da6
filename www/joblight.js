/* Told in joblight.d.ts. A link is one connection, on one rung of the ladder. */
const OVER = /^(completed|failed|cancelled|deleted)$/;
const ACTIVE = /^(in_progress|revisions|hardening)$/;
const SETTLE_MS = 5000, CLIMB_MS = 60000, WAIT_S = 20;
const RUNG = { rung: true };
const HTTP1 = /^(http|$)/.test(performance.getEntriesByType('navigation')[0]?.nextHopProtocol);

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

const problem = async (response) => {
  const { status, headers } = response;
  const body = await response.json().catch(() => 0) || 0;
  const after = headers.get('retry-after');
  return new JobLightError(body.code || 'http', body.detail || 'The server answered ' + status, {
    status,
    fatal: /^4(?!08|25|29)/.test(status),
    retryMs: after * 1000 || Date.parse(after) - Date.parse(headers.get('date')),
  });
};

const look = (task) => JSON.stringify(task, ['status', 'title', 'note', 'progress', 'attempt']);

export class TaskEventStream extends EventTarget {
  static ladder = [HTTP1 ? 'ws' : 'sse', HTTP1 ? 'sse' : 'ws', 'poll'];
  state = 'idle';
  cursor; transport; error;
  faults = [];
  #o; #job; #base; #status; #ladder; #rung = 0; #fellAt; #attempt = 0; #retry; #stale = false;
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

  #connect() {
    this.#drop();
    this.transport = this.#ladder[this.#rung];
    this.#set(this.#heardAt || this.state === 'reconnecting' ? 'reconnecting' : 'connecting');
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
    this.#link = this.#probe = this.#timer = undefined;
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

  /* A sign of life */
  #alive(link) {
    const now = this.#heardAt = Date.now();
    if (!link.upAt) {
      link.upAt = now;
      if (link !== this.#link) { // a probe got through
        this.#probe = undefined;
        this.#drop();
        this.#link = link;
      }
      this.#rung = link.rung;
      this.#head = 0;
      this.error = undefined;
      this.faults = this.faults.slice(0, link.rung);
      this.transport = this.#ladder[link.rung];
      this.#set(this.transport === 'poll' ? 'polling' : 'live');
      if (link.signal.aborted) return;
    }
    this.#arm(link, this.#beatMs * 2.5, 'silent', 'The line went quiet');
    if (link.rung && now - this.#fellAt > CLIMB_MS) {
      this.#fellAt = now;
      this.#cut(this.#probe);
      this.#probe = this.#open(0);
    }
  }

  #lost(link, err) {
    if (link.signal.aborted) err = link.signal.reason;
    this.#cut(link);
    if (link !== this.#link) return;
    this.#link = undefined;
    this.error = err instanceof JobLightError ? err
      : err = new JobLightError('network', 'The server cannot be reached');
    if (err.fatal) return this.#stop('failed');
    if (err.rung && this.#ladder[this.#rung + 1] && (!this.#heardAt || this.#attempt > 1)) {
      this.faults = [...this.faults.slice(0, this.#rung++), err];
      this.#fellAt = Date.now();
      return this.#connect();
    }
    if (!link.upAt) this.#rung = 0; // it is the network, not the rung
    if (Date.now() - link.upAt > SETTLE_MS) this.#attempt = 0;
    const ms = delayMs(this.#attempt++, err.retryMs || this.#retry);
    this.#timer = setTimeout(() => this.#connect(), ms);
    this.#set('reconnecting', ms);
  }

  async #ws(link) {
    const { token, WebSocket: Socket = globalThis.WebSocket } = this.#o;
    const refused = ['refused', 'No WebSocket gets through', RUNG];
    this.#arm(link, SETTLE_MS, ...refused);
    if (!Socket) throw new JobLightError(...refused);
    const query = { job: this.jobId };
    if (token) {
      const answer = await this.#fetch(link.signal, this.#job + '/tickets', {});
      query.ticket = (await answer.json()).ticket;
    }
    const url = new URL(this.#base + 'ws' + this.#at(query), globalThis.location);
    link.signal.throwIfAborted();
    const ws = new Socket(url.href.replace('http', 'ws'), 'joblight.v1');
    const { code, reason } = await new Promise((resolve, reject) => {
      link.signal.onabort = () => reject(ws.close());
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
    if (code === 1006 && !link.upAt) { // a refused socket does not say why
      await this.#fetch(link.signal, this.#job + '/updates' + this.#at());
      throw new JobLightError(...refused);
    }
    throw new JobLightError('closed', reason || 'The connection broke',
      { status: code, fatal: code > 4399, rung: /10(0[2379]|11)/.test(code) });
  }

  async #sse(link) {
    this.#arm(link, SETTLE_MS, 'held', 'A proxy holds the stream back', RUNG);
    const response = await this.#fetch(link.signal, this.#job + '/task-events' + this.#at());
    if (response.status === 204) return this.#end(this.#status);
    if (!/^text\/event-stream/i.test(response.headers.get('content-type'))) {
      throw new JobLightError('content_type', 'A proxy answered instead', RUNG);
    }
    const reader = response.body.getReader();
    const feed = eventParser(
      (data, type) => this.#receive(link, JSON.parse(data), type),
      (ms) => { this.#retry = ms; },
    );
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new JobLightError('closed', 'The connection broke');
      feed(value);
    }
  }

  async #poll(link) {
    for (;;) {
      const query = link.upAt ? { wait: WAIT_S } : {};
      const began = Date.now();
      this.#arm(link, link.upAt ? WAIT_S * 1500 : SETTLE_MS, 'silent', 'The line went quiet');
      const response = await this.#fetch(link.signal, this.#job + '/updates' + this.#at(query));
      const page = await response.json();
      const events = page.events || [];
      link.signal.throwIfAborted();
      this.#alive(link);
      if (page.job) this.#snapshot(page);
      for (const event of events) this.#receive(link, event);
      if (link.signal.aborted) return;
      if (page.terminal && !(page.head > this.#seq)) return this.#end(page.status);
      const early = query.wait && !events.length && Date.now() - began < 1000;
      clearTimeout(link.timer);
      await new Promise((resolve) => { link.timer = setTimeout(resolve, early ? page.pollIntervalMs : 200); });
    }
  }

  #receive(link, message, name) {
    const { type = name, seq, epoch, status, jobId } = message;
    if (link.signal.aborted) return;
    if (type === 'end') return this.#end(status);
    if (type === 'error') {
      throw new JobLightError(message.code, message.detail, { ...message, fatal: !message.retryable });
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
    for (const name of ['pagehide', 'pageshow', 'online', 'visibilitychange']) {
      globalThis[act]?.(name, this.#page);
    }
  }

  #page = ({ type }) => {
    const stale = this.#link?.upAt && Date.now() - this.#heardAt > this.#beatMs * 1.5;
    if (type === 'pagehide') this.#drop(); // or the cache keeps it open
    else if (type === 'pageshow' ? !this.#link
      : (this.#timer || stale) && (type === 'online' || !document.hidden)) this.#connect();
  };
}
