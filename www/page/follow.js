/*
 * What is known of the jobs of the list beyond the list itself: progress, and who is there. Active jobs on
 * the screen are followed live; others are read once, and again when their seq has moved.
 */
import { JobLight } from '../shared-socket.js';
import { Model } from './model.js';
import { call } from './request.js';
import { isActive } from './ui.js';

const LIVE_MOST = 100; // each has a snapshot of its tasks here
const FLAT_MS = 20000;

/* A WebSocket for all or nothing: six streams would take all the connections a browser gives to one server. */
const line = new JobLight({ transports: ['ws'] });
const followed = new Map(); // id -> { model, stream, seq }
let changed = () => {};

export const onFollowed = (listener) => { changed = listener; };
export const modelOf = (id) => followed.get(id)?.model;
export const isLive = (id) => followed.get(id)?.stream?.state === 'live';

function know(id) {
  if (!followed.has(id)) followed.set(id, { model: new Model(), stream: undefined, seq: -1, readAt: 0 });
  return followed.get(id);
}

function leave(known) {
  known.stream?.close();
  known.stream = undefined;
  known.model.take({ type: 'presence', watchers: 0, agents: [] });
}

function join(id, known) {
  const stream = known.stream = line.stream({ jobId: id });
  for (const type of ['event', 'connected']) {
    stream.addEventListener(type, ({ detail }) => {
      known.model.take(type === 'event' ? detail : { ...detail, type });
      known.seq = Math.max(known.seq, detail.seq ?? detail.job?.seq ?? -1);
      known.model.dirty.clear();
      changed(id);
    });
  }
  stream.addEventListener('state', ({ detail }) => {
    if (detail.state === 'ended' || detail.state === 'failed') leave(known);
    changed(id);
  });
  stream.start();
}

async function read(job, known) {
  known.readAt = Date.now();
  known.seq = job.seq;
  try {
    known.model.take({ type: 'snapshot', job: await call('GET', `/api/jobs/${encodeURIComponent(job.id)}`) });
    known.model.dirty.clear();
    changed(job.id);
  } catch {
    known.seq = -1; // the next round tries again
  }
}

/** Follows those that are on the screen, and lets go of the others. */
export function follow(jobs) {
  const wanted = new Set(jobs.filter(({ status }) => isActive(status)).slice(0, LIVE_MOST).map(({ id }) => id));
  for (const [id, known] of followed) if (known.stream && !wanted.has(id)) leave(known);
  for (const job of jobs) {
    const known = know(job.id);
    if (wanted.has(job.id) && !known.stream) join(job.id, known);
    const flat = !wanted.has(job.id) || (!isLive(job.id) && Date.now() - known.readAt > FLAT_MS / jobs.length);
    if (flat && job.taskCount && known.seq < job.seq) read(job, known);
  }
}

/** Nobody looks: the workers may know. */
export function leaveAll() {
  for (const known of followed.values()) leave(known);
}

/** Forgets what is in no list any more. */
export function forget(ids) {
  for (const [id, known] of followed) {
    if (ids.has(id)) continue;
    leave(known);
    followed.delete(id);
  }
}
