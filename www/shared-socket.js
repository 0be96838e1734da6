/* One WebSocket for all the streams of a page. Told in shared-socket.d.ts.
 *
 * A stream believes that it opens a socket of its own; what it gets is a seat. A lane is the real
 * socket, with one seat for each job: a second stream of the same job sits on another lane, because
 * each of them has its own position. What is reported goes over an open lane too. */
import { TaskEventStream, openingMs } from './joblight.js';
import { Tabs, digest } from './shared-tabs.js';

const SEATS = 200; // the server takes 256 jobs on a socket
const CHARS = 20000; // it takes 64 KiB in a message, and a character can have three bytes
const WRITES = /(?:jobs\/([^/]+)\/(command)s|agent-hooks\/task-(update)\/([^/]+))$/;

/* What is a stream's own, and not the connection's. */
const NOBODYS = { signal: undefined, jobStatus: undefined, onTaskUpdate: undefined, onJobUpdate: undefined,
  onSnapshot: undefined, onStateChange: undefined };

const answer = (body, status = 200) => new Response(JSON.stringify(body),
  { status, headers: { 'content-type': `application/${status < 400 ? '' : 'problem+'}json` } });

/* Where the socket of an API is. */
const socketAt = (url) => new URL(url.replace(/(.*\/api\/).*/, '$1ws'), globalThis.location)
  .href.replace('http', 'ws');

class Lane {
  seats = new Map(); // job -> its seat
  #pinged = new Set(); // seats that wait for a pong
  #large = 0; // a large message is on its way, and nothing can overtake it; it has to be here by then
  #opening; // what announced it
  #leaving = new Map(); // job -> how often it was left without the server's word for it
  #asked = new Map(); // key -> a write that waits for its answer
  #heardAt = Date.now();
  #beatMs = 30000;
  #socket; #onOver;

  constructor(socket, at, onOver) {
    this.at = at;
    this.#socket = socket;
    this.#onOver = onOver;
    socket.onopen = () => this.seats.forEach((seat) => this.#subscribe(seat));
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = (event) => this.#over(event);
    socket.onerror = () => {}; // onclose follows
  }

  get open() { return this.#socket.readyState === 1; }

  /* A socket that is silent for long may be dead, and then nobody should sit down on it. */
  get fresh() { return Date.now() < this.#large || Date.now() - this.#heardAt < this.#beatMs * 1.5; }

  sit(seat) {
    this.seats.set(seat.jobId, seat);
    if (this.open) this.#subscribe(seat);
  }

  /* One ping for all who ask meanwhile. */
  ping(seat) {
    if (!this.#pinged.size) this.#say({ type: 'ping' });
    this.#pinged.add(seat);
  }

  leave(seat) {
    const { jobId } = seat;
    if (this.seats.get(jobId) !== seat) return;
    this.seats.delete(jobId);
    if (this.open) {
      this.#leaving.set(jobId, (this.#leaving.get(jobId) || 0) + 1);
      this.#say({ type: 'unsubscribe', jobId });
    }
    queueMicrotask(() => this.#rest()); // who moves sits down again at once
  }

  /* Answers as fetch would have. */
  ask(frame, signal) {
    return new Promise((resolve, reject) => {
      const settle = (act, what) => {
        if (!this.#asked.delete(frame.id)) return;
        act(what);
        this.#rest();
      };
      this.#asked.set(frame.id, {
        answer: ({ type, id, ...told }) =>
          settle(resolve, type === 'ack' ? answer({ ok: true, ...told }) : answer(told, told.status || 500)),
        lose: () => settle(reject, new TypeError('The connection broke')),
      });
      signal?.addEventListener('abort', () => settle(reject, signal.reason), { once: true });
      this.#say(frame);
    });
  }

  #say(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  #subscribe(seat) {
    queueMicrotask(() => { // it may not have its ears yet
      seat.onopen?.();
      if (Date.now() < this.#large) this.#tell([seat], this.#opening);
    });
    this.subscribe(seat);
  }

  subscribe({ jobId, since, heartbeat, tabs }) {
    if (this.open) this.#say({ type: 'subscribe', jobId, since, heartbeat, tabs });
  }

  #tell(seats, message) {
    const data = JSON.stringify(message);
    for (const seat of [...seats]) seat.onmessage({ data });
  }

  /* Of the connection itself: while a large message comes none can overtake it, and after it all are alive. */
  #hearLine(type, message) {
    const alive = this.#large ? this.seats.values() : type === 'pong' ? this.#pinged : [];
    this.#large = type === 'opening' ? Date.now() + openingMs(message.bytes) : 0;
    this.#opening = message;
    if (this.#large || type === 'restart') return this.#tell(this.seats.values(), message);
    this.#tell(alive, { type: 'pong' });
    if (type === 'pong') this.#pinged.clear();
    return undefined;
  }

  #hear(data) {
    let message;
    try {
      message = JSON.parse(data);
      this.#heardAt = Date.now();
      this.#hearLine(message.type, message);
      if (!this.#large) this.#route(message, data);
    } catch {
      this.#over({ code: 1006 });
    }
  }

  #route({ type, id, jobId, status, heartbeatMs }, data) {
    const left = this.#leaving.get(jobId);
    this.#beatMs = heartbeatMs || this.#beatMs;
    if (this.#asked.has(id)) this.#asked.get(id).answer(JSON.parse(data));
    else if (!left) this.seats.get(jobId)?.onmessage({ data });
    else if (type === 'end' && status === 'unsubscribed') {
      if (left > 1) this.#leaving.set(jobId, left - 1);
      else this.#leaving.delete(jobId);
    }
  }

  #rest() {
    if (!this.seats.size && !this.#asked.size) this.#over({ code: 1000 });
  }

  #over(event) {
    const seats = [...this.seats.values()];
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null; // once
    this.#socket.close();
    this.#onOver(this);
    this.seats.clear();
    for (const { lose } of [...this.#asked.values()]) lose();
    for (const seat of seats) seat.onclose(event);
  }
}

export class JobLight {
  #o; #ticket;
  #lanes = [];

  constructor(options = {}) {
    this.#o = options;
  }

  /* Like new TaskEventStream, over the shared socket. */
  stream(options) {
    const all = { ...this.#o, ...options };
    const tabs = options.WebSocket ? undefined : this.#tabs(all);
    if (!tabs) return this.#alone(options);
    const { fetch: get = (url, init) => this.#fetch(url, init) } = options;
    return new TaskEventStream({
      ...all,
      transports: ['ws'],
      WebSocket: tabs.Seat,
      fetch: (url, init) => (/\/tickets$/.test(url) ? answer({}) : get(url, init)), // the leader has one
    });
  }

  /* With a place on a socket of this page. */
  #alone(options) {
    const client = this;
    return new TaskEventStream({
      ...this.#o,
      fetch: (url, init) => this.#fetch(url, init),
      WebSocket: function Seat(url, protocol) { return client.#sit(new URL(url), protocol); },
      ...options,
    });
  }

  /* Those with whom a stream can share: same server, same way, same credential. */
  #tabs({ tabs, token = '', baseUrl = '', credentials = '', transports = '', ...rest }) {
    const who = typeof tabs === 'string' ? tabs : token;
    if (!Tabs.able || tabs === false || typeof who !== 'string') return undefined;
    const base = new URL((baseUrl || '').replace(/\/?$/, '/api/'), location).href;
    const own = { token, baseUrl, transports: transports || undefined, credentials: credentials || undefined,
      heartbeat: rest.heartbeat, ...rest.fetch && { fetch: rest.fetch } };
    return Tabs.of(`joblight ${digest(JSON.stringify([base, who, credentials, transports]))}`, {
      open: (options) => this.#alone({ ...NOBODYS, ...own, ...options }),
      ask: (path, ...how) => this.#ask(own, base + path, ...how),
    });
  }

  /* The answer to a plain request; each part that comes is told. */
  async #ask({ token, credentials, fetch: get = this.#o.fetch || fetch }, url, signal, onPart) {
    const bearer = token?.call ? await token({ refresh: false }) : token;
    const headers = bearer ? { authorization: 'Bearer ' + bearer } : {};
    const response = await get(url, { headers, credentials, signal, cache: 'no-store' });
    if (!response.ok) throw new Error('The server answered ' + response.status);
    const decoder = new TextDecoder();
    let text = '';
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) return JSON.parse(text);
      text += decoder.decode(value, { stream: true });
      onPart();
    }
  }

  report(jobId, update) {
    return this.stream({ jobId }).report(update);
  }

  command(jobId, command, more) {
    return this.stream({ jobId }).command(command, more);
  }

  #lane(at, jobId) {
    return this.#lanes.find((lane) => lane.at === at && lane.fresh
      && lane.seats.size < SEATS && !lane.seats.has(jobId));
  }

