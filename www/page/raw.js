/* The raw events, newest first, at most a few hundred of them. */
import { $, setText } from './ui.js';

const ROWS = 200;
const LONGEST = 400;

const kept = [];
let paused = false;

export function keepRaw(type, message) {
  kept.push({ at: new Date(), type, message });
  if (kept.length > ROWS) kept.shift();
}

function summary({ type, message }) {
  if (type === 'snapshot') {
    return `${message.job.tasks.length} tasks${message.reason ? `, reason: ${message.reason}` : ''}`;
  }
  const rest = { ...message };
  for (const shown of ['type', 'jobId', 'seq', 'timestamp', 'job', 'tasks']) delete rest[shown];
  return JSON.stringify(rest).slice(0, LONGEST);
}

function makeRow(entry) {
  const { at, type, message } = entry;
  const time = `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}`;
  const li = document.createElement('li');
  for (const text of [time, message.seq ?? message.job?.seq ?? '', type, summary(entry)]) {
    const cell = document.createElement('span');
    cell.textContent = text;
    li.append(cell);
  }
  li.lastChild.title = li.lastChild.textContent;
  return li;
}

export function paintRaw() {
  const more = kept.length ? ` (${kept.length})` : '';
  setText($('pause'), paused ? `Go on${more}` : 'Pause');
  if (paused || !kept.length) return;
  const list = $('raw');
  list.prepend(...kept.splice(0).reverse().map(makeRow));
  while (list.children.length > ROWS) list.lastElementChild.remove();
  $('no-raw').hidden = true;
}

$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', paused);
  paintRaw();
});
