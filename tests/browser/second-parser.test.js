/*
 * The client's parser and eventsource-parser, which other people wrote, agree on 100,000 generated streams, the
 * client's with a cut at every byte: in each stream with --whole, otherwise in every tenth one, and the others have
 * one cut.
 *
 * eventsource-parser gives an event only the id of its own lines, and takes text instead of bytes. JOBLIGHT_TEST_SEED
 * repeats the streams of a failure; JOBLIGHT_TEST_LONG makes ten times as many.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createParser } from 'eventsource-parser';
import { range } from './support/follow.js';
import { WHOLE } from './support/whole.js';
import { eventParser } from './support/www.js';

const SEED = Number(process.env.JOBLIGHT_TEST_SEED ?? 20261126);
const STREAMS = process.env.JOBLIGHT_TEST_LONG ? 1_000_000 : 100_000;
const CUT_EVERYWHERE = WHOLE || process.env.JOBLIGHT_TEST_LONG ? 1 : 10; // one stream of so many
const utf8 = new TextEncoder();

/* xorshift32: the same streams on every machine. */
function dice(seed) {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const ENDS = ['\n', '\n', '\n', '\r', '\r\n'];
const NAMES = ['data', 'data', 'data', 'data', 'data', 'data', 'event', 'id', 'retry', '', 'foo', 'Data', ' data', 'dat', 'data ', 'id2'];
const SIGNS = [':', ': ', ':  ', '', ' :', ':\t'];
const VALUES = ['', 'a', '1500', '12x', 'é', '🚀', 'a:b', ' ', 'x\0y', '\uFEFF', '\u2028', '{"a":1}', '٣', '\u0085'];

function makeStream(roll) {
  const pick = (list) => list[roll(list.length)];
  let text = roll(8) ? '' : '\uFEFF';
  for (let lines = 1 + roll(7); lines > 0; lines--) text += pick(NAMES) + pick(SIGNS) + pick(VALUES) + pick(ENDS) + (roll(2) ? '' : pick(ENDS));
  return text + ':\n'; // eventsource-parser waits for what follows a CR
}

function readWithOurs(...chunks) {
  const events = [];
  const retries = [];
  const feed = eventParser((data, type, id) => events.push({ data, type, id }), (ms) => retries.push(ms));
  chunks.forEach((chunk) => feed(chunk));
  return { events, retries };
}

function readWithTheirs(text) {
  const events = [];
  const retries = [];
  const parser = createParser({
    onEvent: ({ data, event, id }) => events.push({ data, type: event ?? 'message', id }),
    onRetry: (ms) => retries.push(ms),
  });
  parser.feed(text.replace(/^\uFEFF/, ''));
  return { events, retries };
}

const sameEvent = (a, b) => a.data === b.data && a.type === b.type && a.id === b.id;

function same(a, b) {
  return a.events.length === b.events.length && a.retries.length === b.retries.length &&
    a.events.every((event, i) => sameEvent(event, b.events[i])) && a.retries.every((ms, i) => ms === b.retries[i]);
}

/* Where eventsource-parser names no id, ours has an earlier one, which the other tests check. */
function withTheirIds(ours, theirs) {
  return { ...ours, events: ours.events.map((event, i) => (theirs.events[i] && theirs.events[i].id === undefined ? { ...event, id: undefined } : event)) };
}

test(`two parsers agree on ${STREAMS} streams (JOBLIGHT_TEST_SEED=${SEED})`, () => {
  const roll = dice(SEED);
  let events = 0;
  for (let i = 0; i < STREAMS; i++) {
    const text = makeStream(roll);
    const bytes = utf8.encode(text);
    const ours = readWithOurs(bytes);
    const theirs = readWithTheirs(text);
    if (!same(withTheirIds(ours, theirs), theirs)) assert.deepEqual(withTheirIds(ours, theirs), theirs, `stream ${i}: ${JSON.stringify(text)}`);
    const cuts = i % CUT_EVERYWHERE ? [1 + i % (bytes.length - 1)] : range(1, bytes.length - 1);
    for (const cut of cuts) {
      const parts = readWithOurs(bytes.subarray(0, cut), bytes.subarray(cut));
      if (!same(parts, ours)) assert.deepEqual(parts, ours, `stream ${i} cut at ${cut}: ${JSON.stringify(text)}`);
    }
    events += ours.events.length;
  }
  assert.ok(events > STREAMS / 2, `the streams have too few events to prove anything: ${events}`);
});

/*
 * The examples of WHATWG HTML 9.2.6, and the cases of the suite of web-platform-tests (eventsource/format-*.any.js,
 * event-data.any.js) under their names. [name, stream, events as [data, type, id], retries]
 */
const CASES = [
  ['HTML: three lines', 'data: YHOO\ndata: +2\ndata: 10\n\n', [['YHOO\n+2\n10']]],
  ['HTML: four blocks', ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n',
    [['first event', 'message', '1'], ['second event']]],
  ['HTML: four blocks, ended', ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n',
    [['first event', 'message', '1'], ['second event'], [' third event']]],
  ['HTML: empty data', 'data\n\ndata\ndata\n\ndata:', [[''], ['\n']]],
  ['HTML: the space', 'data:test\n\ndata: test\n\n', [['test'], ['test']]],
  ['HTML: add, remove, add', 'event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n',
    [['73857293', 'add'], ['2153', 'remove'], ['113411', 'add']]],
  ['event-data', 'data:msg\ndata:\ndata\ndata:msg\n\n:\ndata:msg\n\ndata: msg\n\nid:1\n\n', [['msg\n\n\nmsg'], ['msg'], ['msg']]],
  ['format-bom', '\uFEFFdata:1\n\n\uFEFFdata:2\n\ndata:3\n\n', [['1'], ['3']]],
  ['format-bom-2', '\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n', [['2'], ['3']]],
  ['format-comments', `data:1\r:\0\n:\r\ndata:2\n:${'x'.repeat(2048)}\rdata:3\n:data:fail\r:${'x'.repeat(2048)}\ndata:4\n\n`, [['1\n2\n3\n4']]],
  ['format-data-before-final-empty-line', 'retry:1000\ndata:test1\n\nid:test\ndata:test2', [['test1']], [1000]],
  ['format-field-data', 'data:\n\ndata\ndata\n\ndata:test\n\n', [[''], ['\n'], ['test']]],
  ['format-field-event', 'event:test\ndata:x\n\ndata:x\n\n', [['x', 'test'], ['x']]],
  ['format-field-event-empty', 'event: \ndata:data\n\n', [['data']]],
  ['format-field-id', 'id: 1\ndata: x\n\ndata: y\n\n', [['x', 'message', '1'], ['y', 'message', '1']]],
  ['format-field-id-2', 'data:1\nid:…\n\ndata:2\nid\n\ndata:3\nid:x\n\nid:y\n\ndata:4\n\n',
    [['1', 'message', '…'], ['2'], ['3', 'message', 'x'], ['4', 'message', 'y']]],
  ['format-field-id-3', 'id:x\n\ndata:1\n\nid\n\ndata:2\n\n', [['1', 'message', 'x'], ['2']]],
  ['format-field-id-null', 'data:hello\nid:x\n\ndata:y\nid:a\0b\n\n', [['hello', 'message', 'x'], ['y', 'message', 'x']]],
  ['format-field-parsing', 'data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n', [['\0\n 2\n1\n3\n\n4']]],
  ['format-field-retry', 'retry:03000\ndata:x\n\n', [['x']], [3000]],
  ['format-field-retry-bogus', 'retry:3000\nretry:1000x\ndata:x\n\n', [['x']], [3000]],
  ['format-field-retry-empty', 'retry\ndata:test\n\n', [['test']]],
  ['format-field-unknown', 'data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\n\n', [['test\n']]],
  ['format-leading-space', 'data:\ttest\rdata: \ndata:test\n\n', [['\ttest\n\ntest']]],
  ['format-newlines', 'data:test\r\ndata\ndata:test\r\n\r\n', [['test\n\ntest']]],
  ['format-null-character', 'data:\0\n\n\n\n', [['\0']]],
  ['format-utf-8', 'data:okâ…\n\n', [['okâ…']]],
];

for (const [name, text, events, retries = []] of CASES) {
  test(`${name}, at every cut`, () => {
    const bytes = utf8.encode(text);
    const wanted = { events: events.map(([data, type = 'message', id = '']) => ({ data, type, id })), retries };
    for (let cut = 0; cut <= bytes.length; cut++) assert.deepEqual(readWithOurs(bytes.subarray(0, cut), bytes.subarray(cut)), wanted, `cut at ${cut}`);
    assert.deepEqual(readWithOurs(...Array.from(bytes, (byte) => Uint8Array.of(byte))), wanted);
  });
}

test('an empty piece between CR and LF does not make them two line ends', () => {
  const pieces = ['data:a\r', '', '\ndata:b\r\n\r\n'].map((text) => utf8.encode(text));
  assert.deepEqual(readWithOurs(...pieces).events, [{ data: 'a\nb', type: 'message', id: '' }]);
});
