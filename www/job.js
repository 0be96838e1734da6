/*
 * The page of one job. Messages go from the element into the model at once. The model is painted at
 * most once in a frame, however many events arrive.
 */
import './page/cut.js';
import './task-event-stream.js';
import { logIn, onAccess, showAccess, token } from './page/access.js';
import { paintAgents } from './page/agents.js';
import { base, jobOfPage } from './page/base.js';
import { arrived, notBefore, now } from './page/clock.js';
import { cut, fetchThatCanBeCut, mend } from './page/cut.js';
import './page/code.js';
import { paintFiles } from './page/files.js';
import { paintHero } from './page/hero.js';
import { countEvent, isUp, link, paintLink, takeConnected, takeState } from './page/link.js';
import { paintMap, refitMap } from './page/map.js';
import { Model } from './page/model.js';
import { keepRaw, paintRaw } from './page/raw.js';
import { PENDING_MS, readJob, readTalk, trouble } from './page/read.js';
import { Replay } from './page/replay.js';
import { speak } from './page/spoken.js';
import { cancelTask, paintTalk, startTalk, takeCommand } from './page/talk.js';
import {
  clearTasks, onCancelTask, paintAges, paintList, paintTask, showTask,
} from './page/tasks.js';
import { $, STATUS, burst, isOver, plain } from './page/ui.js';
import { hearCommand, paintWork, say, startWork } from './page/work.js';

const HIDDEN_MS = 500;

const jobId = jobOfPage();
const api = '/api/jobs/' + encodeURIComponent(jobId);
const element = $('stream');
element.setAttribute('base-url', base);
const model = new Model();
const replay = new Replay({ api, changed: paintSoon, ended: ({ job }) => celebrate(job) });

// Painting ----------------------------------------------------------------------------------------

let frame = 0;
let painted = model;
let mapStale = false;

/* A hidden page gets no frames, but its title should still show the progress. */
function paintSoon() {
  if (!frame) frame = document.hidden ? setTimeout(paint, HIDDEN_MS) : requestAnimationFrame(paint);
}

function paint() {
  frame = 0;
  const replaying = Boolean(replay.model?.job);
  const shown = replaying ? replay.model : model;
  const at = replaying ? replay.now : now();
  if (shown !== painted) {
    clearTasks();
    shown.touchAll();
    painted = shown;
  }
  if (shown.job) paintModel(shown, { at, replaying, up: isUp() });
  paintLink();
  paintRaw();
}

function paintModel(shown, { at, replaying, up }) {
  const look = { at, over: isOver(shown.job.status), lively: link.everLive || replaying };
  for (const id of shown.dirty) paintTask(id, shown.tasks.get(id), look);
  if (shown.dirty.size || mapStale) paintMap(shown.tasks, look.over);
  mapStale = false;
  shown.dirty.clear();
  paintList(shown.tasks.size);
  paintFiles(shown.files);
  paintHero(shown, { at, up, replaying });
  paintAgents(model, up);
  paintTalk(model.job.status, now());
  paintWork(model.job.status, model.agents);
  $('replay').hidden = model.job.status === 'deleted' || !isOver(model.job.status);
}

function repaintMap() {
  refitMap();
  mapStale = true;
  paintSoon();
}

function celebrate({ status }) {
  if (status === 'completed') burst($('hero'));
}

// Messages ----------------------------------------------------------------------------------------

/** The whole job: from the first request, or after a reset. */
function takeSnapshot(job) {
  const before = model.job?.status;
  model.take({ type: 'snapshot', job });
  link.lastSeq = job.seq;
  link.cursor = job.cursor;
  notBefore(Date.parse(job.updatedAt));
  if (before && before !== job.status) element.jobStatus = job.status;
  $('hero').hidden = $('columns').hidden = false;
  paintSoon();
}

function tellTask({ taskId, title, status }, before) {
  if (taskId === 'hello') say('It landed: your terminal is a worker now.', 'good');
  if (before === status || !['completed', 'failed', 'blocked'].includes(status)) return;
  speak(`${plain(title)}: ${STATUS[status].toLowerCase()}.`);
}

