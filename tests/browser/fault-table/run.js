/*
 * Measures the fault table and prints it as Markdown. All clients in both browsers take five minutes:
 *   node fault-table/run.js [--browser chromium|firefox] [client …]
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Bench, CLIENTS, END, FAULTS } from './table.js';

const AT_ONCE = 3; // clients; each has a page for each column

const { values, positionals } = parseArgs({ options: { browser: { type: 'string' } }, allowPositionals: true });
const browsers = values.browser ? [values.browser] : ['chromium', 'firefox'];
const clients = positionals.length ? positionals : CLIENTS;

const versions = [];

async function measure(browser) {
  const bench = await Bench.start(browser);
  const rows = new Map();
  versions.push(await bench.version());
  try {
    for (let i = 0; i < clients.length; i += AT_ONCE) {
      const group = clients.slice(i, i + AT_ONCE);
      process.stderr.write(`${browser}: ${group.join(', ')}\n`);
      for (const row of await Promise.all(group.map((client) => bench.row(client)))) rows.set(row.client, row);
    }
  } finally {
    await bench.stop();
  }
  return rows;
}

/** One figure where the browsers agree. */
const cell = (...found) => [...new Set(found)].join(' / ');

function print(tables) {
  const line = (cells) => console.log(`| ${cells.join(' | ')} |`);
  line(['client', ...FAULTS.map(({ name }) => name), END]);
  console.log(`|${'---|'.repeat(FAULTS.length + 2)}`);
  for (const client of clients) {
    const rows = tables.map((table) => table.get(client)).map(({ counts, requests }) => [...counts, requests]);
    line([client === 'joblight' ? '**joblight**' : client, ...rows[0].map((_, i) => cell(...rows.map((row) => row[i])))]);
  }
}

function printVersions() {
  const { devDependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url)));
  const packages = clients.filter((client) => devDependencies[client] && client !== 'joblight');
  console.log(`\n${[...versions, ...packages.map((name) => `${name} ${devDependencies[name]}`)].join(', ')}`);
}

const tables = [];
for (const browser of browsers) tables.push(await measure(browser));
print(tables);
printVersions();
