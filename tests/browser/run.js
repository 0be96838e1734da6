/*
 * All tests: two files at a time, since most of the time is spent waiting; those that measure frames and
 * paints come last and alone. With --whole it runs only the files with long tables, and these as a whole.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const WHOLE = process.argv.includes('--whole');
const MEASURES = ['load.test.js', 'job-page.test.js'];
const PICTURES = ['shots.test.js']; // for people: only with --whole
const here = import.meta.dirname ?? '.';
const hasTables = (name) => readFileSync(`${here}/${name}`, 'utf8').includes("'./support/whole.js'");

const files = readdirSync(here).filter((name) => name.endsWith('.test.js'));
const wanted = files.filter((name) => (WHOLE ? hasTables(name) || PICTURES.includes(name) : !PICTURES.includes(name)));
const isMeasure = (name) => MEASURES.includes(name);

function run(concurrency, names) {
  if (!names.length) return 0;
  const env = { ...process.env, ...WHOLE && { JOBLIGHT_TEST_WHOLE: '1' } };
  const { status } = spawnSync(process.execPath, ['--test', `--test-concurrency=${concurrency}`, ...names], { stdio: 'inherit', env });
  return status ?? 1;
}

process.exitCode = [run(2, wanted.filter((name) => !isMeasure(name))), run(1, wanted.filter(isMeasure))].find(Boolean) ?? 0;
