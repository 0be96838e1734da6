/* The page /docs: what openapi.json and asyncapi.json of this server say, for people. */
import { base } from './page/base.js';
import { byReference, fieldsOf, typeOf } from './page/schema.js';
import { $, setText } from './page/ui.js';

const OPERATION_METHODS = ['get', 'post', 'put', 'patch', 'delete'];

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Text in which `this` is code. */
function words(tag, text, className) {
  const made = element(tag, '', className);
  text.split('`').forEach((part, index) => made.append(index % 2 ? element('code', part) : part));
  return made;
}

const objects = new Set(); // the names of schemas that have an entry

/** A type, in which the names of objects lead to their entries. */
function typed(tag, text) {
  const made = element(tag);
  for (const part of text.split(/\b/)) {
    if (!objects.has(part)) {
      made.append(part);
      continue;
    }
    const link = element('a', part);
    link.href = `#${part}`;
    made.append(link);
  }
  return made;
}

function table(rows) {
  const made = element('table');
  for (const [name, type, text] of rows) {
    const row = made.insertRow();
    const head = element('th', name);
    head.scope = 'row';
    row.append(head, typed('td', type), words('td', text));
  }
  return made;
}

function addTable(entry, title, rows) {
  if (rows.length) entry.append(element('h4', title), table(rows));
}

function addFolded(entry, title, rows) {
  if (!rows.length) return;
  const folded = element('details');
  folded.append(element('summary', title), table(rows));
  entry.append(folded);
}

function rowsOf(description, schema) {
  return fieldsOf(description, schema).map(({ name, required, schema: field, text }) =>
    [required ? name : `${name}?`, typeOf(description, field), text]);
}

/* ---- routes ---- */

function example(method, path, operation) {
  const [type, sent] = Object.entries(operation.requestBody?.content || {})[0] || [];
  const flags = sent?.example ? `--json '${JSON.stringify(sent.example)}'` : `-H 'Content-Type: ${type}' --data-binary @FILE`;
  const body = sent ? ` \\\n  ${flags}` : '';
  const stream = operation.responses['200']?.content?.['text/event-stream'] ? ' -N' : '';
  const verb = method === 'get' || (method === 'post' && body) ? '' : ` -X ${method.toUpperCase()}`;
  return `curl${stream}${verb} ${location.origin}${base}${path}${body}`;
}

function parameterRows(description, operation) {
  return (operation.parameters || []).map((parameter) => byReference(description, parameter)).map((parameter) =>
    [parameter.required ? parameter.name : `${parameter.name}?`,
      `${parameter.in}, ${typeOf(description, parameter.schema)}`, parameter.description || '']);
}

function errorRows(description, operation) {
  const rows = [];
  for (const [status, answer] of Object.entries(operation.responses)) {
    if (status < 400) continue;
    for (const line of byReference(description, answer).description.split('\n')) {
      const [, code, means] = /^- `(\w+)`: (.*)$/.exec(line) || [];
      rows.push([code, status, means]);
    }
  }
  return rows;
}

function addAnswers(entry, description, operation) {
  for (const [status, answer] of Object.entries(operation.responses)) {
    if (status >= 400) continue;
    const [type, content] = Object.entries(answer.content || {})[0] || [];
    const what = type && type !== 'application/json' ? `, ${type}` : '';
    const rows = content?.schema ? rowsOf(description, content.schema) : [];
    entry.append(element('h4', `Answer ${status}: ${answer.description}${what}`));
    if (rows.length) entry.append(table(rows));
  }
}

function routeEntry(description, method, path, operation) {
  const entry = element('article', '', 'entry'), title = element('h3'), link = element('a');
  entry.id = operation.operationId;
  link.href = `#${entry.id}`;
  link.append(element('span', method.toUpperCase(), `method ${method}`), ` ${path}`);
  title.append(link);
  entry.append(title, element('p', operation.summary));
  if (operation['x-rights']) entry.append(element('p', `Needs the right ${operation['x-rights'].join(' or ')}.`, 'needs'));
  if (operation.description) entry.append(words('p', operation.description));
  entry.append(element('pre', example(method, path, operation)));
  addTable(entry, 'Parameters', parameterRows(description, operation));
  const body = operation.requestBody?.content['application/json']?.schema;
  if (body) addTable(entry, 'Body', rowsOf(description, body));
  addAnswers(entry, description, operation);
  addFolded(entry, 'Errors', errorRows(description, operation));
  return { entry, name: `${method.toUpperCase()} ${path}` };
}

