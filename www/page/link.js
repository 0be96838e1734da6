/* The connection card: what the connection does, in words and numbers, and how it can be hurt. */
import { arrived } from './clock.js';
import { $, setText } from './ui.js';

const SPARKS = 40;
const STATES = {
  idle: 'Not connected', waiting: 'Waiting for the job to start', connecting: 'Connecting…', live: 'Live',
  polling: 'Live by polling', reconnecting: 'Reconnecting…', ended: 'Finished', failed: 'Not live',
  closed: 'Closed',
};
const TROUBLES = {
  network: 'The server cannot be reached.',
  held: 'Something in between holds the stream back, so this page asks instead.',
  content_type: 'Something in between answered for the server.',
  silent: 'The line went quiet.',
  closed: 'The server closed the connection.',
  overloaded: 'The server is busy.',
};

export const link = {
  state: 'idle', error: undefined, retryAt: 0, beatS: 30, everLive: false, watchers: 0, cursor: '',
  events: 0, reconnects: 0, lost: 0, repeated: 0, // what the page saw with its own eyes
  lastSeq: 0, replayTo: 0, caughtUp: 0,
};
const stamps = [];
const delays = [];
const bars = Array.from({ length: SPARKS }, () => $('spark').appendChild(document.createElement('i')));

export const isUp = () => link.state === 'live' || link.state === 'polling';

export function takeState({ state, error, retryInMs = 0 }) {
  if (state === 'reconnecting' && isUp()) {
    link.reconnects++;
    link.caughtUp = 0;
  }
  link.state = state;
  link.error = error;
  link.retryAt = Date.now() + retryInMs;
  link.everLive ||= isUp();
  if (state === 'polling') link.watchers = 0;
}

export function takeConnected({ watchers = 0, head = 0, heartbeatMs = 30000 }) {
  link.watchers = watchers;
  link.beatS = Math.round(heartbeatMs / 1000);
  link.replayTo = head;
  link.caughtUp = link.reconnects ? Math.max(0, head - link.lastSeq) : 0;
}

export function countEvent({ seq, timestamp }, cursor) {
  link.events++;
  if (seq <= link.lastSeq) link.repeated++;
  if (seq > link.lastSeq + 1) link.lost += seq - link.lastSeq - 1;
  link.lastSeq = Math.max(seq, link.lastSeq);
  link.cursor = cursor || link.cursor;
  if (seq > link.replayTo && !document.hidden) stamps.push(Date.parse(timestamp));
}

function errorWords({ code, message }) {
  return TROUBLES[typeof code === 'string' ? code : 'network'] || `${message}.`;
}

function upWords() {
  if (link.caughtUp) {
    const events = link.caughtUp === 1 ? 'event' : 'events';
    return `Back. ${link.caughtUp} ${events} happened meanwhile: all here, in order.`;
  }
  if (link.state === 'polling') return 'One request after another, each waiting for the next event.';
  return `Server-sent events. The server speaks at least every ${link.beatS} s.`;
}

function detail() {
  const { state, error } = link;
  if (isUp()) return upWords();
  if (state === 'reconnecting' && error) {
    const left = Math.ceil((link.retryAt - Date.now()) / 1000);
    return `${errorWords(error)}${left > 0 ? ` Next try in ${left} s.` : ' Trying now.'}`;
  }
  if (state === 'failed' && error) return errorWords(error);
  if (state === 'ended') return 'The job is over, so the connection was let go.';
  if (state === 'waiting') return 'Nothing to stream yet. It connects when the job is active.';
  return '';
}

export function paintLink() {
  $('beacon').dataset.state = link.state;
  setText($('link-word'), STATES[link.state]);
  setText($('link-detail'), detail());
  setText($('lost'), String(link.lost));
  setText($('repeated'), String(link.repeated));
  $('proof').classList.toggle('broken', link.lost + link.repeated > 0);
  setText($('events'), String(link.events));
  setText($('reconnects'), String(link.reconnects));
  setText($('cursor'), link.cursor || '–');
  $('watchers').hidden = !link.watchers || !isUp();
  setText($('watchers'), `${link.watchers} watching`);
  $('cut').disabled = !isUp();
  setText($('cut'), link.state === 'reconnecting' ? 'Cut. Watch it come back' : 'Cut my connection');
  if (stamps.length) setTimeout(takeDelays, 0, stamps.splice(0)); // after this frame is on screen
}

function takeDelays(taken) {
  delays.push(...taken.slice(-SPARKS).map((stamp) => arrived(stamp)));
  delays.splice(0, delays.length - SPARKS);
  const top = Math.max(20, ...delays);
  bars.forEach((bar, i) => {
    const delay = delays[i - SPARKS + delays.length] ?? 0;
    bar.style.transform = `scaleY(${Math.max(0.04, delay / top)})`;
  });
  const sorted = [...delays].sort((a, b) => a - b);
  setText($('delay'), `${Math.round(sorted[sorted.length >> 1])} ms`);
}

/* A real cut: requests are aborted below the client, which then has to find out. */
const lines = new Map(); // one for each connection of the client

export function fetchThatCanBeCut(url, init) {
  const { signal } = init;
  if (!lines.has(signal)) {
    const line = new AbortController();
    lines.set(signal, line);
    signal.addEventListener('abort', () => {
      lines.delete(signal);
      line.abort(signal.reason);
    }, { once: true });
  }
  return fetch(url, { ...init, signal: lines.get(signal).signal });
}

$('cut').addEventListener('click', () => lines.forEach((line) => line.abort()));
