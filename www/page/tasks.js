/* The list of tasks. Only what differs is changed in a row. */
import { mayCommand } from './access.js';
import { $, STATUS, ago, directionOf, isOver, move, setText } from './ui.js';

const FLASHES = 24; // at a time; more are distracting and expensive
const LONG_NOTE = 240;
const LONG_TITLE = 80;
const MANY = 30; // a list of more rows scrolls by itself

const rows = new Map();
let flashing = 0;
let onCancel = () => {};

export const onCancelTask = (listener) => { onCancel = listener; };

function makeRow(task) {
  const li = $('task-row').content.firstElementChild.cloneNode(true);
  const part = (selector) => li.querySelector(selector);
  const row = {
    li, icon: part('.icon'), body: part('.body'), name: part('.name'), word: part('.word'), stop: part('.stop'),
    note: part('.note'), ago: part('.ago'), bar: undefined, more: undefined, // the last two are made when needed
  };
  li.dataset.id = task.id;
  if (!rows.size) row.stop.tabIndex = 0; // one button can be reached with Tab, the others with the arrow keys
  rows.set(task.id, row);
  $('tasks').append(li);
  return row;
}

/**
 * Returns the look of a task: its status, or `stalled`, or `unfinished` if the job ended without
 * it.
 */
export function lookOf({ status, stalled }, over) {
  if (isOver(status)) return status;
  if (over) return 'unfinished';
  if (stalled) return 'stalled';
  return status in STATUS ? status : 'pending';
}

/** `over`: the job has ended. `lively`: changes may flash. */
export function paintTask(id, task, { at, over, lively }) {
  const old = rows.get(id);
  if (!task) {
    old?.li.remove();
    rows.delete(id);
    return;
  }
  const row = old || makeRow(task);
  const look = lookOf(task, over);
  const turned = row.li.dataset.status !== look;
  if (turned) {
    row.li.dataset.status = look;
    row.stop.disabled = over || isOver(task.status) || !mayCommand('cancel');
  }
  if (row.title !== task.title) {
    row.title = task.title;
    setText(row.name, task.title || task.id);
    row.name.title = row.name.textContent.length > LONG_TITLE ? row.name.textContent : '';
    row.li.dir = directionOf(task.title);
    row.stop.setAttribute('aria-label', `Cancel “${task.title || task.id}”`);
  }
  setText(row.word, wordOf(task, look));
  paintBar(row, task);
  paintNote(row, task.note || '');
  row.ago.dateTime = task.updatedAt;
  setText(row.ago, ago(Date.parse(task.updatedAt), at));
  if (lively && flashing < FLASHES) flash(row, !old, turned);
}

export function clearTasks() {
  rows.clear();
  $('tasks').replaceChildren();
}

/**
 * A long list scrolls by itself, so that the rest of the page stays within reach. Its rows have one
 * height.
 */
export function paintList(count) {
  const list = $('tasks');
  const many = count > MANY;
  $('no-tasks').hidden = count > 0;
  if (list.classList.contains('many') === many) return;
  list.classList.toggle('many', many);
  if (many) list.tabIndex = 0;
  else list.removeAttribute('tabindex');
}

export function showTask(id) {
  const row = rows.get(id);
  if (!row) return;
  row.li.scrollIntoView({ block: 'center' });
  flash(row, false, true);
}

const moving = ({ status, progress }) =>
  Number.isFinite(progress) && ['in_progress', 'blocked', 'failed'].includes(status);

const LOOKS = { stalled: 'No word from the worker', unfinished: 'Not finished' };

function wordOf(task, look) {
  const word = LOOKS[look] || STATUS[task.status] || String(task.status);
  return moving(task) ? `${word} · ${Math.round(task.progress)} %` : word;
}

function paintBar(row, task) {
  const { title, id, progress } = task;
  if (!moving(task)) {
    row.bar?.remove();
    row.bar = undefined;
    return;
  }
  row.bar ||= row.body.appendChild($('task-bar').content.firstElementChild.cloneNode(true));
  row.bar.setAttribute('aria-label', title || id);
  row.bar.setAttribute('aria-valuenow', Math.round(progress));
  row.bar.firstChild.style.transform = `translateX(${progress - 100}%)`;
}

function paintNote(row, note) {
  if (row.noteText === note) return;
  row.noteText = row.note.textContent = note;
  row.li.classList.remove('open');
  row.more?.remove();
  row.more = undefined;
  if (note.length < LONG_NOTE && note.split('\n', 4).length < 4) return;
  row.more = document.createElement('button');
  Object.assign(row.more, { type: 'button', className: 'more', textContent: 'All of it' });
  row.ago.before(row.more);
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

export function paintAges(tasks, at) {
  for (const [id, row] of rows) {
    const task = tasks.get(id);
    if (task) setText(row.ago, ago(Date.parse(task.updatedAt), at));
  }
}

$('tasks').addEventListener('click', ({ target }) => {
  const { id } = target.closest('.task')?.dataset || {};
  if (target.closest('.more')) {
    const { li, more } = rows.get(id);
    li.classList.add('open');
    more.remove();
  } else if (target.closest('.stop')) onCancel(id);
});

$('tasks').addEventListener('keydown', (event) => {
  const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
  const here = event.target.closest('.stop');
  if (!step || !here) return;
  event.preventDefault();
  let li = here.closest('.task')[step];
  while (li?.querySelector('.stop').disabled) li = li[step];
  if (!li) return;
  here.tabIndex = -1;
  li.querySelector('.stop').tabIndex = 0;
  li.querySelector('.stop').focus();
});
