/* What a page loads is small, and is what is written: no build step, no dependency. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const www = (name) => readFileSync(new URL(`../../www/${name}`, import.meta.url));
const zipped = (name) => gzipSync(www(name), { level: 9 }).length;
const pageScripts = readdirSync(new URL('../../www/page/', import.meta.url)).map((name) => `page/${name}`);
const imports = (name) => [...String(www(name)).matchAll(/^import [^']*'([^']+)'/gm)].map(([, from]) => from);

test('the class is at most 5 KB zipped and imports nothing', () => {
  assert.ok(zipped('joblight.js') <= 5 * 1024, `${zipped('joblight.js')} bytes`);
  assert.deepEqual(imports('joblight.js'), []);
});

test('the element is at most 3 KB zipped and imports only the class', () => {
  assert.ok(zipped('task-event-stream.js') <= 3 * 1024, `${zipped('task-event-stream.js')} bytes`);
  assert.deepEqual(imports('task-event-stream.js'), ['./joblight.js']);
});

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
