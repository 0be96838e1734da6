/* What the pages share: texts, times, animations, copying. Text is set as text, never as HTML. */
export { isActive, isOver } from '../joblight.js';

export const STATUS = {
  pending: 'Waiting', in_progress: 'In progress', revisions: 'In revision',
  hardening: 'Hardening', blocked: 'Blocked', completed: 'Completed',
  failed: 'Failed', cancelled: 'Cancelled', deleted: 'Deleted',
};

const SAID_MS = 1600;

/** Only the pages of a demo server offer the demo worker. */
export const isDemo = 'demo' in document.documentElement.dataset;

export const $ = (id) => document.getElementById(id);

/** Sets only a text that differs, because setting it costs a layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const TURNS = /[\u202a-\u202e\u2066-\u2069]/g; // bidirectional control characters
const code = (mark) => mark.charCodeAt(0).toString(16);

/**
 * Makes foreign text safe beside our own. Overrides of the direction, which can make "exe.png" of
 * "gnp.exe", are shown as [U+…]. Other marks are removed, because they could end our isolation of
 * the text.
 */
export const plain = (text) =>
  text?.replace(TURNS, (mark) => (/[\u202d\u202e]/.test(mark) ? `[U+${code(mark).toUpperCase()}]` : ''));

/** JSON, JavaScript or Python source, with these characters as escapes. */
export const written = (json) => json.replace(TURNS, (mark) => `\\u${code(mark)}`);

const RTL = /^[^\p{L}]*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

/** The direction of a row with this title. */
export const directionOf = (title) => (RTL.test(title) ? 'rtl' : 'ltr');

export function setPill(node, status) {
  setText(node, STATUS[status] || String(status));
  node.dataset.status = status;
}

export function ago(then, now) {
  const s = Math.max(0, Math.round((now - then) / 1000));
  if (s < 2) return 'now';
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return new Date(then).toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
}

export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** Animate only transform and opacity, which need no layout and no painting. */
export function move(node, frames, options) {
  if (!calm.matches && !document.hidden) return node.animate(frames, options);
  return undefined;
}

export function burst(host) {
  if (calm.matches || document.hidden) return;
  for (let i = 0; i < 44; i++) {
    const dot = document.createElement('i');
    dot.className = `spark-dot hue-${i % 4}`;
    host.append(dot);
    const angle = Math.PI * (1.1 + 0.8 * Math.random());
    const far = 80 + 170 * Math.random();
    const x = Math.cos(angle) * far * 1.6;
    const y = Math.sin(angle) * far;
    const size = 0.5 + Math.random();
    dot.animate([
      { transform: `translate(0, 0) scale(${size})`, opacity: 1 },
      { transform: `translate(${x}px, ${y}px) scale(${size})`, opacity: 1, offset: 0.5 },
      { transform: `translate(${x * 1.2}px, ${y + 90}px) scale(0)`, opacity: 0 },
    ], { duration: 1300 + 500 * Math.random(), easing: 'cubic-bezier(.15,.7,.4,1)' })
      .finished.finally(() => dot.remove());
  }
}

/** Needed because navigator.clipboard exists on https and localhost only. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'sr';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** Makes the button copy what `textOf` returns. If copying is forbidden, it selects `node`. */
export function copyOnClick(button, textOf, node) {
  const label = button.textContent;
  button.addEventListener('click', async () => {
    const done = await copyText(textOf());
    setText(button, done ? 'Copied' : 'Select it');
    if (!done && node) getSelection().selectAllChildren(node);
    setTimeout(() => setText(button, label), SAID_MS);
  });
}
