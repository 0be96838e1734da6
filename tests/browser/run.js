/*
 * All tests: two files at a time, since most of the time is spent waiting; those that measure frames and
 * paints come last and alone.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const MEASURES = ['load.test.js', 'job-page.test.js'];
const files = readdirSync(import.meta.dirname ?? '.').filter((name) => name.endsWith('.test.js'));
const others = files.filter((name) => !MEASURES.includes(name));

const run = (concurrency, names) =>
  spawnSync(process.execPath, ['--test', `--test-concurrency=${concurrency}`, ...names], { stdio: 'inherit' }).status ?? 1;

process.exitCode = [run(2, others), run(1, MEASURES)].find((status) => status !== 0) ?? 0;
