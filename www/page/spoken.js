/* Announces the newest change to screen readers, at most once in GAP_MS. */
import { $ } from './ui.js';

const GAP_MS = 5000;

let waiting;
let saidAt = -GAP_MS;

function say() {
  saidAt = performance.now();
  $('spoken').textContent = waiting;
  waiting = undefined;
}

export function speak(text) {
  if (waiting === undefined) setTimeout(say, Math.max(0, saidAt + GAP_MS - performance.now()));
  waiting = text;
}
