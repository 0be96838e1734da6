/* The page of one job: what the element hands on goes into a model, a frame later onto the screen. */
import './task-event-stream.js';
import { TaskEventStream } from './joblight.js';
import {
  $, STATUS, ago, burst, call, copyText, isActive, isOver, move, setPill, setText, span,
} from './ui.js';
import { demoJob, runDemo } from './demo.js';

const jobId = decodeURIComponent(location.pathname.split('/')[2] || '');
const api = '/api/jobs/' + encodeURIComponent(jobId);
const RAW_ROWS = 200;
const FLASHES_PER_FRAME = 24;
const SPARKS = 40;
const PENDING_MS = 2000;
const LONG_NOTE = 240;

const element = $('stream');
const model = { job: null, tasks: new Map(), files: new Map() };
const link = {
  state: 'idle', error: null, retryAt: 0, events: 0, reconnects: 0, lost: 0, repeated: 0,
  lastSeq: 0, replayTo: 0, caughtUp: 0, watchers: 0, cursor: '', transport: '', everLive: false, beatS: 30,
};
const clock = { skewMs: 0, least: Infinity };
const now = () => Date.now() + clock.skewMs;

// Painting: events only mark what is dirty, one frame paints all of it ----------------------------

const rows = new Map();
const dirty = new Set();
const stamps = [];
let frame = 0;

/* A hidden page gets no frames, but its title should still tell how far the job is. */
function paintSoon() {
  if (!frame) frame = document.hidden ? setTimeout(paint, 500) : requestAnimationFrame(paint);
}

function paint() {
  frame = 0;
  let flashes = 0;
  for (const id of dirty) paintTask(model.tasks.get(id), flashes++ < FLASHES_PER_FRAME);
  dirty.clear();
  paintJob();
  paintLink();
  paintRaw();
  if (stamps.length) setTimeout(takeDelays, 0, stamps.splice(0)); // after the frame is on screen
}

function makeRow(task) {
  const li = $('task-row').content.firstElementChild.cloneNode(true);
  const part = (selector) => li.querySelector(selector);
  const row = {
    li, icon: part('.icon'), use: part('use'), name: part('.name'), word: part('.word'),
    bar: part('.bar'), fill: part('.bar i'), note: part('.note'), ago: part('.ago'), more: part('.more'),
  };
  row.more.addEventListener('click', () => {
    row.note.classList.add('whole');
    row.more.hidden = true;
  });
  rows.set(task.id, row);
  $('tasks').append(li);
  return row;
}

function paintTask(task, flash) {
  const old = rows.get(task.id);
  const row = old || makeRow(task);
  const { li, icon } = row;
  const turned = li.dataset.status !== task.status;
  setText(row.name, task.title || task.id);
  if (turned) {
    li.dataset.status = task.status;
    row.use.setAttribute('href', '#i-' + (task.status in STATUS ? task.status : 'pending'));
  }
  setText(row.word, wordOf(task));
  paintBar(row, task);
  paintNote(row, task.note || '');
  row.ago.dateTime = task.updatedAt;
  setText(row.ago, ago(Date.parse(task.updatedAt), now()));
  if (!flash || !link.everLive) return;
  if (!old) move(li, [{ opacity: 0, transform: 'translateY(12px)' }, {}], { duration: 400, easing: 'ease-out' });
  if (turned) move(icon, [{ transform: 'scale(.4)' }, { transform: 'scale(1.18)' }, {}], { duration: 380 });
  const strong = turned ? 0.34 : 0.12;
  move(li, [{ opacity: strong }, { opacity: 0 }], { duration: 1000, easing: 'ease-out', pseudoElement: '::before' });
}

const moving = ({ status, progress }) =>
  Number.isFinite(progress) && ['in_progress', 'blocked', 'failed'].includes(status);

function wordOf(task) {
  const word = STATUS[task.status] || String(task.status);
  return moving(task) ? `${word} · ${Math.round(task.progress)} %` : word;
}

function paintBar(row, task) {
  const { title, id, progress } = task;
  row.bar.hidden = !moving(task);
  if (row.bar.hidden) return;
  row.bar.setAttribute('aria-label', title || id);
  row.bar.setAttribute('aria-valuenow', Math.round(progress));
  row.fill.style.transform = `translateX(${progress - 100}%)`;
}

