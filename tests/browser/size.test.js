/* What a page loads is small, and is what is written: no build step, no dependency. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const www = (name) => readFileSync(new URL(`../../www/${name}`, import.meta.url));
const zipped = (name) => gzipSync(www(name), { level: 9 }).length;
const pageScripts = readdirSync(new URL('../../www/page/', import.meta.url)).map((name) => `page/${name}`);
const imports = (name) => [...String(www(name)).matchAll(/^import [^']*'([^']+)'/gm)].map(([, from]) => from);

/* What a browser loads for each, and what it loads with it. */
const MODULES = [
  ['joblight.js', 7 * 1024, []],
  ['shared-socket.js', 3 * 1024, ['./joblight.js']],
  ['task-event-stream.js', 3 * 1024, ['./shared-socket.js']],
];
for (const [name, most, others] of MODULES) {
  test(`${name} is at most ${most} bytes zipped and imports ${others[0] || 'nothing'}`, () => {
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
