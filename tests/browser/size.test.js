/* What a page loads is small, and is what is written: no build step, no dependency. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const www = (name) => readFileSync(new URL(`../../www/${name}`, import.meta.url));
/* What is told to people costs a browser nothing that matters: it is not counted. */
const code = (name) => String(www(name)).replace(/^ *\/\*.*?\*\/\n/gms, '').replace(/(^|\s)\/\/ .*$/gm, '');
const zipped = (name) => gzipSync(code(name), { level: 9 }).length;
const pageScripts = readdirSync(new URL('../../www/page/', import.meta.url)).map((name) => `page/${name}`);
const imports = (name) => [...String(www(name)).matchAll(/^import [^']*'([^']+)'/gm)].map(([, from]) => from);

/* What a browser loads for each, and what it loads with it. */
const MODULES = [
  ['joblight.js', 7 * 1024, []],
  ['shared-tabs.js', 4 * 1024, []],
  ['shared-socket.js', 4 * 1024, ['./joblight.js', './shared-tabs.js']],
  ['task-event-stream.js', 3 * 1024, ['./shared-socket.js']],
];
for (const [name, most, others] of MODULES) {
  test(`${name} is at most ${most} bytes zipped and imports ${others.join(', ') || 'nothing'}`, () => {
    assert.ok(zipped(name) <= most, `${zipped(name)} bytes`);
    assert.deepEqual(imports(name), others);
  });
}

test('the pages load nothing from elsewhere and have no inline script or style', () => {
  for (const name of ['index.html', 'job.html']) {
    const html = String(www(name));
    assert.doesNotMatch(html, /(?:src|href)="(?:https?:)?\/\//);
    assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=)/i);
  }
});

test('no script of the pages writes HTML', () => {
  for (const name of ['job.js', 'index.js', 'task-event-stream.js', ...pageScripts]) {
    assert.doesNotMatch(String(www(name)), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|eval\(/);
  }
});
