/*
 * The page of one job. The element hands on what arrives; it goes into the model at once and onto the
 * screen with the next frame, however many events that frame has to tell.
 */
import './task-event-stream.js';
import { TaskEventStream } from './joblight.js';
import { arrived, notBefore, now } from './page/clock.js';
import { demoJob, runDemo } from './page/demo.js';
import {
  countEvent, fetchThatCanBeCut, isUp, link, paintLink, takeConnected, takeState,
} from './page/link.js';
import { keepRaw, paintRaw } from './page/raw.js';
import { paintAges, paintTask, progressOf, timeLeft } from './page/tasks.js';
import {
  $, STATUS, ago, burst, call, copyText, isActive, isOver, move, setPill, setText, span,
} from './page/ui.js';

const PENDING_MS = 2000;
const HIDDEN_MS = 500;

const jobId = decodeURIComponent(location.pathname.split('/')[2] || '');
const api = '/api/jobs/' + encodeURIComponent(jobId);
const element = $('stream');
const tasks = new Map();
const files = new Map();
let job = null;

// Onto the screen ---------------------------------------------------------------------------------

const dirty = new Set();
let frame = 0;

/* A hidden page gets no frames, but its title should still tell how far the job is. */
function paintSoon() {
  if (!frame) frame = document.hidden ? setTimeout(paint, HIDDEN_MS) : requestAnimationFrame(paint);
}

function paint() {
  frame = 0;
  for (const id of dirty) paintTask(tasks.get(id), link.everLive);
  dirty.clear();
  if (job) paintJob([...tasks.values()]);
  paintLink();
  paintRaw();
}

function paintJob(all) {
  const { status } = job;
  const { all: count, done, part } = progressOf(all);
  const percent = Math.round(status === 'completed' ? 100 : part * 100);
  setText($('title'), job.title || job.id);
  setPill($('status'), status);
  $('meter').setAttribute('aria-valuenow', percent);
  $('meter-fill').style.transform = `translateX(${percent - 100}%)`;
  setText($('percent'), `${percent} %`);
  setText($('counts'), count ? `${done} of ${count} ${count === 1 ? 'task' : 'tasks'} done` : '');
  setText($('eta'), isActive(status) ? timeLeft(all, part) : '');
  setText($('since'), lifetime());
  $('no-tasks').hidden = all.length > 0;
  document.body.dataset.lamp = lamp();
  const mark = status === 'completed' ? '✓ Done' : isOver(status) ? STATUS[status] : `${percent} %`;
  if (document.title !== `${mark} · ${job.title}`) document.title = `${mark} · ${job.title}`;
  paintDemo();
}

function lifetime() {
  const from = Date.parse(job.createdAt);
  if (isOver(job.status)) return `took ${span(Date.parse(job.endedAt || job.updatedAt) - from)}`;
  return `created ${ago(from, now())}`;
}

function lamp() {
  if (job.status === 'completed') return 'done';
  if (isOver(job.status)) return 'bad';
  if (isUp()) return 'live';
  return isActive(job.status) ? 'dim' : 'off';
}

function say(text, mood = '') {
  const hint = $('hint');
  if (hint.textContent === text) return;
  setText(hint, text);
  hint.dataset.mood = mood;
  move(hint, [{ transform: 'translateY(6px)', opacity: 0 }, {}], { duration: 350, easing: 'ease-out' });
}

function trouble(text) {
  setText($('notice'), text);
  $('notice').hidden = !text;
}

// What arrives ------------------------------------------------------------------------------------

/** The whole truth: from the first request, or after a reset. */
function takeSnapshot(snapshot) {
  const before = job?.status;
  job = snapshot;
  link.lastSeq = job.seq;
  link.cursor = job.cursor;
  notBefore(Date.parse(job.updatedAt));
  for (const task of [...job.tasks].sort((a, b) => a.position - b.position)) {
    tasks.set(task.id, task);
    dirty.add(task.id);
  }
  (job.deliverables || []).forEach(takeFile);
  if (before && before !== job.status) element.jobStatus = job.status;
  $('hero').hidden = $('columns').hidden = false;
  paintSoon();
}

function takeTask({ taskId: id, timestamp, status, title, note, progress, attempt }) {
  const startedAt = tasks.get(id)?.startedAt || (status === 'in_progress' ? timestamp : undefined);
  tasks.set(id, { id, status, title, note, progress, attempt, startedAt, updatedAt: timestamp });
  dirty.add(id);
  if (id === 'hello') say('It landed: your terminal is a worker now.', 'good');
}

function takeJob({ status, title = job.title, timestamp }) {
  const before = job.status;
  Object.assign(job, { status, title });
  if (isOver(status)) job.endedAt ||= timestamp || new Date(now()).toISOString();
  if (before === status) return;
  element.jobStatus = status;
  setText($('spoken'), `The job is now ${(STATUS[status] || status).toLowerCase()}.`);
  if (status === 'completed') burst($('hero'));
}

