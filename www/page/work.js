/* The card for newcomers: the demo worker, the curl line, the link to share. */
import { TaskEventStream } from '../joblight.js';
import { may, token } from './access.js';
import { base, jobOfPage } from './base.js';
import { DemoWorker, WORKER } from './demo.js';
import { link } from './link.js';
import { call, patiently, tellRequest } from './request.js';
import { demoJob } from './scenarios.js';
import { $, copyOnClick, copyText, isActive, isDemo, isOver, move, setText } from './ui.js';

const SAID_MS = 1600;

const jobId = jobOfPage();
const name = encodeURIComponent(jobId);
const api = `/api/jobs/${name}`;
const hook = `/api/agent-hooks/task-update/${name}`;
const hello = { taskId: 'hello', status: 'in_progress', progress: 42, note: 'Hello!' };
const curl = `curl --json '${JSON.stringify(hello)}' \\\n  ${location.origin}${base}${hook}`;
const stream = new TaskEventStream({ jobId, token, baseUrl: base }); // never started; it only reports

let worker;

export function say(text, mood = '') {
  const hint = $('hint');
  if (hint.textContent === text) return;
  setText(hint, text);
  hint.dataset.mood = mood;
  move(hint, [{ transform: 'translateY(6px)', opacity: 0 }, {}], { duration: 350, easing: 'ease-out' });
}

/* Two workers on one job would undo each other's steps, so only one is offered. */
function paintDemo(over, agents) {
  const busy = Boolean(worker) || (!over && agents.some(({ id }) => id === WORKER));
  const idle = over ? 'Start demo worker on a fresh job' : 'Start demo worker';
  const allowed = ['report', 'control', 'create'].every(may);
  $('demo').disabled = busy || !allowed;
  if (!allowed) $('demo').title = 'A demo worker needs a key that may report, control and create.';
  setText($('demo'), busy ? 'Demo worker at work…' : idle);
  $('next').hidden = !over;
}

export function paintWork(status, agents) {
  const over = isOver(status);
  if (isDemo) paintDemo(over, agents);
  if (!over || !isDemo || $('hint').dataset.mood === 'bad') return;
  const { events, lost, repeated } = link;
  const seen = events ? `${events} events, ${lost} lost, ${repeated} repeated. ` : '';
  say(`${seen}The job is over and takes no more updates.`);
}

/** Passes a command to the demo worker, if one runs here. */
export const hearCommand = (command) => worker?.hear(command);

async function report(body) {
  tellRequest({ method: 'POST', path: hook, body: Array.isArray(body) && body.length > 2 ? body.slice(0, 2) : body });
  return stream.report(body);
}

const comment = (text, taskId) =>
  call('POST', `${api}/commands`, { command: 'comment', taskId, args: { text, from: WORKER } }, { quiet: true });

const presence = (state, taskId) =>
  call('POST', `${api}/presence`, { agent: WORKER, state, taskId }, { quiet: true });

const setStatus = (status) => patiently(() => call('PATCH', api, { status }));

const handOver = () => patiently(() => call('POST', `${api}/deliverables`, {
  title: 'Everything that happened', url: `${location.origin}${base}${api}/activity?limit=1000`, mediaType: 'application/json',
}));

async function work() {
  const job = await call('GET', api);
  if (isOver(job.status)) {
    const fresh = await call('POST', '/api/jobs', demoJob(), { quiet: true });
    location.assign(`${base}/jobs/${encodeURIComponent(fresh.id)}#demo`);
    return;
  }
  if (!isActive(job.status)) await setStatus('in_progress');
  const end = await worker.run(job.tasks);
  if (end === 'completed') await handOver();
  await setStatus(end);
}

export async function startWork() {
  if (worker || !isDemo) return; // a link must not start the demo on a real job
  worker = new DemoWorker({ report, comment, presence });
  $('demo').disabled = true;
  try {
    await work();
  } catch (err) {
    if (err.code !== 'job_ended') say(err.message, 'bad'); // anybody may end the job
  }
  worker = undefined;
  $('demo').disabled = false;
}

async function share() {
  const about = { title: document.title, url: location.origin + location.pathname };
  if (navigator.share && matchMedia('(pointer: coarse)').matches) {
    await navigator.share(about).catch(() => {}); // the user closed the dialog
    return;
  }
  const done = await copyText(about.url);
  setText($('share'), done ? 'Link copied' : about.url);
  setTimeout(() => setText($('share'), 'Share'), SAID_MS);
}

if (isDemo) {
  setText($('curl'), curl);
  tellRequest({ method: 'POST', path: hook, body: hello });
}
$('demo').addEventListener('click', startWork);
copyOnClick($('copy'), () => curl, $('curl'));
$('share').hidden = false;
$('share').addEventListener('click', share);
