/* One connection over one transport: an AbortController with a timer, and what the client knows
 * of it. */
export class Connection extends AbortController {
  upAt; // when its first message arrived; undefined until then
  checking = false; // the client waits for a sign of life
  largeUntil = 0; // a large message is on its way, and has to be complete at this time
  heartbeatMs; // how often it is to be heard from, if that differs from the stream's heartbeat
  failure; // the error of a connection that gets no answer
  actualTransport; // the leading tab's, or `poll` where the rung's own would keep a connection open
  ping; recount; // what can be sent over it, if anything can
  pause; // the timer of a poll between two requests
  #timer;

  /* `rung` is the index of its transport in the ladder, `startCursor` the position it started
   * from. */
  constructor(rung, startCursor) {
    super();
    this.rung = rung;
    this.startCursor = startCursor;
  }

  /* Replaces the timer. A connection has one: whatever it waits for next. */
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