function paintNote(row, note) {
  if (row.note.textContent === note) return;
  row.note.textContent = note;
  row.note.classList.remove('whole');
  row.more.hidden = note.length < LONG_NOTE && note.split('\n').length < 4;
}

function share(task) {
  if (task.status === 'completed' || task.status === 'failed') return 1;
  return Math.min(100, Math.max(0, task.progress || 0)) / 100;
}

function progressOf(tasks) {
  const counted = tasks.filter((task) => task.status !== 'cancelled');
  const done = counted.filter((task) => task.status === 'completed').length;
  const sum = counted.reduce((total, task) => total + share(task), 0);
  return { all: counted.length, done, part: counted.length ? sum / counted.length : 0 };
}

function timeLeft(tasks, part) {
  const starts = tasks.map((task) => Date.parse(task.startedAt)).filter(Number.isFinite);
  const elapsed = now() - Math.min(...starts);
  if (!isActive(model.job.status) || part < 0.08 || part > 0.995 || elapsed < 2000) return '';
  return `about ${span(elapsed * (1 - part) / part)} left`;
}

function paintJob() {
  const { job } = model;
  if (!job) return;
  const tasks = [...model.tasks.values()];
  const { all, done, part } = progressOf(tasks);
  const percent = Math.round(job.status === 'completed' ? 100 : part * 100);
  setText($('title'), job.title || job.id);
  setPill($('status'), job.status);
  $('meter').setAttribute('aria-valuenow', percent);
  $('meter-fill').style.transform = `translateX(${percent - 100}%)`;
  setText($('percent'), `${percent} %`);
  setText($('counts'), all ? `${done} of ${all} ${all === 1 ? 'task' : 'tasks'} done` : 'No tasks yet');
  setText($('eta'), timeLeft(tasks, part));
  setText($('since'), lifetime(job));
  $('no-tasks').hidden = tasks.length > 0;
  document.body.dataset.lamp = lamp(job);
  paintTitle(percent);
  paintDemo();
}

function lifetime(job) {
  const from = Date.parse(job.createdAt);
  if (!Number.isFinite(from)) return '';
  if (isOver(job.status)) return `took ${span(Date.parse(job.endedAt || job.updatedAt) - from)}`;
  return `created ${ago(from, now())}`;
}

function lamp({ status }) {
  if (status === 'completed') return 'done';
  if (isOver(status)) return 'bad';
  if (link.state === 'live' || link.state === 'polling') return 'live';
  return isActive(status) ? 'dim' : 'off';
}

function paintTitle(percent) {
  const { status, title } = model.job;
  const mark = status === 'completed' ? '✓ Done' : isOver(status) ? STATUS[status] : `${percent} %`;
  const text = `${mark} · ${title}`;
  if (document.title !== text) document.title = text;
}

// The connection card -----------------------------------------------------------------------------

const STATE_WORDS = {
  idle: 'Not connected', waiting: 'Waiting for the job to start', connecting: 'Connecting…', live: 'Live',
  polling: 'Live by polling', reconnecting: 'Reconnecting…', ended: 'Finished', failed: 'Not live', closed: 'Closed',
};
const ERROR_WORDS = {
  network: 'The server cannot be reached.',
  held: 'Something in between holds the stream back, so this page asks instead.',
  content_type: 'Something in between answered for the server.',
  silent: 'The line went quiet.',
  closed: 'The server closed the connection.',
  overloaded: 'The server is busy.',
};

function errorWords(error) {
  const code = typeof error.code === 'string' ? error.code : 'network';
  return ERROR_WORDS[code] || `${error.message}.`;
}

function linkDetail() {
  if (link.state === 'reconnecting' && link.error) {
    const left = Math.ceil((link.retryAt - Date.now()) / 1000);
    return `${errorWords(link.error)}${left > 0 ? ` Next try in ${left} s.` : ' Trying now.'}`;
  }
  if (link.state === 'failed' && link.error) return errorWords(link.error);
  if (link.state === 'ended') return 'The job is over, so the connection was let go.';
  if (link.state === 'waiting') return 'Nothing to stream yet. It connects when the job is active.';
  if (link.caughtUp) {
    return `Back. ${link.caughtUp} ${link.caughtUp === 1 ? 'event' : 'events'} happened meanwhile: all here, in order.`;
  }
  if (link.state === 'live') return `Server-sent events. The server speaks at least every ${link.beatS} s.`;
  if (link.state === 'polling') return 'One request after another, each waiting for the next event.';
  return '';
}

