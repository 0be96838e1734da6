/*
 * One WebSocket for all the streams of a page, as shared-socket.d.ts describes it. A second stream
 * of a job gets a socket of another WebSocket, because each stream has a position of its own.
 */
import { SharedWebSocket, jsonResponse } from './client/shared-web-socket.js';
import { TaskEventStream } from './joblight.js';
import { Tabs, digest } from './shared-tabs.js';

const JOBS_MAX = 200; // the server takes 256 jobs on a socket
const WRITE_CHARS_MAX = 20000; // it takes 64 KiB in a message, and a character can have three bytes
const WRITES = /(?:jobs\/([^/]+)\/(command)s|agent-hooks\/task-(update)\/([^/]+))$/;

const TICKETS = /([^/]+)\/tickets$/;

/* Options of one stream, which the stream of a leading tab must not have. */
const NO_STREAM_OPTIONS = {
  signal: undefined, jobStatus: undefined, onTaskUpdate: undefined, onJobUpdate: undefined,
  onSnapshot: undefined, onStateChange: undefined,
};

/* Streams with one token function ask for a fresh token together: the function -> its answer. */
const renewals = new WeakMap();
function renew(token) {
  if (!renewals.has(token)) {
    const answer = Promise.resolve(token({ refresh: true }));
    const forget = () => renewals.delete(token);
    renewals.set(token, answer);
    answer.then(forget, forget);
  }
  return renewals.get(token);
}

/* The address of the WebSocket of an API. */
const webSocketUrl = (url) => new URL(url.replace(/(.*\/api\/).*/, '$1ws'), globalThis.location)
  .href.replace('http', 'ws');

export class JobLight {
  #options;
  #webSockets = [];
  #purchases = new Map(); // token -> { at, jobs, answer } of the ticket that is on its way
  #bearers = new Map(); // ticket -> what bought it

  constructor(options = {}) {
    this.#options = options;
  }

  /* Like new TaskEventStream, but over a connection that is shared with other tabs, or only
   * within this page. */
  stream(options) {
    const all = { ...this.#options, ...options };
    const token = all.token || undefined; // an element without one has null
    const tabs = options.WebSocket ? undefined : this.#tabs(all);
    if (!tabs) return this.#streamOfPage(options);
    const { fetch: get = (url, init) => this.#fetch(url, init, token) } = options;
    return new TaskEventStream({
      ...all,
      transports: ['ws'],
      WebSocket: tabs.Socket,
      // The leading tab gets the tickets.
      fetch: (url, init) => (TICKETS.test(url) ? jsonResponse({}) : get(url, init)),
    });
  }

  /* A stream over a WebSocket of this page. */
  #streamOfPage(options) {
    const client = this;
    const all = { ...this.#options, ...options };
    const { fetch: get = fetch } = all;
    const token = all.token || undefined;
    return new TaskEventStream({
      ...this.#options,
      WebSocket: function Socket(url, protocol) {
        return client.#openVirtualSocket(new URL(url), protocol, token);
      },
      ...options,
      ...token?.call && { token: ({ refresh }) => (refresh ? renew(token) : token({ refresh })) },
      fetch: (url, init) => {
        if (TICKETS.test(url)) return this.#buyTicket(url, init, get, token);
        return options.fetch ? get(url, init) : this.#fetch(url, init, token);
      },
    });
  }

  /* The tabs that a stream can share a connection with: they have the same server, transports
   * and credential. */
  #tabs({ tabs, token = '', baseUrl = '', credentials = '', transports = '', ...rest }) {
    const identity = typeof tabs === 'string' ? tabs : token;
    if (!Tabs.able || tabs === false || typeof identity !== 'string') return undefined;
    const base = new URL((baseUrl || '').replace(/\/?$/, '/api/'), location).href;
    const shared = {
      token, baseUrl, transports: transports || undefined, credentials: credentials || undefined,
      heartbeat: rest.heartbeat, ...rest.fetch && { fetch: rest.fetch },
    };
    const name = digest(JSON.stringify([base, identity, credentials, transports]));
    return Tabs.of(`joblight ${name}`, {
      open: (options) => this.#streamOfPage({ ...NO_STREAM_OPTIONS, ...shared, ...options }),
      ask: (path, ...how) => this.#request(shared, base + path, ...how),
    });
  }

  /* Returns the answer to a GET request; onPart is called when a part of it arrives. */
  async #request(options, url, signal, onPart) {
    const { token, credentials, fetch: get = this.#options.fetch || fetch } = options;
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

  #findWebSocket(url, jobId, token) {
    return this.#webSockets.find((one) => one.url === url && one.credential === token && one.isFresh
      && one.sockets.size < JOBS_MAX && !one.sockets.has(jobId));
  }

