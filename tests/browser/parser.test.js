/* The event stream format, as WHATWG HTML 9.2.6 and its test suite have it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventParser } from './support/www.js';

const utf8 = new TextEncoder();

function parse(...chunks) {
  const events = [];
  const retries = [];
  const feed = eventParser((data, type, id) => events.push({ data, type, id }), (ms) => retries.push(ms));
  for (const chunk of chunks) feed(typeof chunk === 'string' ? utf8.encode(chunk) : chunk);
  return { events, retries, datas: events.map(({ data }) => data) };
}

test('lines end in LF, CR or CRLF, also mixed', () => {
  assert.deepEqual(parse('data:1\n\ndata:2\r\rdata:3\r\n\r\ndata:4\r\n\ndata:5\n\r').datas, ['1', '2', '3', '4', '5']);
});

test('a CRLF cut in two is one line end', () => {
  assert.deepEqual(parse('data:a\r', '\ndata:b\r', '\n\r', '\n').datas, ['a\nb']);
});

test('an event ended by CR is handed out without waiting for more', () => {
  assert.deepEqual(parse('data:now\r\r').datas, ['now']);
});

test('every cut of a stream, also within a character, gives the same events', () => {
  const bytes = utf8.encode('\uFEFFid: 1\r\ndata: grüße 🚀\r\n\r\nevent: x\rdata: ☕\rdata\r\r: c\n\ndata:z\n\n');
  const whole = parse(bytes).events;
  assert.deepEqual(whole.map(({ data }) => data), ['grüße 🚀', '☕\n', 'z']);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.deepEqual(parse(bytes.slice(0, cut), bytes.slice(cut)).events, whole, `cut at ${cut}`);
  }
  assert.deepEqual(parse(...Array.from(bytes, (byte) => Uint8Array.of(byte))).events, whole);
});

test('one byte order mark at the start is skipped, a second one is data', () => {
  assert.deepEqual(parse('\uFEFFdata:1\n\n').datas, ['1']);
  assert.deepEqual(parse('\uFEFF\uFEFFdata:1\n\ndata:2\n\n').datas, ['2']);
  assert.deepEqual(parse('data:1\n\n\uFEFFdata:2\n\ndata:3\n\n').datas, ['1', '3']);
});

test('data lines are joined with a line feed, and empty ones count', () => {
  assert.deepEqual(parse('data:a\ndata\ndata:\ndata: b\n\n').datas, ['a\n\n\nb']);
  assert.deepEqual(parse('data\n\ndata\ndata\n\ndata:x').datas, ['', '\n']);
});

test('one space after the colon is skipped, and only one', () => {
  assert.deepEqual(parse('data:  two\n\ndata:\ttab\n\ndata : no\n\n').datas, [' two', '\ttab']);
});

test('comments and unknown fields are ignored', () => {
  assert.deepEqual(parse(':\n: comment\nfoo: bar\nDATA:no\ndata:yes\n:data:no\n\n').datas, ['yes']);
});

test('an event without data is none, and its type does not leak into the next', () => {
  assert.deepEqual(parse('event: ghost\n\ndata: x\n\n').events, [{ data: 'x', type: 'message', id: '' }]);
});

test('an event names its type, and the next one is a message again', () => {
  const { events } = parse('event: heartbeat\ndata: 1\n\ndata: 2\n\n');
  assert.deepEqual(events.map(({ type }) => type), ['heartbeat', 'message']);
});

test('the id stays until another one, and an empty one clears it', () => {
  assert.deepEqual(parse('id: a\ndata: 1\n\ndata: 2\n\nid\ndata: 3\n\n').events.map(({ id }) => id), ['a', 'a', '']);
});

test('an id holds even where its own event has no data', () => {
  assert.deepEqual(parse('id: a\n\ndata: 1\n\n').events, [{ data: '1', type: 'message', id: 'a' }]);
});

test('an id with a NUL is ignored', () => {
  assert.deepEqual(parse('id: a\nid: b\0c\ndata: 1\n\n').events[0].id, 'a');
});

test('retry takes digits only', () => {
  assert.deepEqual(parse('retry: 1500\nretry: 1x\nretry: -5\nretry\nretry: 12.5\nretry:0\n\n').retries, [1500, 0]);
});

test('an event that is cut off by the end of the stream is not handed out', () => {
  assert.deepEqual(parse('data: half\n').datas, []);
});

test('bytes that are not UTF-8 become replacement characters', () => {
  assert.deepEqual(parse(Uint8Array.from([...utf8.encode('data:'), 0xff, 0x0a, 0x0a])).datas, ['\uFFFD']);
});

test('a hundred megabytes without a line end are refused at the bound, not collected', () => {
  const feed = eventParser(() => assert.fail('no event'));
  const chunk = new Uint8Array(1 << 20).fill(97);
  let fed = 0;
  assert.throws(() => { for (; fed < 100; fed++) feed(chunk); }, { code: 'too_big' });
  assert.equal(fed, 16);
});

test('endless data lines are refused at the same bound', () => {
  const feed = eventParser(() => assert.fail('no event'), undefined, 1000);
  const line = utf8.encode('data: twenty characters\n');
  assert.throws(() => { for (let i = 0; i < 100; i++) feed(line); }, { code: 'too_big' });
});
