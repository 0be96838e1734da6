/* What a page loads is small, and is made of the sources that are here. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { WWW } from './support/www.js';

const shipped = (name) => readFileSync(join(WWW, name), 'utf8');
const www = (name) => readFileSync(new URL(`../../www/${name}`, import.meta.url), 'utf8');
const scripts = (folder) => readdirSync(new URL(`../../www/${folder}/`, import.meta.url)).map((name) => `${folder}/${name}`);
const imports = (name) => [...shipped(name).matchAll(/\b(?:from|import) ?["']([^"']+)["']/g)].map(([, from]) => from);

/* The bytes that a browser loads for each, comments and all, and what it loads with it. */
const MODULES = [
  ['joblight.js', 7 * 1024, []],
  ['shared-tabs.js', 4 * 1024, []],
  ['shared-socket.js', 4 * 1024, ['./joblight.js', './shared-tabs.js']],
  ['task-event-stream.js', 3 * 1024, ['./shared-socket.js']],
];
for (const [name, most, others] of MODULES) {
  test(`${name} is at most ${most} bytes zipped and imports ${others.join(', ') || 'nothing'}`, () => {
    const bytes = gzipSync(shipped(name), { level: 9 }).length;
    assert.ok(bytes <= most, `${bytes} bytes`);
    assert.deepEqual(imports(name).sort(), others, 'is it the bundle? script/bundle needs esbuild when the program is built');
  });
}

test('joblight.js has a source map, which holds the modules as they are', () => {
  assert.match(shipped('joblight.js'), /\n\/\/# sourceMappingURL=joblight\.js\.map\n$/);
  const { sources, sourcesContent } = JSON.parse(shipped('joblight.js.map'));
  assert.ok(sources.includes('../client/stream.js'), String(sources));
  sources.forEach((source, i) => assert.equal(sourcesContent[i], www(source.replace('../', '')), source));
});

test('the pages load nothing from elsewhere and have no inline script or style', () => {
  for (const name of ['index.html', 'job.html', 'login.html']) {
    const html = www(name);
    assert.doesNotMatch(html, /(?:src|href)="(?:https?:)?\/\//);
    assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=)/i);
  }
});

test('no script of the pages writes HTML', () => {
  for (const name of ['job.js', 'index.js', 'login.js', 'task-event-stream.js', ...scripts('page'), ...scripts('client')]) {
    assert.doesNotMatch(www(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|eval\(/);
  }
});
