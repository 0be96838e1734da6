/* What goes wrong is told in words a person can use, and goes over by itself where it can. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLive, seesText, textOf, until } from './support/browser.js';
import { CAKE, stage } from './support/stage.js';

const set = stage();
const problem = (status, code, detail) => ({
  status, headers: { 'content-type': 'application/problem+json' }, body: JSON.stringify({ status, code, detail }),
});
const html = (status) => ({ status, headers: { 'content-type': 'text/html' }, body: '<h1>Bad Gateway</h1>' });
const isApi = ({ url }) => url.startsWith('/api/');

test('a job that is not there is told under a title of its own, with a way out', async () => {
  const page = await set.open('/jobs/no-such-job');
  await seesText(page, '#notice', 'There is no such job');
  assert.equal(await textOf(page, '#absent-title'), 'No such job');
  assert.equal(await page.title(), 'No such job · joblight');
  await page.click('#absent a');
  await until(page, () => location.pathname === '/');
});

test('a job one may not see is told', async () => {
  set.proxy.rule = (request) => (isApi(request) ? problem(403, 'forbidden', 'no') : undefined);
  const page = await set.open('/jobs/secret', { through: set.proxy });
  await seesText(page, '#notice', 'You are not allowed to see this job');
  assert.equal(await textOf(page, '#absent-title'), 'Not allowed');
});

for (const [what, answer, words] of [
  ['restarting', problem(503, 'overloaded', 'busy'), 'busy or restarting'],
  ['behind a gateway that cannot reach it', html(502), 'a proxy answered'],
]) {
  test(`a server that is ${what} is waited for, with a countdown`, async () => {
    const job = await set.server.createJob(CAKE);
    set.proxy.rule = (request) => (isApi(request) ? answer : undefined);
    const page = await set.open(`/jobs/${job.id}`, { through: set.proxy });
    await seesText(page, '#notice', words);
    await seesText(page, '#notice', 'Next try in 2 s');
    await seesText(page, '#notice', 'Next try in 1 s');
    set.proxy.rule = () => undefined;
    await isLive(page);
    assert.equal(await page.$eval('#notice', (node) => node.hidden), true);
    assert.equal(await page.$eval('#absent', (node) => node.hidden), true);
  });
}

test('somebody else’s 404 is no missing job, and the job is shown when the server is back', async () => {
  const job = await set.server.createJob(CAKE);
  set.proxy.rule = (request) => (isApi(request) ? html(404) : undefined);
  const page = await set.open(`/jobs/${job.id}`, { through: set.proxy });
  await seesText(page, '#notice', 'Something that is not joblight answered with 404. Does the proxy pass /api/ on');
  assert.equal(await textOf(page, '#absent-title'), 'One moment');
  set.proxy.rule = () => undefined;
  await isLive(page);
});

for (const path of ['/', '/jobs/any']) {
  test(`an interface that is not where the page looks for it is told as such, and at once: ${path}`, async () => {
    set.proxy.rule = (request) => (isApi(request) ? { ...html(200), body: '<h1>Welcome</h1>' } : undefined);
    const page = await set.open(path, { through: set.proxy });
    await seesText(page, '#notice', 'Something that is not joblight answered with 200.');
    await seesText(page, '#notice', 'Does the proxy pass /api/ on to joblight?');
  });
}

test('a stream that failed for good can be tried again', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job, { through: set.proxy });
  set.proxy.rule = (request) => (isApi(request) ? problem(403, 'forbidden', 'no') : undefined);
  set.proxy.cut();
  await seesText(page, '#link-word', 'Not live');
  await seesText(page, '#link-detail', 'You are not allowed to watch this job.');
  await seesText(page, '#cut', 'Try again');
  set.proxy.rule = () => undefined;
  await set.server.report(job.id, { taskId: 'bake', status: 'completed' });
  await page.click('#cut');
  await isLive(page);
  await seesText(page, '#counts', '1 of 6 tasks done');
  await seesText(page, '#cut', 'Cut my connection');
});

test('that the connection is back is news for ten seconds', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  await page.evaluate(() => { // time stands still until the test moves it
    let at = Date.now();
    Date.now = () => at;
    window.ahead = (ms) => { at += ms; };
  });
  await page.click('#cut');
  await set.server.report(job.id, { taskId: 'bake', status: 'completed' });
  await seesText(page, '#link-detail', 'Back. 1 event happened meanwhile');
  const since = await textOf(page, '#since');
  await page.evaluate(() => window.ahead(9999));
  await until(page, (text) => document.getElementById('since').textContent !== text, since); // it was painted again
  await seesText(page, '#link-detail', 'Back.');
  await page.evaluate(() => window.ahead(1));
  await until(page, () => !document.getElementById('link-detail').textContent.includes('Back'));
  await seesText(page, '#link-detail', 'The server speaks at least every');
});

for (const [code, status, words] of [
  ['forbidden_origin', 403, 'it does not get the Host of this page'],
  ['host_not_served', 421, 'does not go by the name that the WebSocket asks for'],
]) {
  test(`a WebSocket that is refused with ${code} leads to advice about the Host`, async () => {
    set.proxy.rule = ({ url, method, headers }) => {
      if (!url.startsWith('/api/ws')) return undefined;
      return headers.upgrade || method === 'POST' ? problem(status, code, 'no') : undefined;
    };
    const job = await set.server.createJob(CAKE);
    const page = await set.open(`/jobs/${job.id}`, { through: set.proxy });
    await isLive(page);
    await seesText(page, '#advice', words);
    await seesText(page, '#advice', set.proxy.url.replace(code === 'host_not_served' ? /:\d+$/ : '', '').replace(
      code === 'host_not_served' ? 'http://' : '', ''));
    assert.equal(await textOf(page, '#advice-code'), 'proxy_set_header Host $http_host;');
  });
}

test('a WebSocket that is refused for no reason of ours leads to advice about upgrades', async () => {
  set.proxy.rule = ({ url, headers }) => (url.startsWith('/api/ws') && headers.upgrade ? html(400) : undefined);
  const page = await set.open(`/jobs/${(await set.server.createJob(CAKE)).id}`, { through: set.proxy });
  await isLive(page);
  await seesText(page, '#advice-code', 'proxy_set_header Upgrade $http_upgrade');
});

test('a server that goes away under a live page is counted down to, and remembered', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job, { through: set.proxy });
  await page.evaluate(() => { Math.random = () => 1; }); // the longest pauses
  await set.proxy.refuse();
  await seesText(page, '#link-word', 'Reconnecting');
  await until(page, () => /Next try in [234] s\./.test(document.getElementById('link-detail').textContent));
  await set.server.report(job.id, { taskId: 'bake', status: 'completed' });
  await set.proxy.accept();
  await page.click('#cut'); // it says "Reconnect now"
  await isLive(page);
  await seesText(page, '#counts', '1 of 6 tasks done');
  await seesText(page, '#trouble-words', 'ago');
  assert.deepEqual([await textOf(page, '#lost'), await textOf(page, '#repeated')], ['0', '0']);
});

test('a proxy that holds streams is recognised, and what to tell it is said', async () => {
  set.proxy.rule = ({ url }) => (url.includes('task-events') ? 'hold' : undefined);
  const page = await set.open(`/jobs/${(await set.server.createJob(CAKE)).id}`, { through: set.proxy });
  await until(page, () => !document.getElementById('columns').hidden);
  await page.evaluate(() => document.querySelector('[name=transport][value=sse]').click());
  await seesText(page, '#link-detail', 'holds the stream back');
  await page.evaluate(() => document.querySelector('[name=transport][value=""]').click());
  await seesText(page, '#link-word', 'Live');
});

test('where streams are held and sockets refused it lives by polling and says how to have more', async () => {
  set.proxy.rule = ({ url }) => (/task-events|api\/ws/.test(url) ? 'hold' : undefined);
  const job = await set.server.createJob(CAKE);
  const page = await set.open(`/jobs/${job.id}`, { through: set.proxy });
  await seesText(page, '#link-word', 'Live by polling');
  await seesText(page, '#advice', 'This page uses polling for now:');
  await seesText(page, '#advice-code', 'proxy_buffering off;');
  await set.server.report(job.id, { taskId: 'bake', note: 'by polling' });
  await seesText(page, '#tasks', 'by polling');
});

test('a comment that cannot be sent stays in its field, with the reason', async () => {
  const page = await set.openJob(await set.server.createJob(CAKE), { through: set.proxy });
  set.proxy.rule = ({ url }) => (url.endsWith('/commands') ? problem(403, 'forbidden', 'no') : undefined);
  await page.type('#words', 'hello');
  await page.keyboard.press('Enter');
  await seesText(page, '#talk-hint', 'You are not allowed to do this.');
  assert.equal(await page.$eval('#words', (input) => input.value), 'hello');
});

test('without any storage the page does all it does', async () => {
  const first = `for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches']) {
    Object.defineProperty(window, name, { get() { throw new DOMException('forbidden', 'SecurityError'); } });
  }
  Object.defineProperty(document, 'cookie', { get() { throw new DOMException('forbidden', 'SecurityError'); } });`;
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job, { first });
  await set.server.report(job.id, { taskId: 'bake', status: 'completed' });
  await seesText(page, '#counts', '1 of 6 tasks done');
  const list = await set.open('/', { first });
  await seesText(list, '#jobs', 'Bake a lemon cake');
});

test('back and forward lead to the list and to the job, live again', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.open('/?show=open&q=lemon');
  await until(page, () => document.querySelector('.job'));
  await page.click(`.job[href="/jobs/${job.id}"]`);
  await isLive(page);
  await page.goBack();
  await until(page, () => document.querySelector('.job') && document.getElementById('search').value === 'lemon');
  assert.equal(await page.$eval('[name=filter][value=open]', (radio) => radio.checked), true);
  await page.goForward();
  await isLive(page);
  await set.server.report(job.id, { taskId: 'bake', status: 'completed' });
  await seesText(page, '#counts', '1 of 6 tasks done');
  assert.deepEqual([await textOf(page, '#lost'), await textOf(page, '#repeated')], ['0', '0']);
});

test('the title of a tab in the background shows how far the job is, and that it is done', async () => {
  const job = await set.server.createJob(CAKE);
  const page = await set.openJob(job);
  const other = await set.open('/');
  await other.bringToFront();
  await set.server.report(job.id, [{ taskId: 'bake', status: 'completed' }, { taskId: 'zest', status: 'completed' }]);
  await until(page, () => document.title.startsWith('33 %'));
  const bulb = await page.$eval('link[rel=icon]', (link) => link.href);
  await set.server.setStatus(job.id, 'completed');
  await until(page, () => document.title === '✓ Done · Bake a lemon cake');
  assert.notEqual(await page.$eval('link[rel=icon]', (link) => link.href), bulb);
});

for (const where of ['title', 'note', 'comment', 'agent']) {
  test(`text that turns the direction stays in its own box (${where})`, async () => {
    const evil = 'x\u202Egnp.exe\u2066 \u202D';
    const shown = 'x[U+202E]gnp.';
    const title = where === 'title' ? evil : 'Fine';
    const job = await set.server.createJob({ title, tasks: [{ id: 'read', title }] });
    const page = await set.openJob(job, { width: 390, height: 844 });
    const api = `/api/jobs/${job.id}`;
    if (where === 'note') await set.server.report(job.id, { taskId: 'read', note: evil });
    const post = (path, body) => set.server.call('POST', `${api}/${path}`, body);
    if (where === 'comment') await post('commands', { command: 'comment', args: { text: evil, from: evil } });
    if (where === 'agent') await post('presence', { agent: 'a', state: evil.slice(0, 20), taskId: 'read' });
    await until(page, (text) => document.body.textContent.includes(text), shown);
    const [inner, needed, left] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth,
      ...[...document.querySelectorAll('.word, .ago, #status')].map((node) => node.getBoundingClientRect().left)]);
    assert.ok(needed <= inner && left >= 0);
    const isolated = await page.evaluate((text) => {
      const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
      const loose = [];
      while (walker.nextNode()) {
        if (!walker.currentNode.data.includes(text)) continue;
        let node = walker.currentNode.parentElement;
        const own = node;
        while (node && !/isolate|plaintext/.test(getComputedStyle(node).unicodeBidi)
          && !['block', 'flex', 'grid'].includes(getComputedStyle(node).display)) node = node.parentElement;
        if (!node || node.localName === 'main') loose.push(own.outerHTML);
      }
      return loose;
    }, shown);
    assert.deepEqual(isolated, []);
  });
}
