/* What time it is for the server: this machine's clock may be a day off. */
const WRONG_MS = 5000;

let skewMs = 0;
let least = Infinity;
let began; // when the page began, by this machine's clock: it changes when the clock is set

export const now = () => Date.now() + skewMs;

/** A time of the server that is not in the future, e.g. of the newest row. */
export function notBefore(stamp) {
  if (stamp > now() + WRONG_MS) skewMs = stamp - Date.now();
}

/** A time of the server from just now. Answers how long ago that was, in ms. */
export function arrived(stamp, at = Date.now()) {
  const start = at - performance.now();
  if (Math.abs(start - began) > WRONG_MS) {
    least = Infinity;
    skewMs = 0;
  }
  began = start;
  least = Math.min(least, at - stamp);
  if (least < 0 || least > WRONG_MS) skewMs = -least;
  return Math.max(0, at + skewMs - stamp);
}
