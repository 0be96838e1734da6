/*
 * Keeps the stream of one job connected: opens connections, replaces those that are lost, and sets
 * the state of the stream. There are at most two connections: the current one, and a probe on
 * another rung of the ladder, which replaces the current one when its first message arrives earlier
 * or when its transport is better.
 */
import { delayMs } from './backoff.js';
import { Connection } from './connection.js';
import { byVisibility, isHttp1 } from './environment.js';
import { JobLightError, proxyAnswerError } from './errors.js';
import { Ladder } from './ladder.js';
import { CHECK_MS, Liveness } from './liveness.js';
import { PageEvents } from './page-events.js';
import { runPoll } from './poll.js';
import { Requests } from './request.js';
import { KnownJob } from './snapshot.js';
import { runSse } from './sse.js';
import { isActive, isOver } from './status.js';
import { runWebSocket } from './websocket.js';

const ANSWER_MS = 1500; // a connection without an answer by then gets a probe beside it
const SETTLE_MS = 5000; // without a message by then it is lost; one that lasts longer has worked
const BUSY_MAX = 4; // long requests, of six connections; further streams poll without waiting
const TRANSPORTS = { ws: runWebSocket, sse: runSse, poll: runPoll };

const busy = new Set(); // connections of this page that keep an HTTP/1.1 connection open

export class Connector {
  status; // of the job
  connection;
  sseRetryMs; // the pause that the server asked for by `retry:`
  liveness = new Liveness(this);
  #probe;
  #timer; // runs until the next try
  #attempt = 0; // how many connections in a row delivered nothing
  #pageEvents = new PageEvents(this);

  constructor(stream, options, transports) {
    this.stream = stream;
    this.options = options;
    this.path = 'jobs/' + encodeURIComponent(options.jobId);
    this.status = options.jobStatus;
    this.job = new KnownJob(options.cursor);
    this.requests = new Requests(options);
    this.ladder = new Ladder(transports);
  }

  // States ----------------------------------------------------------------------------------------

  start() {
    if (this.connection || this.#timer || this.options.signal?.aborted) return;
    if (this.status && !isActive(this.status)) {
      this.stop(isOver(this.status) ? 'ended' : 'waiting');
    } else this.restart();
  }

  /* Connects at once, from the top of the ladder. */
  restart() {
    if (isOver(this.status)) return;
    this.#attempt = this.liveness.heardAt = 0;
    this.ladder.reset();
    this.#pageEvents.listen();
    this.connect();
  }

  stop(state) {
    this.disconnect();
    this.#pageEvents.ignore();
    this.setState(state);
  }

  end(status) {
    this.status = status;
    this.stream.error = undefined;
    this.stop('ended');
    this.emit('end', { type: 'end', jobId: this.options.jobId, status });
  }

  /* A failed stream still listens to page events, which can restart it. */
  #fail() {
    this.disconnect();
    this.setState('failed');
  }

  setState(state, retryInMs) {
    const previous = this.stream.state;
    if (state === previous && !retryInMs) return;
    this.stream.state = state;
    this.emitState(previous, retryInMs);
  }

  emitState(previous, retryInMs) {
    const { state, jobId, transport, cursor, error, faults } = this.stream;
    const attempt = this.#attempt;
    this.emit('state', {
      state, jobId, transport, cursor, error, faults, previous, attempt, retryInMs,
    });
  }