  #sit(url, protocol) {
    const { WebSocket: Socket = WebSocket } = this.#o;
    const query = url.searchParams;
    const number = (name) => Number(query.get(name)) || undefined;
    const seat = {
      jobId: query.get('job'), since: query.get('since'), heartbeat: number('heartbeat'), tabs: number('tabs'),
    };
    const ticket = query.get('ticket');
    const at = url.origin + url.pathname;
    let lane = this.#lane(at, seat.jobId);
    if (!lane) {
      const socket = new Socket(at + (ticket ? '?ticket=' + encodeURIComponent(ticket) : ''), protocol);
      lane = new Lane(socket, at, (gone) => {
        this.#lanes = this.#lanes.filter((other) => other !== gone);
      });
      this.#lanes.push(lane);
    }
    seat.close = () => lane.leave(seat);
    seat.send = () => lane.ping(seat); // a ping is all that a stream says
    seat.recount = (wishes) => lane.subscribe(Object.assign(seat, { tabs: 1, ...wishes }));
    lane.sit(seat);
    return seat;
  }

  #fetch(url, init) {
    const { fetch: get = fetch } = this.#o;
    if (/\/tickets$/.test(url)) return this.#admit(url, () => get(url, init));
    const frame = init.headers['idempotency-key'] && this.#frame(url, init);
    const at = frame && socketAt(url);
    const lane = frame && this.#lanes.find((one) => one.at === at && one.open && one.fresh);
    return lane ? lane.ask(frame, init.signal) : get(url, init);
  }

  /* A batch is answered with one receipt for each of its updates, which an ack has no room for. */
  #frame(url, { headers, body }) {
    const [, commanded, command, update, reported] = WRITES.exec(url) || [];
    if (!(command || update) || body.length > CHARS || body[0] === '[') return undefined;
    const jobId = decodeURIComponent(commanded || reported);
    return { ...JSON.parse(body), type: command || update, id: headers['idempotency-key'], jobId };
  }

  /* A ticket opens one socket: who can sit on a lane that is there needs none. */
  async #admit(url, get) {
    const [, jobId] = /([^/]+)\/tickets$/.exec(url);
    if (this.#lane(socketAt(url), decodeURIComponent(jobId))) return answer({});
    this.#ticket ||= get().finally(() => { this.#ticket = undefined; });
    return (await this.#ticket).clone();
  }
}
