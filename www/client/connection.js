/* One connection over one transport: an AbortController with a timer, and what the client knows
 * of it. */
export class Connection extends AbortController {
  upAt; // the time of its first message; undefined until then
  checking = false; // the client waits for a sign of life
  largeUntil = 0; // when the large message that is arriving has to be complete; 0 if none is
  heartbeatMs; // its heartbeat, if that is not the one of the stream
  failure; // the error to report if it gets no answer
  actualTransport; // that of the leading tab, or `poll` if no more long requests are allowed
  ping; recount; // functions of transports that can send
  pause; // the timer of a poll between two requests
  #timer;

  /* `rung` is the index of its transport in the ladder, `startCursor` the position it started
   * from. */
  constructor(rung, startCursor) {
    super();
    this.rung = rung;
    this.startCursor = startCursor;
  }

  /* Replaces the timer. A connection waits for one thing at a time. */
  setTimer(ms, act) {
    clearTimeout(this.#timer);
    if (!this.signal.aborted) this.#timer = setTimeout(act, ms);
  }

  abortAfter(ms, err) {
    this.setTimer(ms, () => this.abort(err));
  }

  close() {
    clearTimeout(this.#timer);
    clearTimeout(this.pause);
    this.abort();
  }
}
