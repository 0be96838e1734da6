/*
 * All tests: five files at a time, since most of the time is spent waiting, and those that take longest first;
 * those that measure frames and paints come last and alone. With --whole it runs only the files with long tables,
 * and these as a whole.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec as Spec, tap } from 'node:test/reporters';

const WHOLE = process.argv.includes('--whole');
const AT_ONCE = 5;
const FILE_MS = 15 * 60_000; // a file that waits forever fails
const LONGEST = ['tabs', 'tokens', 'job-page', 'socket', 'job-firefox', 'shared', 'alive', 'client', 'fault-table',
  'job-trouble', 'element', 'access'].map((name) => `${name}.test.js`);
const MEASURES = ['load.test.js'];
const PICTURES = ['shots.test.js']; // for people: only with --whole
const here = import.meta.dirname;
const hasTables = (name) => readFileSync(join(here, name), 'utf8').includes("'./support/whole.js'");

const files = readdirSync(here).filter((name) => name.endsWith('.test.js'));
const wanted = files.filter((name) => (WHOLE ? hasTables(name) || PICTURES.includes(name) : !PICTURES.includes(name)));
const isMeasure = (name) => MEASURES.includes(name);
const rank = (name) => (LONGEST.indexOf(name) + 1) || Infinity;
const longestFirst = (names) => names.toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b));

/** Runs some files and prints what came of them and how long it took. */
async function runFiles(concurrency, names) {
  if (!names.length) return;
  const began = Date.now();
  const events = run({ files: names.map((name) => join(here, name)), concurrency, timeout: FILE_MS });
  events.on('test:fail', () => { process.exitCode = 1; });
  const report = events.compose(process.stdout.isTTY ? new Spec() : tap);
  for await (const text of report) process.stdout.write(text);
  console.log(`# ${names.length} files took ${Math.round((Date.now() - began) / 1000)} s`);
}

process.chdir(here);
if (WHOLE) process.env.JOBLIGHT_TEST_WHOLE = '1';
await runFiles(AT_ONCE, longestFirst(wanted.filter((name) => !isMeasure(name))));
await runFiles(1, wanted.filter(isMeasure));
