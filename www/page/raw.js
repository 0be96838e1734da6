/* The raw events, newest first: the last few hundred, of which the visible ones are in the page. */
import { $, copyOnClick, setText, written } from './ui.js';

const KEPT = 1000;
const ROWS = 100;
const LONGEST = 400;
const CALM_MS = 200; // faster changes cannot be read, and moving all lines is expensive

const kept = []; // oldest first
let fresh = []; // not on the screen yet
let held = 0; // how many arrived while the list was paused
let paused = false;
let filter = '';
let paintedAt = 0;
let timer;

export function keepRaw(type, message) {
  const entry = { at: new Date(), type, message };
  kept.push(entry);
  fresh.push(entry);
  if (paused) held++;
  if (kept.length > KEPT) kept.shift();
  if (fresh.length > ROWS) fresh.shift();
}

function summary({ type, message }) {
  if (type === 'snapshot') {
    return `${message.job.tasks.length} tasks${message.reason ? `, reason: ${message.reason}` : ''}`;
  }
  const rest = { ...message };
  for (const shown of ['type', 'jobId', 'seq', 'timestamp', 'job', 'tasks']) delete rest[shown];
  if (rest.note?.length > LONGEST) rest.note = rest.note.slice(0, LONGEST);
  return written(JSON.stringify(rest)).slice(0, LONGEST);
}

function cellsOf(entry) {
  const { at, type, message } = entry;
  const time = `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}`;
  entry.cells ||= [time, String(message.seq ?? message.job?.seq ?? ''), type, summary(entry)];
  return entry.cells;
}

const matches = (entry) => !filter || cellsOf(entry).join(' ').toLowerCase().includes(filter);

function makeRow(entry) {
  const li = document.createElement('li');
  for (const text of cellsOf(entry)) {
    const cell = document.createElement('span');
    cell.textContent = text;
    li.append(cell);
  }
  li.lastChild.title = li.lastChild.textContent;
  return li;
}

export function paintRaw() {
  setText($('pause'), paused ? `Go on${held ? ` (${held})` : ''}` : 'Pause');
  if (paused || !fresh.length || timer) return;
  const early = paintedAt + CALM_MS - performance.now();
  if (early > 0) {
    timer = setTimeout(paintLater, early);
    return;
  }
  paintedAt = performance.now();
  const list = $('raw');
  const wanted = fresh.filter(matches);
  fresh = [];
  for (let over = list.childElementCount + wanted.length - ROWS; over > 0; over--) list.lastElementChild?.remove();
  list.prepend(...wanted.reverse().map(makeRow));
  paintEmpty();
}

function paintLater() {
  timer = undefined;
  paintRaw();
}

function paintEmpty() {
  $('no-raw').hidden = $('raw').childElementCount > 0;
  setText($('no-raw'), kept.length ? 'None of them contains this.' : 'Nothing yet.');
}

$('pause').addEventListener('click', () => {
  paused = !paused;
  held = 0;
  $('pause').setAttribute('aria-pressed', paused);
  paintRaw();
});

$('raw-filter').addEventListener('input', () => {
  filter = $('raw-filter').value.trim().toLowerCase();
  fresh = [];
  $('raw').replaceChildren(...kept.filter(matches).slice(-ROWS).reverse().map(makeRow));
  paintEmpty();
});

copyOnClick($('raw-copy'), () =>
  kept.filter(matches).map(({ type, message }) => `${written(JSON.stringify({ type, ...message }))}\n`).join(''));
