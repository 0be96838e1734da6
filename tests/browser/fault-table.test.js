/*
 * Our row of the fault table: whatever happens to the connection, the page gets all forty events, once and
 * in order, and is quiet after the end. All columns and both browsers are under way at once; it is mostly waiting.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Bench, EVENTS, FAULTS } from './fault-table/table.js';
import { BROWSERS, some } from './support/whole.js';

const NATIVE = [10, 40, 10, 40, 0]; // columns of FAULTS

describe('the fault table', { concurrency: true }, () => {
  for (const browser of BROWSERS) {
    test(browser, async (t) => {
      const bench = await Bench.start(browser);
      const { cells, requests } = await bench.row('joblight').finally(() => bench.stop());
      for (const [i, { name }] of FAULTS.entries()) {
        await t.test(`${browser}, ${name}: all of them, once and in order`, () => {
          const inOrder = [...new Set(cells[i])].sort((a, b) => a - b);
          assert.equal(inOrder.length, EVENTS);
          assert.deepEqual(cells[i], inOrder);
        });
      }
      await t.test(`${browser}: at most one request in the 8 s after the end`, () => {
        assert.ok(requests <= 1, `${requests} requests`);
      });
    });
  }

  for (const client of some(['joblight', 'native EventSource'])) {
    test(`a server that has no place for streams loses nobody: ${client}`, async () => {
      const bench = await Bench.start('chromium', '--max-streams', '1');
      const seen = await bench.whileFull(client).finally(() => bench.stop());
      assert.deepEqual(seen, [...new Set(seen)].sort((a, b) => a - b));
      assert.equal(seen.length, EVENTS);
    });
  }

  test('the faults are faults: a native EventSource gets through two of them', async () => {
    const bench = await Bench.start('chromium');
    const { counts } = await bench.row('native EventSource').finally(() => bench.stop());
    assert.deepEqual(counts, NATIVE);
  });
});
