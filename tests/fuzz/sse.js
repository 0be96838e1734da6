/*
 * Fuzzes the event stream parser of the client under Node: sse.js SECONDS [SEED]; 0 seconds replays the corpus.
 *
 * covers: www/client/event-parser.js
 *
 * An input is a stream. However it is cut, also into empty pieces, it gives the events of the reference below, which
 * follows the text of WHATWG HTML 9.2.6 line by line. A new input is kept for mutation when it makes the reference do
 * something in an order that was not seen before. The seed is printed; a failure is written to corpus/sse/.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';

const CORPUS = fileURLToPath(new URL('corpus/sse/', import.meta.url));
const MODULE = new URL('../../www/client/event-parser.js', import.meta.url).href;
const [seconds = 0, seed = Date.now() % 2 ** 31] = process.argv.slice(2).map(Number);
const INPUT_MAX = 300;

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
const { eventParser } = await import(MODULE);

let state = seed >>> 0 || 1;
function roll(below) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

/* "Interpreting an event stream", with the trace of its decisions. */
function reference(bytes) {
  let text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  if (text.startsWith('\uFEFF')) text = text.slice(1);
  const events = [], retries = [], trace = [];
  let data = '', type = '', id = '';
  let rest = text;
  for (let end; (end = /\r\n|\n|\r/.exec(rest)); rest = rest.slice(end.index + end[0].length)) {
    const line = rest.slice(0, end.index);
    trace.push(end[0]);
    if (line === '') {
      trace.push(data === '' ? 'nothing' : 'dispatch');
      if (data !== '') events.push({ data: data.endsWith('\n') ? data.slice(0, -1) : data, type: type === '' ? 'message' : type, id });
      data = type = '';
      continue;
    }
    if (line.startsWith(':')) continue;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (['event', 'data', 'id', 'retry'].includes(field)) trace.push(field, value === '');
    if (field === 'event') type = value;
    else if (field === 'data') data += value + '\n';
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^[0-9]+$/.test(value)) retries.push(parseInt(value, 10));
  }
  return { seen: { events, retries }, trace: trace.join() };
}

function read(pieces) {
  const events = [], retries = [];
  const feed = eventParser((data, type, id) => events.push({ data, type, id }), (ms) => retries.push(ms), 1000);
  for (const piece of pieces) feed(piece);
  return { events, retries };
}

function* cuts(bytes) {
  yield [bytes];
  yield Array.from(bytes, (byte) => Uint8Array.of(byte));
  yield Array.from(bytes).flatMap((byte) => [Uint8Array.of(byte), new Uint8Array(0)]);
  for (let cut = 1; cut < bytes.length; cut++) yield [bytes.subarray(0, cut), bytes.subarray(cut)];
}

function check(bytes) {
  const { seen, trace } = reference(bytes);
  for (const pieces of cuts(bytes)) {
    const ours = read(pieces);
    if (!isDeepStrictEqual(ours, seen)) throw new Error(`${JSON.stringify(new TextDecoder().decode(bytes))} in ${pieces.length} pieces: ${JSON.stringify(ours)}, not ${JSON.stringify(seen)}`);
  }
  return trace;
}

/* A line without an end is refused at the bound, and not before it. */
function checkBound() {
  const line = new Uint8Array(1000).fill(97);
  read([line]);
  try {
    read([line, line.subarray(0, 1)]);
  } catch (error) {
    if (error.code === 'too_big') return;
  }
  throw new Error('a line of 1001 characters was kept');
}

const WORDS = ['data', 'event', 'id', 'retry', ':', ': ', '\n', '\r', '\r\n', '\n\n', '\0', '\uFEFF', 'é', '🚀', '1000', ' '].map((word) => new TextEncoder().encode(word));

function splice(bytes, at, remove, insert) {
  return Uint8Array.of(...bytes.subarray(0, at), ...insert, ...bytes.subarray(at + remove));
}

function mutate(bytes, corpus) {
  const at = roll(bytes.length + 1);
  switch (roll(5)) {
    case 0: return splice(bytes, at, 0, WORDS[roll(WORDS.length)]);
    case 1: return splice(bytes, at, 1 + roll(8), []);
    case 2: return splice(bytes, at, 1, [roll(256)]);
    case 3: return splice(bytes, at, 0, bytes.subarray(at, at + roll(20)));
    default: return splice(bytes, at, bytes.length, corpus[roll(corpus.length)].subarray(roll(20)));
  }
}

const corpus = readdirSync(CORPUS).map((name) => new Uint8Array(readFileSync(CORPUS + name)));
if (!corpus.length) throw new Error('the corpus is empty');
const traces = new Set(corpus.map(check));
checkBound();

function fuzz() {
  let runs = 0;
  for (const until = Date.now() + seconds * 1000; Date.now() < until; runs++) {
    let bytes = corpus[roll(corpus.length)];
    for (let times = 1 + roll(4); times > 0; times--) bytes = mutate(bytes, corpus).subarray(0, INPUT_MAX);
    try {
      const trace = check(bytes);
      if (!traces.has(trace) && corpus.length < 5000) corpus.push(bytes);
      traces.add(trace);
    } catch (error) {
      writeFileSync(`${CORPUS}crash-${createHash('sha1').update(bytes).digest('hex')}`, bytes);
      throw error;
    }
  }
  return runs;
}

/* Lines of the module of which no part is uncovered. */
function coverage() {
  let covered;
  session.post('Profiler.takePreciseCoverage', (_, { result }) => { covered = result.find(({ url }) => url === MODULE); });
  const source = readFileSync(fileURLToPath(MODULE), 'utf8');
  const missed = covered.functions.flatMap(({ ranges }) => ranges).filter(({ count }) => !count);
  let at = 0, lines = 0, good = 0;
  for (const line of source.split('\n')) {
    const from = at + line.search(/\S|$/), to = at + line.length;
    if (/[a-z]/.test(line) && !/^\s*(\/\*|\*|import)/.test(line)) {
      lines++;
      good += !missed.some(({ startOffset, endOffset }) => startOffset < to && endOffset > from);
    }
    at = to + 1;
  }
  return { lines, good };
}

console.log(`sse: seed ${seed}`);
const runs = fuzz();
const { lines, good } = coverage();
console.log(`sse: ${corpus.length} inputs, ${runs} runs, ${good} of ${lines} lines of event-parser.js (${Math.round(1000 * good / lines) / 10} %)`);
if (good / lines < 0.85) throw new Error('the bar is 85 % of the lines');
