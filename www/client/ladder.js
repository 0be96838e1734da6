/*
 * Chooses the transport. The transports are the rungs of a ladder, the best one first. The client
 * leaves a rung only for a fault of its transport: at once if it cannot work at all, otherwise
 * after three lost connections within a minute. On a lower rung it tries the top rung every 60 s.
 * The pause doubles, up to an hour, each time it has to leave the top again.
 */
const LOSSES_MAX = 3, LOSSES_MS = 60000;
const CLIMB_MS = 60000, CLIMB_MAX_MS = 3600000;

export class Ladder {
  rung = 0;
  faults = []; // why each rung above this one was left
  #transports;
  #losses = []; // when connections of this rung were lost
  #leftAt; #climbMs = CLIMB_MS; #climbed;

  constructor(transports) {
    this.#transports = transports;
  }

  transportOf(rung) { return this.#transports[rung]; }

  get transport() { return this.#transports[this.rung]; }

  get hasNext() { return Boolean(this.#transports[this.rung + 1]); }

  get isUnreliable() { return this.#losses.length >= LOSSES_MAX; }

  reset() {
    this.rung = 0;
    this.#losses = this.faults = [];
    this.#climbMs = CLIMB_MS;
  }

  addLoss() {
    const now = Date.now();
    this.#losses = [...this.#losses.filter((at) => now - at < LOSSES_MS), now];
  }

  /* Goes one rung down. */
  leave(fault) {
    this.faults = [...this.faults.slice(0, this.rung++), fault];
    this.#leftAt = Date.now();
    this.#losses = [];
    if (this.#climbed) this.#climbMs = Math.min(this.#climbMs * 2, CLIMB_MAX_MS);
    this.#climbed = false;
  }

  /* A connection of another rung was up first. `fault` is the error of the connection of this
   * rung. */
  moveTo(rung, fault) {
    if (rung > this.rung) this.leave(fault);
    else this.#climbed = rung < this.rung;
  }

  /* A connection of this rung is up, so the faults of lower rungs do not matter any more. Faults
   * that the leading tab told are kept. */
  stay(rung, faultsAreTold) {
    this.rung = rung;
    if (!faultsAreTold) this.faults = this.faults.slice(0, rung);
  }

  /* Whether it is time to try the top rung beside this connection. If so, the pause starts
   * again. */
  isTimeToClimb(rung) {
    const due = rung && Date.now() - this.#leftAt > this.#climbMs;
    if (due) this.#leftAt = Date.now();
    return due;
  }
}
