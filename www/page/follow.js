/*
 * Live updates for the list of jobs. Active jobs on the screen are followed from the cursor of
 * their row. Presence and changes of the job itself are shown at once. After any other event the
 * list is read again, because its rows have sums over all tasks that only the server knows.
 */
import { JobLight } from '../shared-socket.js';
import { base } from './base.js';
import { isActive } from './ui.js';

const FOLLOWED_MAX = 100;

/* Only WebSocket: six SSE streams would use all connections that a browser opens to one server. */
const line = new JobLight({ baseUrl: base, transports: ['ws'] });
const followed = new Map(); // id -> { stream, told }: what the stream told since the row was read
let changed = () => {};
let moved = () => {};

/** `changed(id)`: the row has to be painted. `moved()`: the list has to be read again. */
export function onFollowed(listeners) {
  ({ changed, moved } = listeners);
}

export const isLive = (id) => followed.get(id)?.stream.state === 'live';

/** The row with what the stream told since, where that is newer. */
export function newest(job) {
  const { told } = followed.get(job.id) || {};
  if (!told) return job;
  const { watchers = job.watchers, agents = job.agents } = told;
  const { status, title, updatedAt } = told.updatedAt > job.updatedAt ? told : job;
  return { ...job, status, title, updatedAt, watchers, agents };
}

const TELL = {
  connected: ({ watchers, agents }, told) => Object.assign(told, { watchers, agents }),
  presence: ({ watchers, agents }, told) => Object.assign(told, { watchers, agents }),
  job_update({ status, title, timestamp: updatedAt }, told) {
    Object.assign(told, { status, title, updatedAt });
    moved();
  },
};

function leave(id) {
  const { stream } = followed.get(id);
  followed.delete(id);
  stream.close();
}

function join({ id, cursor, status, title, updatedAt }) {
  const stream = line.stream({ jobId: id, cursor });
  const told = { status, title, updatedAt };
  const take = ({ type, detail }) => {
    (TELL[type === 'connected' ? type : detail.type] || moved)(detail, told);
    changed(id);
  };
  stream.addEventListener('event', take);
  stream.addEventListener('connected', take);
  stream.addEventListener('state', () => changed(id));
  followed.set(id, { stream, told });
  stream.start();
}

/** Follows the active ones of these jobs, and leaves all others. */
export function follow(jobs) {
  const wanted = new Map(jobs.filter(({ status }) => isActive(status)).slice(0, FOLLOWED_MAX).map((job) => [job.id, job]));
  for (const id of [...followed.keys()]) if (!wanted.has(id)) leave(id);
  for (const [id, job] of wanted) if (!followed.has(id)) join(job);
}

/** The page is hidden, so it must not count as a watcher. */
export function leaveAll() {
  for (const id of [...followed.keys()]) leave(id);
}