function takeFile({ deliverableId, id, title, url }) {
  files.set(deliverableId || id, { title, url });
  $('deliverables').hidden = false;
  $('files').replaceChildren(...[...files.values()].map((file) => {
    const node = document.createElement(/^https?:\/\//i.test(file.url) ? 'a' : 'span');
    node.textContent = file.title || file.url;
    node.dir = 'auto';
    if (node.localName === 'a') {
      Object.assign(node, { href: file.url, rel: 'noopener noreferrer', target: '_blank' });
    }
    const li = document.createElement('li');
    li.append(node);
    return li;
  }));
}

const TAKE = {
  snapshot: (event) => takeSnapshot(event.job),
  task_update: takeTask,
  job_update: takeJob,
  deliverable: takeFile,
  presence: (event) => { link.watchers = event.watchers ?? link.watchers; },
};

function on(type, take) {
  element.addEventListener(`task-stream:${type}`, ({ detail }) => {
    take(detail);
    paintSoon();
  });
}

on('event', (event) => {
  keepRaw(event.type, event);
  if (event.seq) countEvent(event, element.stream?.cursor);
  TAKE[event.type]?.(event);
});
on('state', takeState);
on('connected', (event) => {
  keepRaw('connected', event);
  takeConnected(event);
});
on('heartbeat', (event) => {
  keepRaw('heartbeat', event);
  arrived(Date.parse(event.timestamp));
});
on('end', (event) => {
  keepRaw('end', event);
  if (event.status !== 'deleted') return;
  takeJob(event);
  trouble('This job was deleted. What you see is what was known of it.');
});

// What one can do ---------------------------------------------------------------------------------

element.fetch = fetchThatCanBeCut;

$('transports').addEventListener('change', ({ target }) => {
  if (target.value) element.setAttribute('transports', target.value);
  else element.removeAttribute('transports');
});

const hook = `${location.origin}/api/agent-hooks/task-update/${encodeURIComponent(jobId)}`;
const curl = `curl --json '{"taskId":"hello","status":"in_progress","progress":42,"note":"Hello!"}' \\\n  ${hook}`;
$('curl').textContent = curl;

$('copy').addEventListener('click', async () => {
  const done = await copyText(curl);
  setText($('copy'), done ? 'Copied' : 'Select it');
  if (!done) getSelection().selectAllChildren($('curl'));
  setTimeout(() => setText($('copy'), 'Copy'), 1600);
});

let demoRuns = false;

function paintDemo() {
  const over = isOver(job.status);
  $('demo').disabled = demoRuns;
  const idle = over ? 'Start demo worker on a fresh job' : 'Start demo worker';
  setText($('demo'), demoRuns ? 'Demo worker at work…' : idle);
  if (!over || $('hint').dataset.mood === 'bad') return;
  const { events, lost, repeated } = link;
  const seen = events ? `${events} events, ${lost} lost, ${repeated} repeated. ` : '';
  say(`${seen}The job is over and takes no more updates.`);
}

/* Asking twice for a status is harmless, so a server that is away is waited for. */
async function setStatus(status) {
  for (;;) {
    try {
      await call('PATCH', api, { status });
      break;
    } catch (err) {
      if (err.status && err.status < 500) throw err;
      await new Promise((resolve) => { setTimeout(resolve, 1000); });
    }
  }
  if (element.state === 'waiting') takeSnapshot(await call('GET', api));
}

async function work() {
  if (isOver(job.status)) {
    const fresh = await call('POST', '/api/jobs', demoJob());
    location.assign(`/jobs/${encodeURIComponent(fresh.id)}#demo`);
    return;
  }
  if (!isActive(job.status)) await setStatus('in_progress');
  const worker = new TaskEventStream({ jobId }); // never started: it only reports
  await runDemo({ tasks: [...tasks.values()], report: (update) => worker.report(update) });
  await setStatus('completed');
}

async function demo() {
  if (demoRuns) return;
  demoRuns = true;
  paintSoon();
  try {
    await work();
  } catch (err) {
    if (err.code !== 'job_ended') say(err.message, 'bad'); // somebody else ended it: fine
  }
  demoRuns = false;
  paintSoon();
}

$('demo').addEventListener('click', demo);

// The beginning -----------------------------------------------------------------------------------

/** The job, or null where there is none, or undefined where it cannot be known now. */
async function readJob() {
  try {
    const found = await call('GET', api);
    trouble('');
    return found;
  } catch (err) {
    const missing = err.status === 404 || err.status === 400;
    trouble(missing ? 'There is no such job. It may have been deleted.' : `${err.message} Trying again.`);
    if (missing) document.title = 'No such job · joblight';
    return missing ? null : undefined;
  }
}

async function begin() {
  const found = await readJob();
  if (found === null) return;
  if (!found) {
    setTimeout(begin, PENDING_MS);
    return;
  }
  takeSnapshot(found);
  element.setAttribute('cursor', found.cursor); // so that the stream goes on exactly here
  element.jobStatus = found.status;
  element.jobId = found.id;
  if (location.hash === '#demo') {
    history.replaceState(null, '', location.pathname);
    demo();
  }
}

/* While the job is not active the element does not connect, so the page asks now and then. */
async function awaitStart() {
  if (link.state === 'waiting' && !document.hidden) {
    const found = await readJob();
    if (found && found.seq !== link.lastSeq) takeSnapshot(found);
  }
  setTimeout(awaitStart, PENDING_MS);
}

setInterval(() => {
  if (document.hidden) return;
  paintAges(tasks);
  paintSoon();
}, 1000);
document.addEventListener('visibilitychange', paint);
begin();
awaitStart();
