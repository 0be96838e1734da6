/* The head of the page: title, progress and remaining time of the job. */
import { progressOf } from './progress.js';
import { $, STATUS, ago, isActive, isOver, setPill, setText, span } from './ui.js';

const BULBS = {
  live: ['fde9b8', 'f59e0b'], done: ['d5f2df', '16a34a'], bad: ['fbdcd9', 'dc4c40'], off: ['e5e0d8', 'a8a198'],
};

const QUIET_MS = 30000;
const LONG_TITLE = 80;

let bulb = '';

/* Empty when there is too little progress for an estimate, or when nothing has changed for long. */
function timeLeft(tasks, part, at) {
  let first = Infinity;
  let last = 0;
  for (const { startedAt, updatedAt } of tasks) {
    if (!startedAt) continue;
    first = Math.min(first, Date.parse(startedAt));
    last = Math.max(last, Date.parse(updatedAt));
  }
  const elapsed = at - first;
  if (part < 0.08 || part > 0.995 || !(elapsed >= 2000)) return '';
  if (at - last > Math.max(QUIET_MS, elapsed / 4)) return '';
  return `about ${span(elapsed * (1 - part) / part)} left`;
}

function lifetime({ status, createdAt, endedAt, updatedAt }, at) {
  const from = Date.parse(createdAt);
  if (isOver(status)) return `took ${span(Date.parse(endedAt || updatedAt) - from)}`;
  return `created ${ago(from, at)}`;
}

function lampOf(status, up) {
  if (status === 'completed') return 'done';
  if (isOver(status)) return 'bad';
  if (up) return 'live';
  return isActive(status) ? 'dim' : 'off';
}

/* The icon of the tab has the colour of the lamp. */
function paintBulb(lamp) {
  const colours = BULBS[lamp] || BULBS.off;
  if (bulb === colours[0]) return;
  [bulb] = colours;
  const circle = (r, colour) => `%3Ccircle cx='16' cy='16' r='${r}' fill='%23${colour}'/%3E`;
  const circles = circle(15, colours[0]) + circle(8, colours[1]);
  const svg = `%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E${circles}%3C/svg%3E`;
  document.querySelector('link[rel=icon]').href = `data:image/svg+xml,${svg}`;
}

export function paintHero({ job, tasks }, { at, up, replaying }) {
  const { status } = job;
  const title = job.title || job.id;
  const { all: count, done, part } = progressOf(tasks.values());
  const percent = Math.round(status === 'completed' ? 100 : part * 100);
  setText($('title'), title);
  $('title').title = title.length > LONG_TITLE ? title : '';
  setPill($('status'), status);
  $('meter').setAttribute('aria-valuenow', percent);
  $('meter-fill').style.transform = `translateX(${percent - 100}%)`;
  setText($('percent'), `${percent} %`);
  setText($('counts'), count ? `${done} of ${count} ${count === 1 ? 'task' : 'tasks'} done` : '');
  setText($('eta'), isActive(status) && up && !replaying ? timeLeft(tasks.values(), part, at) : '');
  setText($('since'), replaying ? 'a replay' : lifetime(job, at));
  const lamp = lampOf(status, up || replaying);
  if (document.body.dataset.lamp !== lamp) document.body.dataset.lamp = lamp;
  if (replaying) return;
  paintBulb(lamp);
  const mark = status === 'completed' ? '✓ Done' : isOver(status) ? STATUS[status] : `${percent} %`;
  if (document.title !== `${mark} · ${title}`) document.title = `${mark} · ${title}`;
}
