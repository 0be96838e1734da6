/*
 * Long tables of tests: script/test runs a part in which every row and every column stands, and
 * script/test full all of them (`node run.js --whole` sets JOBLIGHT_TEST_WHOLE).
 */
export const WHOLE = Boolean(process.env.JOBLIGHT_TEST_WHOLE);

/** All pairs of a row and a column, or each row with one column and each column with one row. */
export function pairs(rows, columns) {
  if (WHOLE) return rows.flatMap((row) => columns.map((column) => [row, column]));
  const count = Math.max(rows.length, columns.length);
  return Array.from({ length: count }, (_, i) => [rows[i % rows.length], columns[i % columns.length]]);
}

/** All of them, or the first one. */
export const some = (all) => (WHOLE ? all : all.slice(0, 1));

/** The browsers of what both have to do and one has to show again in each run. */
export const BROWSERS = some(['chromium', 'firefox']);
