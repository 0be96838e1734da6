/* custom-elements.json says of the element what is true of it: each thing is done to a real one, in a real browser. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { launch, openPage, until } from './support/browser.js';
import { packedFiles } from './support/package.js';
import { connected, problem, update } from './support/script.js';
import { SocketServer } from './support/socket.js';

const text = (name) => readFileSync(new URL(`../../www/${name}`, import.meta.url), 'utf8');
const manifest = JSON.parse(text('custom-elements.json'));
const [module] = manifest.modules;
const [said] = module.declarations;
const names = (list) => list.map(({ name }) => name);
const sorted = (list) => [...list].sort();

let sockets;
let chromium;
let page;

before(async () => { [sockets, chromium] = await Promise.all([SocketServer.start(), launch()]); });
after(async () => {
  await chromium.close();
  await sockets.stop();
});
beforeEach(async () => {
  page = await openPage(chromium.browser, `${sockets.url}/`);
  await page.evaluate(() => import('/task-event-stream.js'));
});
afterEach(async () => {
  sockets.reset();
  await page.close();
});

/** Everything a job can say, one after the other. */
const JOB = [
  connected(), { type: 'heartbeat', jobId: 'j', head: 1 }, update(2),
  { type: 'deliverable', jobId: 'j', seq: 3, deliverableId: 'd', title: 'D', url: 'https://example.org/' },
  { type: 'command', jobId: 'j', seq: 4, command: 'cancel', args: {} },
  { type: 'presence', jobId: 'j', watchers: 1, agents: [] },
  { type: 'job_update', jobId: 'j', seq: 5, status: 'completed', title: 'J' },
];

const speak = (messages) => {
  sockets.script = (socket) => {
    socket.hears = ({ type }) => { if (type === 'subscribe') messages.forEach(socket.say); };
  };
};

const put = (attributes) => page.evaluate((given) => {
  const element = window.element = document.createElement('task-event-stream');
  for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
  document.body.append(element);
}, attributes);
const reaches = (state) => until(page, (wanted) => window.element.getAttribute('state') === wanted, state);

test('it is a manifest of one module, and every file it and the package name is in the package', async () => {
  assert.equal(manifest.schemaVersion, '2.1.0');
  assert.equal(manifest.modules.length, 1);
  const packed = await packedFiles();
  const { files, exports, customElements, types } = JSON.parse(text('package.json'));
  assert.equal(`./${module.path}`, exports['./element'].default);
  for (const name of files) assert.ok(packed.some((path) => path === name || path.startsWith(`${name}/`)), name);
  for (const name of [module.path, customElements, types.slice(2)]) assert.ok(packed.includes(name), name);
  for (const name of Object.values(exports).flatMap((paths) => (paths.default ? Object.values(paths) : paths))) {
    assert.ok(packed.includes(name.slice(2)), name);
  }
});

test('the tag, the class and the exports are those of the module', async () => {
  const found = await page.evaluate(async (path) => {
    const exported = await import(`/${path}`);
    const [name] = Object.keys(exported);
    const element = document.createElement('task-event-stream');
    return { name, above: Object.getPrototypeOf(exported[name]).name, is: element instanceof exported[name] };
  }, basename(module.path));
  assert.deepEqual(found, { name: said.name, above: said.superclass.name, is: true });
  assert.deepEqual(module.exports.map(({ name, declaration }) => [name, declaration.name]),
    [[said.name, said.name], [said.tagName, said.name]]);
});

test('the attributes are the observed ones, and their fields mirror them', async () => {
  const observed = await page.evaluate(() => customElements.get('task-event-stream').observedAttributes);
  assert.deepEqual(sorted(names(said.attributes)), sorted(observed));
  for (const { name, fieldName } of said.attributes.filter((attribute) => attribute.fieldName)) {
    const [there, back] = await page.evaluate((attribute, field) => {
      const element = document.createElement('task-event-stream');
      element[field] = 'x1';
      const reflected = element.getAttribute(attribute);
      element.setAttribute(attribute, 'x2');
      return [reflected, element[field]];
    }, name, fieldName);
    assert.deepEqual([there, back], ['x1', 'x2'], name);
    assert.ok(said.members.find((member) => member.name === fieldName && member.attribute === name), name);
  }
});

