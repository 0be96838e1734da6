/* Shows the last request of this page as code: curl, JavaScript and Python. */
import { needsKey } from './access.js';
import { base } from './base.js';
import { onRequest } from './request.js';
import { $, copyOnClick, setText, written } from './ui.js';

const CALM_MS = 1500; // a worker sends faster than people read

let shown;
let next;
let timer;
let tab = 'curl';

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const url = (path) => new URL(base + path, location.origin).href;

function python(value, indent = '') {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value !== 'object') return JSON.stringify(value);
  const deeper = `${indent}    `;
  const items = Array.isArray(value) ? value.map((item) => python(item, deeper))
    : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${python(item, deeper)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (!items.length) return open + close;
  return `${open}\n${items.map((item) => `${deeper}${item},`).join('\n')}\n${indent}${close}`;
}

export const WRITE = {
  curl: ({ method, path, body }) => [
    `curl ${needsKey() ? '-H "Authorization: Bearer $KEY" ' : ''}--json ${shell(JSON.stringify(body))} \\`,
    `  ${method === 'POST' ? '' : `-X ${method} `}${url(path)}`,
  ].join('\n'),
  javascript: ({ method, path, body }) => [
    `const answer = await fetch('${url(path)}', {`,
    `  method: '${method}',`,
    `  headers: { ${needsKey() ? "Authorization: 'Bearer ' + key, " : ''}'Content-Type': 'application/json' },`,
    `  body: JSON.stringify(${JSON.stringify(body, null, 2).replaceAll('\n', '\n  ')}),`,
    '});',
    'console.log(await answer.json());',
  ].join('\n'),
  python: ({ method, path, body }) => [
    'import json, urllib.request',
    '',
    `body = ${python(body)}`,
    'request = urllib.request.Request(',
    `    "${url(path)}",`,
    `    json.dumps(body).encode(), {${needsKey() ? '"Authorization": "Bearer " + key, ' : ''}"Content-Type": "application/json"},`,
    `    method="${method}")`,
    'print(urllib.request.urlopen(request).read().decode())',
  ].join('\n'),
};

function paint() {
  if (!shown) return;
  for (const node of [$('code'), $('code-copy'), document.querySelector('.tabs')]) node.hidden = false;
  $('no-code').hidden = true;
  setText($('code'), written(WRITE[tab](shown)));
}

/* The code does not change while the pointer or the focus is on it. */
const isRead = () => document.querySelector('.code-card:hover, .code-card:focus-within');

function turn() {
  timer = undefined;
  if (!next) return;
  timer = setTimeout(turn, CALM_MS);
  if (isRead() && shown) return;
  shown = next;
  next = undefined;
  paint();
}

export function showRequest(request) {
  next = request;
  if (!timer) turn();
}

function choose(wanted) {
  tab = wanted.id.replace('tab-', '');
  for (const node of document.querySelectorAll('[role=tab]')) {
    node.setAttribute('aria-selected', node === wanted);
    node.tabIndex = node === wanted ? 0 : -1;
  }
  $('code').setAttribute('aria-labelledby', wanted.id);
  paint();
}

for (const node of document.querySelectorAll('[role=tab]')) {
  node.addEventListener('click', () => choose(node));
  node.addEventListener('keydown', ({ key }) => {
    const to = { ArrowRight: node.nextElementSibling, ArrowLeft: node.previousElementSibling }[key];
    if (!to) return;
    choose(to);
    to.focus();
  });
}

copyOnClick($('code-copy'), () => $('code').textContent, $('code'));
onRequest(showRequest);