function paintLink() {
  $('beacon').dataset.state = link.state;
  setText($('link-word'), STATE_WORDS[link.state]);
  setText($('link-detail'), linkDetail());
  setText($('lost'), String(link.lost));
  setText($('repeated'), String(link.repeated));
  $('proof').classList.toggle('broken', link.lost + link.repeated > 0);
  setText($('events'), String(link.events));
  setText($('reconnects'), String(link.reconnects));
  setText($('cursor'), link.cursor || '–');
  $('watchers').hidden = !link.watchers || isOver(model.job?.status);
  setText($('watchers'), `${link.watchers} watching`);
  $('cut').disabled = !['live', 'polling'].includes(link.state);
  setText($('cut'), link.state === 'reconnecting' ? 'Cut. Watch it come back' : 'Cut my connection');
}

function takeDelays(taken) {
  const at = Date.now();
  for (const stamp of taken) {
    const raw = at - stamp;
    clock.least = Math.min(clock.least, raw);
    if (clock.least < 0 || clock.least > 5000) clock.skewMs = -clock.least; // the clocks differ
    delays.push(Math.max(0, raw + clock.skewMs));
  }
  delays.splice(0, delays.length - SPARKS);
  paintDelays();
}

const delays = [];
const bars = Array.from({ length: SPARKS }, () => $('spark').appendChild(document.createElement('i')));

function paintDelays() {
  const top = Math.max(20, ...delays);
  bars.forEach((bar, i) => {
    const delay = delays[i - SPARKS + delays.length];
    bar.style.transform = `scaleY(${delay === undefined ? 0.04 : Math.max(0.06, delay / top)})`;
  });
  const sorted = [...delays].sort((a, b) => a - b);
  setText($('delay'), sorted.length ? `${Math.round(sorted[sorted.length >> 1])} ms` : '–');
}

// Raw events --------------------------------------------------------------------------------------

const raw = { rows: [], paused: false };
const CONNECTION_EVENTS = ['connected', 'heartbeat', 'end'];

function keepRaw(type, message) {
  raw.rows.push({ at: new Date(), type, message });
  if (raw.rows.length > RAW_ROWS) raw.rows.shift();
}

function summary({ type, message }) {
  if (type === 'snapshot') return `job with ${message.job.tasks.length} tasks${message.reason ? `, because: ${message.reason}` : ''}`;
  const { type: _type, jobId: _job, seq: _seq, timestamp: _timestamp, job: _snapshot, tasks: _tasks, ...rest } = message;
  return JSON.stringify(rest).slice(0, 400);
}

function rawRow(entry) {
  const li = document.createElement('li');
  const seq = entry.message.seq ?? entry.message.job?.seq ?? '';
  const time = entry.at.toTimeString().slice(0, 8) + '.' + String(entry.at.getMilliseconds()).padStart(3, '0');
  for (const [text, name] of [[time, 'quiet'], [seq, 'quiet'], [entry.type, ''], [summary(entry), 'quiet']]) {
    const cell = document.createElement('span');
    cell.textContent = text;
    cell.className = name;
    li.append(cell);
  }
  li.lastChild.title = li.lastChild.textContent;
  return li;
}

function paintRaw() {
  setText($('pause'), raw.paused && raw.rows.length ? `Go on (${raw.rows.length})` : raw.paused ? 'Go on' : 'Pause');
  if (raw.paused || !raw.rows.length) return;
  const list = $('raw');
  list.prepend(...raw.rows.splice(0).reverse().map(rawRow));
  while (list.children.length > RAW_ROWS) list.lastElementChild.remove();
  $('no-raw').hidden = true;
}

// What arrives ------------------------------------------------------------------------------------

function takeTask({ taskId, seq: _seq, type: _type, jobId: _job, timestamp, snapshot: _snapshot, ...fields }) {
  const old = model.tasks.get(taskId);
  const started = old?.startedAt || (fields.status === 'in_progress' ? timestamp : undefined);
  model.tasks.set(taskId, { ...fields, id: taskId, updatedAt: timestamp, startedAt: started });
  dirty.add(taskId);
}

