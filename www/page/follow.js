/*
 * What is known of the jobs of the list beyond the list itself. Active jobs on the screen are followed live, from
 * the position of their row on: who is there and what became of the job is shown at once, and whatever else
 * happens makes the list be read again, because only the server knows what it means for all the tasks.
 */
import { JobLight } from '../shared-socket.js';
import { isActive } from './ui.js';

const LIVE_MOST = 100;

/* A WebSocket for all or nothing: six streams would take all the connections a browser gives to one server. */
const line = new JobLight({ transports: ['ws'] });
const followed = new Map(); // id -> { stream, told }: what the stream said since the row
let changed = () => {};
let moved = () => {};

/** `changed`: there is something new to show. `moved`: the list does not tell all of it any more. */
export function onFollowed(listeners) {
  ({ changed, moved } = listeners);
}

export const isLive = (id) => followed.get(id)?.stream.state === 'live';

/** What is newer, of each: the row, or what the stream told since. */
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

/** Follows those that are on the screen, and lets go of the others. */
export function follow(jobs) {
  const wanted = new Map(jobs.filter(({ status }) => isActive(status)).slice(0, LIVE_MOST).map((job) => [job.id, job]));
  for (const id of [...followed.keys()]) if (!wanted.has(id)) leave(id);
  for (const [id, job] of wanted) if (!followed.has(id)) join(job);
}

/** Nobody looks: the workers may know. */
export function leaveAll() {
  for (const id of [...followed.keys()]) leave(id);
}