  emit(type, detail) {
    this.stream.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // Connections -----------------------------------------------------------------------------------

  connect() {
    this.disconnect();
    this.stream.transport = this.ladder.transport;
    if (this.mustRest) return this.setState('idle');
    const wasConnected = this.liveness.heardAt || this.stream.state === 'reconnecting';
    this.setState(wasConnected ? 'reconnecting' : 'connecting');
    this.connection = this.#open(this.ladder.rung);
    return undefined;
  }

  disconnect() {
    clearTimeout(this.#timer);
    const connections = [this.connection, this.#probe];
    this.connection = this.#probe = this.#timer = undefined;
    for (const connection of connections) connection?.close();
  }

  #open(rung) {
    const connection = new Connection(rung, this.job.cursor);
    const transport = this.ladder.transportOf(rung);
    if (isHttp1 && transport !== 'ws') {
      if (busy.size < BUSY_MAX || busy.has(this.connection)) busy.add(connection);
      else connection.actualTransport = 'poll';
      connection.signal.addEventListener('abort', () => busy.delete(connection));
    }
    const run = TRANSPORTS[connection.actualTransport || transport];
    run(this, connection).catch((err) => this.#lost(connection, err));
    return connection;
  }

  /* Called by a stream that polls without waiting: one of the long requests may be allowed now. */
  tryToStay({ rung }) {
    if (busy.size < BUSY_MAX) this.#probe ||= this.#open(rung);
  }

  /* Over HTTP/1.1 a hidden page closes its connection and leaves it to other tabs, because a
   * browser opens only six to a server. */
  get mustRest() {
    return isHttp1 && this.ladder.transport !== 'ws' && !this.options.tabs?.call
      && globalThis.document?.hidden;
  }

  /* A connection without an answer in time gets a probe on the next rung beside it. `why` are
   * the arguments of its error. */
  expectAnswer(connection, ...why) {
    connection.failure = new JobLightError(...why);
    connection.setTimer(ANSWER_MS, () => {
      connection.abortAfter(SETTLE_MS - ANSWER_MS, connection.failure);
      if (connection !== this.connection) return;
      const next = connection.rung + 1;
      if (this.ladder.transportOf(next)) this.#probe ||= this.#open(next);
    });
  }

  /* The head of the response has arrived, or the WebSocket is open. */
  answered(connection) {
    connection.abortAfter(SETTLE_MS, connection.failure);
  }

  messageArrived(connection) {
    connection.largeUntil = 0;
    if (!connection.upAt) this.#up(connection);
    if (connection.signal.aborted) return;
    this.liveness.heard(connection);
    if (this.ladder.isTimeToClimb(connection.rung)) {
      this.#probe?.close();
      this.#probe = this.#open(0);
    }
  }

  /* The first message has arrived, so the other connection is not needed any more. */
  #up(connection) {
    connection.upAt = Date.now();
    if (connection === this.connection) this.#probe?.close();
    else {
      const { failure } = this.connection || {};
      this.#probe = undefined;
      this.disconnect();
      this.connection = connection;
      this.ladder.moveTo(connection.rung, failure);
    }
    this.#probe = undefined;
    this.ladder.stay(connection.rung, connection.actualTransport);
    this.job.startConnection();
    this.stream.error = undefined;
    this.showConnected(connection);
  }

  showConnected(connection) {
    connection.checking = false;
    this.stream.transport = connection.actualTransport || this.ladder.transportOf(connection.rung);
    this.setState(this.stream.transport === 'poll' ? 'polling' : 'live');
  }

  // Lost connections ------------------------------------------------------------------------------

  #lost(connection, reason) {
    const err = connection.signal.aborted ? connection.signal.reason : reason;
    connection.close();
    if (connection === this.#probe) this.#probe = undefined;
    if (connection !== this.connection) return;
    this.disconnect();
    const { upAt } = connection;
    const held = upAt && Date.now() - upAt > SETTLE_MS;
    if (held || this.job.cursor !== connection.startCursor) this.#attempt = 0;
    this.#setError(err);
    if (this.stream.error.fatal) this.#fail();
    else if (this.stream.error.ours) this.#connectLater();
    else if (!upAt && this.stream.transport === 'poll') {
      this.ladder.rung = 0; // polling works on any network, so there is no network
      this.#connectLater();
    } else if (upAt && !this.#losesTooMany()) this.#connectLater();
    else this.#chooseRung(upAt);
  }

  #losesTooMany() {
    this.ladder.addLoss();
    return this.ladder.isUnreliable && this.ladder.hasNext;
  }

  #setError(err) {
    this.stream.error = err instanceof JobLightError ? err
      : new JobLightError('network', 'The server cannot be reached');
  }

  /* Sends a plain request. Its result shows whether the transport or the network is at fault,
   * and the server may explain the failure. */
  async #chooseRung(isCounted) {
    const request = this.connection = new Connection(this.ladder.rung);
    const fault = this.stream.error;
    const cannotWork = fault.rung && !this.liveness.heardAt;
    if (/live|polling|checking/.test(this.stream.state)) this.setState('reconnecting');
    request.abortAfter(CHECK_MS);
    let err;
    try {
      await this.requestUpdates(request);
    } catch (why) {
      err = why;
    }
    if (request !== this.connection) return;
    this.disconnect();
    if (err) {
      this.#setError(err);
      if (this.stream.error.fatal) this.#fail();
      else this.#connectLater();
      return;
    }
    if (!isCounted) this.ladder.addLoss();
    if (this.ladder.hasNext && (cannotWork || this.ladder.isUnreliable)) {
      this.ladder.leave(fault);
      this.connect();
    } else this.#connectLater();
  }

  #connectLater() {
    const minMs = this.stream.error.retryMs || (this.stream.transport === 'sse' && this.sseRetryMs);
    const ms = delayMs(this.#attempt++, minMs);
    this.#timer = setTimeout(() => this.connect(), ms);
    this.setState('reconnecting', ms);
  }

  /* The network is back, or the page is visible again. */
  wake() {
    const { state } = this.stream;
    const { heardAt, heartbeatMs } = this.liveness;
    const stale = Date.now() - heardAt > heartbeatMs * 1.5;
    if (state === 'failed') this.restart();
    else if (state === 'idle') this.start();
    else if (this.#timer || (stale && this.connection?.upAt)) this.connect();
    else {
      this.liveness.check(this.connection);
      this.#hastenHeartbeat();
    }
  }

  /* A connection that a hidden page opened has a slower heartbeat. */
  #hastenHeartbeat() {
    if (this.#heartbeatS * 1000 < this.liveness.heartbeatMs) this.recount();
  }

  // Requests --------------------------------------------------------------------------------------

  query(parameters) {
    return '?' + new URLSearchParams({ since: this.job.cursor || '', ...parameters });
  }

  get #heartbeatS() { return this.options.heartbeat || byVisibility(10, 30); }

  streamParameters() {
    const heartbeat = this.#heartbeatS;
    return { ...heartbeat && { heartbeat }, ...this.tabParameters() };
  }

  /* How many tabs use the connection. Whoever calls options.tabs() tells the server. */
  tabParameters() {
    const tabs = this.options.tabs?.call && this.options.tabs();
    return tabs > 1 && { tabs };
  }

  /* The number of tabs or the token has changed. The client tells the server over the connection,
   * or opens another one with it. */
  recount() {
    const { connection } = this;
    if (!connection?.upAt) return;
    if (connection.recount) connection.recount();
    else if (this.stream.transport === 'sse') this.#probe ||= this.#open(this.ladder.rung);
  }

  /* A short request. It works even if a proxy holds streams back. */
  async requestUpdates({ signal }) {
    const query = this.query(this.job.cursor && { limit: 1 });
    const response = await this.requests.fetch(signal, this.path + '/updates' + query);
    if (!/json/i.test(response.headers.get('content-type'))) throw proxyAnswerError();
    return response;
  }
}
