/* The types under strict TypeScript: what must compile does, and what must not does not. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const folder = mkdtempSync(join(tmpdir(), 'joblight-types-'));
mkdirSync(join(folder, 'node_modules'));
symlinkSync(fileURLToPath(new URL('../../www', import.meta.url)), join(folder, 'node_modules/joblight'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
after(() => rmSync(folder, { recursive: true, force: true }));

const OPTIONS = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  skipLibCheck: false,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  types: [],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
};

/**
 * The compiler's complaints about each program, after those about the declarations that they use. All are
 * compiled at once, since most of the time goes into the declarations; each program is a module of its own.
 */
function compile(texts) {
  const paths = texts.map((text, i) => {
    const path = join(folder, `program-${i}.ts`);
    writeFileSync(path, text);
    return path;
  });
  const found = ts.getPreEmitDiagnostics(ts.createProgram(paths, OPTIONS)).map(({ file, start, messageText }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return { path: file?.fileName, text: `${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}` };
  });
  const textsOf = (belongs) => found.filter(({ path }) => belongs(path)).map(({ text }) => text);
  const shared = textsOf((path) => !paths.includes(path));
  return paths.map((path) => [...shared, ...textsOf((one) => one === path)]);
}

const GOOD = `
import { TaskEventStream, JobLightError, backoffMs, eventParser, isActive, isOver } from 'joblight';
import type { StreamEvent, TaskUpdate, Transport } from 'joblight';
import { JobLight } from 'joblight/shared-socket';
import { TaskEventStreamElement } from 'joblight/element';

const stream = new TaskEventStream({
  jobId: 'j1',
  jobStatus: 'in_progress',
  token: async ({ refresh }) => (refresh ? 'fresh' : 'stale'),
  onTaskUpdate: (update) => console.log(update.taskId, update.progress?.toFixed(), update.note?.length),
  onJobUpdate: (status, update) => console.log(status === 'completed', update.title),
  onSnapshot: (job, { reason }) => console.log(job.tasks[0]?.title, reason === 'epoch'),
  onStateChange: ({ state, retryInMs, faults }) => console.log(state, retryInMs, faults[0]?.code),
});
stream.start();
stream.addEventListener('deliverable', ({ detail }) => console.log(detail.url));
stream.addEventListener('heartbeat', ({ detail }) => console.log(detail.head), { once: true });
stream.addEventListener('anything', (event) => console.log(event.type));
stream.jobStatus = 'completed';
const over: boolean = isOver(stream.jobStatus) || !isActive('pending');
const words: string | undefined = stream.error?.message;
const transport: Transport | undefined = stream.transport;
TaskEventStream.ladder = ['poll'];

function told(event: StreamEvent): string {
  switch (event.type) {
    case 'task_update': return event.taskId;
    case 'job_update': return event.status;
    case 'deliverable': return event.url ?? event.mediaType ?? '';
    case 'command': return event.command;
    case 'presence': return String(event.watchers);
    case 'snapshot': return event.job.title;
  }
}
for await (const event of stream) console.log(told(event));

const one: number = (await stream.report({ taskId: 't1', status: 'completed', note: null })).seq;
const many: number[] = (await stream.report([{ taskId: 't1', progress: 5 }])).map(({ seq }) => seq);
await stream.command('cancel', { taskId: 't1', args: { hard: true } });
try {
  await stream.command('cancel');
} catch (err) {
  if (err instanceof JobLightError) console.log(err.code, err.status, err.fatal);
}

const client = new JobLight({ baseUrl: 'https://example.org', transports: ['ws', 'poll'], WebSocket });
const shared: TaskEventStream = client.stream({ jobId: 'j2' });
await client.report('j2', { taskId: 't1', progress: null });

const element = document.createElement('task-event-stream');
element.client = client;
element.onTaskUpdate = (update: TaskUpdate) => console.log(update.title);
document.addEventListener('task-stream:job-update', () => {});
element.addEventListener('task-stream:job-update', ({ detail }) => console.log(detail.status));
console.log(element.stream?.cursor, element instanceof TaskEventStreamElement);

const feed = eventParser((data, type, id) => console.log(data, type, id), (ms) => console.log(ms));
feed(new Uint8Array(3));
console.log(one, many, over, words, transport, shared, backoffMs(3));
`;

const BAD = [
  ['a stream without a job', 'new TaskEventStream({});'],
  ['an unknown status', "new TaskEventStream({ jobId: 'j', jobStatus: 'done' });"],
  ['an unknown transport', "new TaskEventStream({ jobId: 'j', transports: ['carrier pigeon'] });"],
  ['a setting that there is not', "new TaskEventStream({ jobId: 'j', retries: 3 });"],
  ['a state set from outside', "stream.state = 'live';"],
  ['a cursor set from outside', "stream.cursor = 'e.1';"],
  ['a report without a task', "stream.report({ status: 'completed' });"],
  ['a report of an unknown status', "stream.report({ taskId: 't', status: 'done' });"],
  ['progress as a text', "stream.report({ taskId: 't', progress: '42' });"],
  ['a detail that an event has not', "stream.addEventListener('deliverable', ({ detail }) => detail.progress);"],
  ['a task update that may have no note', 'onUpdate((update) => update.note.length);'],
  ['the receipt of a batch as one', "stream.report([{ taskId: 't' }]).then(({ seq }) => seq);"],
  ['a shared job id', "new JobLight({ jobId: 'j' });"],
  ['a number as a job id', 'element.jobId = 5;'],
  ['an element’s state set from outside', "element.state = 'live';"],
];
const programOf = (expect, statement) => `
import { TaskEventStream, type TaskUpdate } from 'joblight';
import { JobLight } from 'joblight/shared-socket';
import 'joblight/element';
declare const stream: TaskEventStream;
declare const element: HTMLElementTagNameMap['task-event-stream'];
declare function onUpdate(take: (update: TaskUpdate) => unknown): void;
console.log(TaskEventStream, JobLight, stream, element, onUpdate);
${expect}
${statement}
`;

let good;
let refused; // for each statement: what is said where a complaint is expected, and where none is
before(() => {
  const programs = BAD.flatMap(([, statement]) => ['// @ts-expect-error', ''].map((expect) => programOf(expect, statement)));
  let rest;
  [good, ...rest] = compile([GOOD, ...programs]);
  refused = BAD.map((_, i) => rest.slice(2 * i, 2 * i + 2));
});

test('a program that uses all of it compiles', () => {
  assert.deepEqual(good, []);
});

for (const [i, [what]] of BAD.entries()) {
  test(`${what} does not compile`, () => {
    const [expected, unexpected] = refused[i];
    assert.deepEqual(expected, []);
    assert.equal(unexpected.length, 1);
  });
}