function tellJob({ status }, before) {
  if (before === status) return;
  element.jobStatus = status;
  speak(`The job is now ${(STATUS[status] || status).toLowerCase()}.`);
  celebrate({ status });
}

const TELL = {
  task_update: tellTask,
  job_update: tellJob,
  command(event) {
    takeCommand(event, model.tasks, now());
    hearCommand(event);
  },
};

function take(event) {
  keepRaw(event.type, event);
  if (event.seq) countEvent(event, element.stream?.cursor);
  if (event.type === 'snapshot') {
    takeSnapshot(event.job);
    return;
  }
  const before = event.type === 'job_update' ? model.job?.status : model.tasks.get(event.taskId)?.status;
  model.take(event);
  TELL[event.type]?.(event, before);
}

function on(type, listener) {
  element.addEventListener(`task-stream:${type}`, ({ detail }) => {
    listener(detail);
    paintSoon();
  });
}

on('event', take);
on('state', (change) => {
  takeState(change);
  if (change.state === 'failed' && change.error?.status === 401 && !token) logIn();
});
on('connected', (event) => {
  keepRaw('connected', event);
  takeConnected(event);
  model.take({ ...event, type: 'connected' });
});
on('heartbeat', (event) => {
  keepRaw('heartbeat', event);
  arrived(Date.parse(event.timestamp));
});
on('end', (event) => {
  keepRaw('end', event);
  if (event.status !== 'deleted') return;
  model.take({ ...event, type: 'job_update', timestamp: new Date(now()).toISOString() });
  tellJob({ status: 'deleted' });
  trouble('This job was deleted. What you see is what was known of it.');
});

// Controls ----------------------------------------------------------------------------------------

element.fetch = fetchThatCanBeCut;
element.token = token;

$('transports').addEventListener('change', ({ target }) => {
  if (target.value) element.setAttribute('transports', target.value);
  else element.removeAttribute('transports');
});

$('cut').addEventListener('click', () => {
  if (isUp()) {
    cut();
    return;
  }
  mend();
  element.stream?.reconnect();
});

$('title').addEventListener('click', () => $('title').classList.toggle('whole'));

onCancelTask(async (id) => {
  if (await cancelTask(id)) say('Said: the workers know that it is to be cancelled.');
});

// Start -------------------------------------------------------------------------------------------

async function begin() {
  const found = await readJob(api);
  if (found === null) return;
  if (!found) {
    setTimeout(begin, PENDING_MS);
    return;
  }
  takeSnapshot(found);
  const talk = await readTalk(api, found.seq); // before the stream starts, to keep the order
  for (const event of talk) takeCommand(event, model.tasks, now());
  element.setAttribute('cursor', found.cursor); // the stream continues exactly after the snapshot
  element.jobStatus = found.status;
  element.jobId = found.id;
  if (location.hash === '#demo') {
    history.replaceState(null, '', location.pathname);
    startWork();
  } else followHash();
}

/** /jobs/…#task=ID shows that task. */
function followHash() {
  const [, id] = /^#task=(.+)$/.exec(location.hash) || [];
  if (id) requestAnimationFrame(() => showTask(decodeURIComponent(id)));
}

/* The element does not connect while the job is not active, so the page asks again from time to
 * time. */
async function awaitStart() {
  if (link.state === 'waiting' && !document.hidden) {
    const found = await readJob(api);
    if (found && found.seq !== link.lastSeq) takeSnapshot(found);
  }
  setTimeout(awaitStart, PENDING_MS);
}

setInterval(() => {
  if (document.hidden || replay.model) return;
  paintAges(model.tasks, now());
  paintSoon();
}, 1000);
document.addEventListener('visibilitychange', paint);
addEventListener('hashchange', followHash);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaintMap);
addEventListener('resize', repaintMap);
onAccess(() => {
  model.touchAll();
  paintSoon();
});
startTalk(api);
showAccess();
begin();
awaitStart();
