/* A map of a job with many tasks: a small square for each, in the colour of its status. */
import { lookOf, showTask } from './tasks.js';
import { $ } from './ui.js';

const TASKS_MIN = 30; // fewer tasks have no map
const GAP = 3;
const SIZES = [16, 12, 9, 7, 5]; // sizes of a square; the largest that fits into this height is used
const MOST_HEIGHT = 170;

const canvas = $('map');
let colours;
let shape;
let ids = [];

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const quiet = of('--mark');
  return {
    pending: quiet, cancelled: quiet, in_progress: of('--blue'), completed: of('--green-mark'),
    failed: of('--red'), blocked: of('--amber'), stalled: of('--amber'), unfinished: quiet,
  };
}

function shapeFor(count) {
  const width = canvas.parentElement.clientWidth - parseFloat(getComputedStyle(canvas).marginLeft) * 2;
  for (const size of SIZES) {
    const columns = Math.floor((width + GAP) / (size + GAP));
    const height = Math.ceil(count / columns) * (size + GAP) - GAP;
    if (height <= MOST_HEIGHT || size === SIZES.at(-1)) return { count, width, size, columns, height };
  }
  return undefined;
}

function fit(count) {
  const scale = devicePixelRatio || 1;
  shape = shapeFor(count);
  canvas.width = shape.width * scale;
  canvas.height = shape.height * scale;
  canvas.style.width = `${shape.width}px`;
  canvas.style.height = `${shape.height}px`;
  canvas.getContext('2d').setTransform(scale, 0, 0, scale, 0, 0);
}

const place = (i) => [
  (i % shape.columns) * (shape.size + GAP),
  Math.floor(i / shape.columns) * (shape.size + GAP),
];

export function paintMap(tasks, over) {
  canvas.hidden = tasks.size < TASKS_MIN;
  if (canvas.hidden) return;
  colours ||= readColours();
  if (shape?.count !== tasks.size) fit(tasks.size);
  const pen = canvas.getContext('2d');
  pen.clearRect(0, 0, shape.width, shape.height);
  ids = [...tasks.keys()];
  let i = 0;
  for (const task of tasks.values()) {
    const look = lookOf(task, over);
    const [x, y] = place(i++);
    pen.fillStyle = colours[look];
    pen.globalAlpha = look === 'in_progress' ? 0.35 + 0.65 * ((task.progress ?? 50) / 100) : 1;
    pen.beginPath();
    pen.roundRect(x, y, shape.size, shape.size, shape.size / 4);
    pen.fill();
  }
}

function idAt({ offsetX, offsetY }) {
  const step = shape.size + GAP;
  return ids[Math.floor(offsetY / step) * shape.columns + Math.min(shape.columns - 1, Math.floor(offsetX / step))];
}

/** Measures again, after the window or the colour scheme changed. */
export function refitMap() {
  shape = colours = undefined;
}

canvas.addEventListener('click', (event) => showTask(idAt(event)));