test('the members are those of the types, and the readonly ones cannot be set', async () => {
  const declared = /class TaskEventStreamElement[^{]*{([^]*?)\n}/.exec(text('task-event-stream.d.ts'))[1];
  const typed = [...declared.matchAll(/^ {2}(readonly )?(\w+)\??:/gm)];
  assert.deepEqual(sorted(said.members.map(({ name, readonly = false }) => `${name} ${readonly}`)),
    sorted(typed.map(([, readonly, name]) => `${name} ${Boolean(readonly)}`)));
  const readonly = said.members.filter((member) => member.readonly);
  const held = await page.evaluate((list) => list.map((name) => {
    const element = document.createElement('task-event-stream');
    const before = element[name];
    try {
      element[name] = 'other';
    } catch { /* a getter alone */ }
    return element[name] === before;
  }), names(readonly));
  assert.deepEqual(held, readonly.map(() => true));
});

test('each property that can be set does what it says', async () => {
  speak(JOB);
  sockets.plain = () => ({ body: { ticket: 't' } });
  const found = await page.evaluate(async () => {
    const { JobLight } = await import('/shared-socket.js');
    const used = new Set();
    const element = document.createElement('task-event-stream');
    const client = new JobLight();
    const { stream } = client;
    client.stream = (options) => {
      used.add('client');
      return stream.call(client, options);
    };
    Object.assign(element, {
      client,
      token: () => used.add('token') && 'secret',
      fetch: (...about) => used.add('fetch') && fetch(...about),
      onTaskUpdate: () => used.add('onTaskUpdate'),
      onJobUpdate: () => used.add('onJobUpdate'),
      jobId: 'j',
    });
    await new Promise((resolve) => {
      element.addEventListener('task-stream:end', resolve);
      document.body.append(element);
    });
    return [...used];
  });
  const mirrors = names(said.members.filter(({ attribute, readonly }) => !attribute && !readonly));
  assert.deepEqual(sorted(found), sorted(mirrors));
});

test('the events are those that a job brings, bubbling and composed', async () => {
  speak(JOB);
  const types = await page.evaluate(async (list) => {
    const fired = new Set();
    const box = document.createElement('div'); // they leave a shadow tree, too
    box.attachShadow({ mode: 'open' }).innerHTML = '<task-event-stream job-id="j"></task-event-stream>';
    const element = box.shadowRoot.firstChild;
    const { dispatchEvent } = element;
    element.dispatchEvent = (event) => {
      fired.add(`fired ${event.type}`);
      return dispatchEvent.call(element, event);
    };
    for (const type of list) document.addEventListener(type, () => fired.add(`heard ${type}`));
    await new Promise((resolve) => {
      document.addEventListener('task-stream:end', resolve);
      document.body.append(box);
    });
    return [...fired];
  }, names(said.events));
  const wanted = names(said.events).flatMap((type) => [`fired ${type}`, `heard ${type}`]);
  assert.deepEqual(sorted(types), sorted(wanted));
  for (const type of names(said.events)) assert.ok(text('task-event-stream.d.ts').includes(`'${type}'`), type);
});

test('the parts are those of its shadow tree', async () => {
  const parts = await page.evaluate(() => {
    const { shadowRoot } = document.createElement('task-event-stream');
    return [...shadowRoot.querySelectorAll('[part]')].map(({ part }) => part.value);
  });
  assert.deepEqual(sorted(parts), sorted(names(said.cssParts)));
});

test('the CSS variables colour it, and have the defaults that are said', async () => {
  const used = [...text('task-event-stream.js').matchAll(/var\((--[\w-]+), ([^)]+)\)/g)]
    .map(([, name, value]) => `${name} ${value}`);
  assert.deepEqual(sorted(said.cssProperties.map((property) => `${property.name} ${property.default}`)), sorted(used));
  const colour = () => page.evaluate(() => getComputedStyle(window.element).color);
  speak([connected()]);
  await put({ 'job-id': 'j' });
  await reaches('live');
  assert.equal(await colour(), 'rgb(21, 128, 61)');
  await page.evaluate((list) => list.forEach((name, i) =>
    window.element.style.setProperty(name, `rgb(${i}, ${i}, ${i})`)), names(said.cssProperties));
  assert.equal(await colour(), 'rgb(0, 0, 0)');
  await page.evaluate(() => { window.element.jobStatus = 'completed'; });
  await reaches('ended');
  assert.equal(await colour(), 'rgb(2, 2, 2)');
});

const WAYS = {
  connecting: { 'job-id': 'j' },
  live: { 'job-id': 'j' },
  checking: { 'job-id': 'j' },
  polling: { 'job-id': 'j', transports: 'poll' },
  reconnecting: { 'job-id': 'j', transports: 'poll' },
  ended: { 'job-id': 'j', 'job-status': 'completed' },
  failed: { 'job-id': 'j', transports: 'poll' },
};
const POLLED = {
  polling: { body: { epoch: 'e', cursor: 'e.1', head: 1, status: 'in_progress', events: [] } },
  reconnecting: { status: 503 },
  failed: problem(404, 'not_found', 'no'),
};
for (const state of names(said.cssStates)) {
  test(`:state(${state}) matches`, async () => {
    if (/live|checking/.test(state)) speak([connected()]); // it answers no ping
    sockets.plain = () => POLLED[state] || { status: 404 };
    await put(WAYS[state]);
    if (state === 'checking') {
      await reaches('live');
      await page.evaluate(() => window.dispatchEvent(new Event('offline')));
    }
    await until(page, (wanted) => window.element.matches(`:state(${wanted})`), state);
  });
}

test('the states are those it has words for', () => {
  const words = /const WORDS = {([^}]*)}/.exec(text('task-event-stream.js'))[1];
  assert.deepEqual(sorted(names(said.cssStates)), sorted([...words.matchAll(/(\w+):/g)].map(([, state]) => state)));
});