function routes(description) {
  const byTag = new Map(description.tags.map(({ name, description: text }) => [name, { text, entries: [] }]));
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const method of OPERATION_METHODS.filter((one) => methods[one])) {
      byTag.get(methods[method].tags[0]).entries.push(routeEntry(description, method, path, methods[method]));
    }
  }
  return [...byTag].map(([title, { text, entries }]) => ({ title, text, entries }));
}

/* ---- objects ---- */

/* What bodies, answers and events are made of. */
function isObject(name, schema) {
  return Boolean(schema.properties || schema.oneOf) && !/(Request|Answer|Message)$/.test(name);
}

function objectEntry(description, name, schema) {
  const entry = element('article', '', 'entry'), title = element('h3'), link = element('a', name);
  entry.id = name;
  link.href = `#${name}`;
  title.append(link);
  entry.append(title);
  if (schema.oneOf) entry.append(typed('p', typeOf(description, schema)));
  else addTable(entry, 'Fields', rowsOf(description, schema));
  return { entry, name };
}

/* Events have their entries among the messages. */
function objectSection(description, messages) {
  const all = Object.entries(description.components.schemas).filter(([name, schema]) => isObject(name, schema));
  for (const [name] of all) objects.add(name);
  const found = all.filter(([name]) => !messages[name]);
  return () => ({ title: 'Objects', text: '', entries: found.map(([name, schema]) => objectEntry(description, name, schema)) });
}

/* ---- messages ---- */

function messageEntry(description, reference) {
  const id = reference.$ref.split('/').pop(), message = description.components.messages[id];
  const entry = element('article', '', 'entry'), title = element('h3'), link = element('a', message.name);
  entry.id = id;
  link.href = `#${id}`;
  title.append(link);
  entry.append(title);
  if (message['x-right'] && message['x-right'] !== 'none') {
    entry.append(element('p', `Needs the right ${message['x-right']}.`, 'needs'));
  }
  if (message.description) entry.append(words('p', message.description));
  addTable(entry, 'Fields', rowsOf(description, message.payload));
  return { entry, name: message.name };
}

function closeCodes(description) {
  const entry = element('article', '', 'entry');
  entry.id = 'close-codes';
  entry.append(element('h3', 'Close codes'));
  addTable(entry, 'Reconnect?', Object.entries(description.channels.socket['x-closeCodes'])
    .map(([code, { means, reconnect }]) => [code, reconnect, means]));
  return { entry, name: 'Close codes' };
}

function socket(description) {
  return Object.values(description.operations).map((operation) => ({
    title: `WebSocket: ${operation.summary.toLowerCase()}`,
    text: '',
    entries: operation.messages.map((reference) => messageEntry(description, reference)),
  })).concat({ title: 'WebSocket: its end', text: '', entries: [closeCodes(description)] });
}

/* ---- the page ---- */

function show(sections) {
  for (const { title, text, entries } of sections) {
    const section = element('section'), list = element('div');
    section.append(element('h2', title));
    if (text) section.append(element('p', text));
    list.append(element('h2', title));
    for (const { entry, name } of entries) {
      const link = element('a', name);
      link.href = `#${entry.id}`;
      section.append(entry);
      list.append(link);
    }
    $('reference').append(section);
    $('contents').append(list);
  }
}

function search() {
  const words = $('search').value.toLowerCase().split(/\s+/);
  for (const part of document.querySelectorAll('#reference > section')) {
    let any = false;
    for (const entry of part.querySelectorAll('.entry')) {
      const found = words.every((word) => entry.textContent.toLowerCase().includes(word));
      entry.hidden = !found;
      document.querySelector(`#contents a[href="#${entry.id}"]`).hidden = !found;
      any ||= found;
    }
    part.hidden = !any;
  }
  for (const list of $('contents').children) list.hidden = !list.querySelector('a:not([hidden])');
}

async function load(path) {
  const answer = await fetch(base + path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

try {
  const [http, ws] = await Promise.all([load('/openapi.json'), load('/asyncapi.json')]);
  const makeObjects = objectSection(http, ws.components.messages); // their names first, because all other entries lead to them
  show([...routes(http), makeObjects(), ...socket(ws)]);
  setText($('lead'), `${http.info.summary} Version ${http.info.version}, with the limits of this server.`);
  $('search').addEventListener('input', search);
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
} catch (err) {
  setText($('lead'), `The description cannot be loaded: ${err.message}`);
}
