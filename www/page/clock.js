/* Estimates the clock of the server. The local clock may be wrong by days. */
const WRONG_MS = 5000;

let skewMs = 0;
let minDelayMs = Infinity;
let began; // the start of the page by the local clock; it moves when the clock is set

export const now = () => Date.now() + skewMs;

/** Takes a time of the server that cannot be in the future, e.g. of the newest row. */
export function notBefore(stamp) {
  if (stamp > now() + WRONG_MS) skewMs = stamp - Date.now();
}

/** Takes a time that the server has just sent. Returns its age in ms. */
export function arrived(stamp, at = Date.now()) {
  const start = at - performance.now();
  if (Math.abs(start - began) > WRONG_MS) {
    minDelayMs = Infinity;
    skewMs = 0;
  }
  began = start;
  minDelayMs = Math.min(minDelayMs, at - stamp);
  if (minDelayMs < 0 || minDelayMs > WRONG_MS) skewMs = -minDelayMs;
  return Math.max(0, at + skewMs - stamp);
}