  /* A stream passes its parameters in the query of the URL. */
  #openVirtualSocket({ origin, pathname, searchParams: query }, protocol, token) {
    const number = (name) => Number(query.get(name)) || undefined;
    const socket = {
      jobId: query.get('job'), since: query.get('since'),
      heartbeat: number('heartbeat'), tabs: number('tabs'),
    };
    const url = origin + pathname;
    const ticket = query.get('ticket');
    const bearer = this.#bearers.get(ticket);
    this.#bearers.delete(ticket);
    const webSocket = this.#findWebSocket(url, socket.jobId, token)
      || this.#openWebSocket(url, { ticket, bearer, token }, protocol);
    socket.close = () => webSocket.remove(socket);
    socket.send = () => webSocket.ping(socket); // a stream sends nothing but pings
    socket.recount = (wishes) => webSocket.subscribe(Object.assign(socket, { tabs: 1, ...wishes }));
    webSocket.add(socket);
    return socket;
  }

  #openWebSocket(url, { ticket, bearer, token }, protocol) {
    const { WebSocket: Socket = WebSocket } = this.#options;
    const query = ticket ? '?ticket=' + encodeURIComponent(ticket) : '';
    const socket = new Socket(url + query, protocol);
    const renewed = async () => token?.call && renew(token);
    const about = { url, credential: token, bearer, renew: renewed };
    const webSocket = new SharedWebSocket(socket, about, (closed) => {
      this.#webSockets = this.#webSockets.filter((other) => other !== closed);
    });
    this.#webSockets.push(webSocket);
    return webSocket;
  }

  /* What streams use as fetch: reports and commands go over an open WebSocket. */
  #fetch(url, init, token) {
    const { fetch: get = fetch } = this.#options;
    const message = init.headers['idempotency-key'] && this.#toMessage(url, init);
    const at = message && webSocketUrl(url);
    const webSocket = message
      && this.#webSockets.find((one) => one.url === at && one.credential === token && one.isOpen
        && one.isFresh);
    return webSocket ? webSocket.write(message, init.signal) : get(url, init);
  }

  /* Returns undefined for a request that does not fit into a WebSocket message: a large one, or
   * a batch, because an ack has only one receipt. */
  #toMessage(url, { headers, body }) {
    const [, commanded, command, update, reported] = WRITES.exec(url) || [];
    if (!(command || update) || body.length > WRITE_CHARS_MAX || body[0] === '[') return undefined;
    const jobId = decodeURIComponent(commanded || reported);
    return { ...JSON.parse(body), type: command || update, id: headers['idempotency-key'], jobId };
  }

  /* A ticket opens one WebSocket. A stream that can use an open one needs none, and streams that
   * can use the same one share its ticket. */
  async #buyTicket(url, init, get, token) {
    const jobId = decodeURIComponent(TICKETS.exec(url)[1]);
    const at = webSocketUrl(url);
    if (this.#findWebSocket(at, jobId, token)) return jsonResponse({});
    let purchase = this.#purchases.get(token);
    if (purchase?.at !== at || purchase.jobs.has(jobId)) {
      purchase = { at, jobs: new Set(), answer: this.#buy(url, init, get) };
      this.#purchases.set(token, purchase);
      const forget = () => {
        if (this.#purchases.get(token) === purchase) this.#purchases.delete(token);
      };
      purchase.answer.then(forget, forget);
    }
    purchase.jobs.add(jobId);
    return (await purchase.answer).clone();
  }

  async #buy(url, init, get) {
    const answer = await get(url, init);
    const { ticket } = await answer.clone().json().catch(() => ({}));
    if (ticket) this.#bearers.set(ticket, init.headers.authorization.replace('Bearer ', ''));
    return answer;
  }
}
