/* The connection card: the state of the connection in words and numbers. */
import { takeObstacle, paintAdvice } from './advice.js';
import { isCut } from './cut.js';
import { keepStamp, paintDelay } from './delay.js';
import { $, ago, setText } from './ui.js';

const STATES = {
  idle: 'Not connected', waiting: 'Waiting for the job to start', connecting: 'Connecting…', live: 'Live',
  polling: 'Live by polling', checking: 'Checking…', reconnecting: 'Reconnecting…', ended: 'Finished',
  failed: 'Not live', closed: 'Closed',
};
const AGAIN = { reconnecting: 'Reconnect now', failed: 'Try again' }; // the text of the button
const TRANSPORTS = { ws: 'WebSocket', sse: 'Server-sent events', poll: 'Polling' };
const UP = {
  ws: 'One WebSocket, both ways.', sse: 'One answer that never ends.',
  poll: 'One request after another, each waiting for the next event.',
};
const BACK_MS = 10000; // how long the page says that the connection is back
const TROUBLES = {
  network: 'The server cannot be reached.',
  held: 'Something in between holds the stream back.',
  content_type: 'Something in between answered for the server.',
  http: 'Something in between answered for the server.',
  refused: 'No WebSocket gets through.',
  silent: 'The connection went silent.',
  closed: 'The server closed the connection, perhaps to restart.',
  hole: 'An event was missing, so it was asked for again.',
  behind: 'The stream fell behind.',
  too_big: 'The server sent something unreadable.',
  overloaded: 'The server is busy.',
  not_found: 'The job is not there any more.',
};

export const link = {
  state: 'idle', transport: undefined, error: undefined, retryAt: 0, beatS: 30, everLive: false, cursor: '',
  events: 0, reconnects: 0, lost: 0, repeated: 0, // counted by the page itself, not by the client
  lastSeq: 0, replayTo: 0, caughtUp: 0, backAt: 0, trouble: undefined,
};

export const isUp = () => ['live', 'polling', 'checking'].includes(link.state);

export function takeState(change) {
  const { state, transport, error, retryInMs = 0 } = change;
  if (state === 'reconnecting' && isUp()) {
    link.reconnects++;
    link.caughtUp = 0;
  }
  Object.assign(link, { state, transport, error, retryAt: Date.now() + retryInMs });
  link.everLive ||= isUp();
  if (error) link.trouble = { words: troubleWords(error), at: Date.now() };
  takeObstacle(change, isUp());
}

export function takeConnected({ head = 0, heartbeatMs = 30000 }) {
  link.beatS = Math.round(heartbeatMs / 1000);
  link.replayTo = head;
  link.backAt = Date.now();
  link.caughtUp = link.reconnects ? Math.max(0, head - link.lastSeq) : 0;
}

export function countEvent({ seq, timestamp }, cursor) {
  link.events++;
  if (seq <= link.lastSeq) link.repeated++;
  if (seq > link.lastSeq + 1) link.lost += seq - link.lastSeq - 1;
  link.lastSeq = Math.max(seq, link.lastSeq);
  link.cursor = cursor || link.cursor;
  if (seq > link.replayTo && !document.hidden) keepStamp(timestamp);
}

function troubleWords({ code, message, status }) {
  if (isCut()) return 'You cut it.';
  if (status === 401 || status === 4001) return 'The key or link that opened this page is not in force any more.';
  if (status === 403) return 'You are not allowed to watch this job.';
  if (status === 502 || status === 503 || status === 504) return 'The server is busy or restarting.';
  return TROUBLES[typeof code === 'string' ? code : 'network'] || `${message}.`;
}

function upWords() {
  if (link.caughtUp && Date.now() - link.backAt < BACK_MS) {
    const events = link.caughtUp === 1 ? 'event' : 'events';
    return `Back. ${link.caughtUp} ${events} happened meanwhile: all here, in order.`;
  }
  const beat = link.transport === 'poll' ? '' : ` The server speaks at least every ${link.beatS} s.`;
  return (UP[link.transport] || '') + beat;
}

function detail() {
  const { state, trouble } = link;
  if (state === 'checking') return 'It is quiet: the page asks whether the server is still there.';
  if (isUp()) return upWords();
  if (state === 'reconnecting') {
    const left = Math.ceil((link.retryAt - Date.now()) / 1000);
    return `${trouble?.words || ''}${left > 0 ? ` Next try in ${left} s.` : ' Trying now.'}`;
  }
  if (state === 'failed') return trouble?.words || '';
  if (state === 'ended') return 'The job is over, so the connection is closed.';
  if (state === 'waiting') return 'Nothing to stream yet. It connects when the job is active.';
  return '';
}

export function paintLink() {
  const { state, trouble } = link;
  $('beacon').dataset.state = state;
  setText($('link-word'), STATES[state]);
  setText($('link-detail'), detail());
  setText($('lost'), String(link.lost));
  setText($('repeated'), String(link.repeated));
  $('proof').classList.toggle('broken', link.lost + link.repeated > 0);
  setText($('transport'), (isUp() && TRANSPORTS[link.transport]) || '–');
  setText($('events'), String(link.events));
  setText($('reconnects'), String(link.reconnects));
  setText($('cursor'), link.cursor || '–');
  $('trouble').hidden = !trouble;
  if (trouble) setText($('trouble-words'), `${trouble.words} ${ago(trouble.at, Date.now())}`);
  $('cut').disabled = !isUp() && !AGAIN[state];
  setText($('cut'), AGAIN[state] || 'Cut my connection');
  paintAdvice();
  paintDelay();
}
