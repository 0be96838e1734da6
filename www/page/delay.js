/* The delay of events from commit to screen: the last forty, and their median. */
import { arrived } from './clock.js';
import { $, setText } from './ui.js';

const SPARKS = 40;

const stamps = [];
const delays = [];
const bars = Array.from({ length: SPARKS }, () => $('spark').appendChild(document.createElement('i')));

export function keepStamp(timestamp) {
  stamps.push(Date.parse(timestamp));
  if (stamps.length > SPARKS) stamps.shift();
}

function take(taken) {
  delays.push(...taken.map((stamp) => arrived(stamp)));
  delays.splice(0, delays.length - SPARKS);
  const top = Math.max(20, ...delays);
  bars.forEach((bar, i) => {
    const delay = delays[i - SPARKS + delays.length] ?? 0;
    bar.style.transform = `scaleY(${Math.max(0.04, delay / top)})`;
  });
  const sorted = [...delays].sort((a, b) => a - b);
  setText($('delay'), `${Math.round(sorted[sorted.length >> 1])} ms`);
}

/** Call it within a frame. It takes the time just after that frame is on the screen. */
export function paintDelay() {
  if (stamps.length) setTimeout(take, 0, stamps.splice(0));
}