function takeJob({ status, title, timestamp }) {
  const { job } = model;
  const before = job.status;
  job.status = status;
  job.title = title ?? job.title;
  if (isOver(status)) job.endedAt ||= timestamp || new Date(now()).toISOString();
  if (before === status) return;
  element.jobStatus = status;
  setText($('spoken'), `The job is now ${(STATUS[status] || status).toLowerCase()}.`);
  if (status === 'completed') burst($('hero'));
}

function takeFile({ deliverableId, id, title, url }) {
  model.files.set(deliverableId || id, { title, url });
  $('deliverables').hidden = false;
  $('files').replaceChildren(...[...model.files.values()].map((file) => {
    const li = document.createElement('li');
    const node = document.createElement(/^https?:\/\//i.test(file.url) ? 'a' : 'span');
    node.textContent = file.title || file.url;
    node.dir = 'auto';
    if (node.localName === 'a') Object.assign(node, { href: file.url, rel: 'noopener noreferrer', target: '_blank' });
    li.append(node);
    return li;
  }));
}

/** The whole truth, from the first request or after a reset. */
function takeSnapshot(job) {
  const { tasks, deliverables = [], ...rest } = job;
  const before = model.job?.status;
  model.job = rest;
  link.lastSeq = job.seq;
  link.cursor = job.cursor;
  for (const task of [...tasks].sort((a, b) => a.position - b.position)) {
    model.tasks.set(task.id, task);
    dirty.add(task.id);
  }
  deliverables.forEach(takeFile);
  if (before && before !== job.status) element.jobStatus = job.status;
  $('hero').hidden = $('columns').hidden = false;
}

function countEvent({ seq, timestamp }) {
  link.events++;
  if (seq <= link.lastSeq) link.repeated++;
  if (seq > link.lastSeq + 1) link.lost += seq - link.lastSeq - 1;
  link.lastSeq = Math.max(seq, link.lastSeq);
  link.cursor = element.stream?.cursor || link.cursor;
  if (seq > link.replayTo && !document.hidden) stamps.push(Date.parse(timestamp));
}

function onEvent({ detail }) {
  const { type } = detail;
  keepRaw(type, detail);
  if (type === 'snapshot') takeSnapshot(detail.job);
  if (detail.seq) countEvent(detail);
  if (type === 'task_update') takeTask(detail);
  if (type === 'job_update') takeJob(detail);
  if (type === 'deliverable') takeFile(detail);
  if (type === 'presence') link.watchers = detail.watchers ?? link.watchers;
  if (type === 'task_update' && detail.taskId === 'hello') say('It landed: your terminal is a worker now.', 'good');
  paintSoon();
}

function onConnected({ detail }) {
  link.watchers = detail.watchers || 0;
  link.beatS = Math.round((detail.heartbeatMs || 30000) / 1000);
  link.replayTo = detail.head || 0;
  link.caughtUp = link.everLive ? Math.max(0, link.replayTo - link.lastSeq) : 0;
  link.everLive = true;
}

function onState({ detail }) {
  const wasUp = link.state === 'live' || link.state === 'polling';
  link.state = detail.state;
  link.error = detail.error;
  link.retryAt = Date.now() + (detail.retryInMs || 0);
  if (detail.state === 'reconnecting' && wasUp) {
    link.reconnects++;
    link.caughtUp = 0;
  }
  if (detail.state === 'polling') {
    link.everLive = true;
    link.watchers = 0;
  }
  paintSoon();
}

element.addEventListener('task-stream:event', onEvent);
element.addEventListener('task-stream:connected', onConnected);
element.addEventListener('task-stream:state', onState);
for (const type of CONNECTION_EVENTS) {
  element.addEventListener('task-stream:' + type, ({ detail }) => {
    keepRaw(type, detail);
    paintSoon();
  });
}

// What one can do ---------------------------------------------------------------------------------

/* A real cut: the requests of the stream are aborted below the client, which then has to see it. */
const lines = new Map(); // one for each connection of the client
element.fetch = (url, init) => {
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
};
$('cut').addEventListener('click', () => lines.forEach((line) => line.abort()));

$('transports').addEventListener('change', ({ target }) => {
  if (target.value) element.setAttribute('transports', target.value);
  else element.removeAttribute('transports');
});

$('pause').addEventListener('click', () => {
  raw.paused = !raw.paused;
  $('pause').setAttribute('aria-pressed', raw.paused);
  paintSoon();
});

const curl = `curl --json '{"taskId":"hello","status":"in_progress","progress":42,"note":"Hello!"}' \\\n  `
  + `${location.origin}/api/agent-hooks/task-update/${encodeURIComponent(jobId)}`;
$('curl').textContent = curl;

$('copy').addEventListener('click', async () => {
  const done = await copyText(curl);
  setText($('copy'), done ? 'Copied' : 'Select it');
  if (!done) getSelection().selectAllChildren($('curl'));
  setTimeout(() => setText($('copy'), 'Copy'), 1600);
});

function say(text, mood) {
  const hint = $('hint');
  if (hint.textContent === text) return;
  setText(hint, text);
  hint.dataset.mood = mood || '';
  move(hint, [{ transform: 'translateY(6px)', opacity: 0 }, {}], { duration: 350, easing: 'ease-out' });
}

let demoRuns = false;

function paintDemo() {
  const over = isOver(model.job.status);
  $('demo').disabled = demoRuns;
  setText($('demo'), demoRuns ? 'Demo worker at work…' : over ? 'Start demo worker on a fresh job' : 'Start demo worker');
  if (over && $('hint').dataset.mood !== 'bad') {
    const seen = `${link.events} events, ${link.lost} lost, ${link.repeated} repeated. `;
    say(`${link.events ? seen : ''}The job is over and takes no more updates.`);
  }
}

async function freshJob() {
  const job = await call('POST', '/api/jobs', demoJob());
  location.assign(`/jobs/${encodeURIComponent(job.id)}#demo`);
}

async function demo() {
  if (demoRuns) return;
  demoRuns = true;
  paintSoon();
  try {
    if (isOver(model.job.status)) return await freshJob();
    if (!isActive(model.job.status)) await takeStatus('in_progress');
    const worker = new TaskEventStream({ jobId }); // never started: only for report()
    await runDemo({ tasks: [...model.tasks.values()], report: (update) => worker.report(update) });
    await takeStatus('completed');
  } catch (err) {
    if (err.code !== 'job_ended') say(err.message, 'bad'); // somebody else ended it: fine
  } finally {
    demoRuns = false;
    paintSoon();
  }
  return undefined;
}

async function takeStatus(status) {
  for (;;) {
    try {
      await call('PATCH', api, { status });
      break;
    } catch (err) {
      if (err.status && err.status < 500) throw err;
      await new Promise((resolve) => { setTimeout(resolve, 1000); }); // asking twice for it is harmless
    }
  }
  if (!element.stream || element.state === 'waiting') takeSnapshot(await call('GET', api));
}

$('demo').addEventListener('click', demo);

// The beginning -----------------------------------------------------------------------------------

function trouble(text) {
  setText($('notice'), text);
  $('notice').hidden = !text;
}

async function readJob() {
  try {
    const job = await call('GET', api);
    trouble('');
    return job;
  } catch (err) {
    const missing = err.status === 404 || err.status === 400;
    trouble(missing ? 'There is no such job. It may have been deleted.' : `${err.message} Trying again.`);
    if (missing) document.title = 'No such job · joblight';
    return missing ? null : undefined;
  }
}

async function begin() {
  const job = await readJob();
  if (job === null) return;
  if (!job) {
    setTimeout(begin, 1500);
    return;
  }
  takeSnapshot(job);
  paintSoon();
  element.setAttribute('cursor', job.cursor); // so that the stream goes on exactly here
  element.jobStatus = job.status;
  element.jobId = job.id;
  if (location.hash === '#demo') {
    history.replaceState(null, '', location.pathname);
    demo();
  }
}

/* Not active yet: the element does not connect, so ask now and then. */
async function awaitStart() {
  if (link.state === 'waiting' && !document.hidden) {
    const job = await readJob();
    if (job && job.seq !== link.lastSeq) {
      takeSnapshot(job);
      paintSoon();
    }
  }
  setTimeout(awaitStart, PENDING_MS);
}

function tick() {
  if (document.hidden) return;
  for (const [id, row] of rows) setText(row.ago, ago(Date.parse(model.tasks.get(id).updatedAt), now()));
  paintSoon();
}

setInterval(tick, 1000);
document.addEventListener('visibilitychange', paint);
begin();
awaitStart();
