/* The list of tasks: a row for each, touched only where something differs. */
import { now } from './clock.js';
import { $, STATUS, ago, move, setText, span } from './ui.js';

const FLASHES = 24; // at a time: more is noise, and work for nothing
const LONG_NOTE = 240;

const rows = new Map();
let flashing = 0;

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

export function paintTask(task, lively) {
  const old = rows.get(task.id);
  const row = old || makeRow(task);
  const turned = row.li.dataset.status !== task.status;
  if (turned) {
    row.li.dataset.status = task.status;
    row.use.setAttribute('href', '#i-' + (task.status in STATUS ? task.status : 'pending'));
  }
  setText(row.name, task.title || task.id);
  setText(row.word, wordOf(task));
  paintBar(row, task);
  paintNote(row, task.note || '');
  row.ago.dateTime = task.updatedAt;
  setText(row.ago, ago(Date.parse(task.updatedAt), now()));
  if (lively && flashing < FLASHES) flash(row, !old, turned);
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

function flash({ li, icon }, fresh, turned) {
  const soft = { duration: 400, easing: 'ease-out' };
  if (fresh) move(li, [{ opacity: 0, transform: 'translateY(12px)' }, {}], soft);
  if (turned) move(icon, [{ transform: 'scale(.4)' }, { transform: 'scale(1.18)' }, {}], soft);
  const frames = [{ opacity: turned ? 0.34 : 0.12 }, { opacity: 0 }];
  const light = move(li, frames, { duration: 1000, easing: 'ease-out', pseudoElement: '::before' });
  if (!light) return;
  flashing++;
  light.onfinish = light.oncancel = () => { flashing--; };
}

export function paintAges(tasks) {
  for (const [id, row] of rows) setText(row.ago, ago(Date.parse(tasks.get(id).updatedAt), now()));
}

function share({ status, progress }) {
  if (status === 'completed' || status === 'failed') return 1;
  return Math.min(100, Math.max(0, progress || 0)) / 100;
}

/** How far all of them are: a cancelled task counts for nothing, a failed one is over. */
export function progressOf(tasks) {
  const counted = tasks.filter(({ status }) => status !== 'cancelled');
  const done = counted.filter(({ status }) => status === 'completed').length;
  const sum = counted.reduce((total, task) => total + share(task), 0);
  return { all: counted.length, done, part: counted.length ? sum / counted.length : 0 };
}

export function timeLeft(tasks, part) {
  const starts = tasks.map(({ startedAt }) => Date.parse(startedAt)).filter(Number.isFinite);
  const elapsed = now() - Math.min(...starts);
  if (part < 0.08 || part > 0.995 || elapsed < 2000) return '';
  return `about ${span(elapsed * (1 - part) / part)} left`;
}
