/* The job page as a person sees it: in real Chromium, from the real server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';
import { isLive, launch, openPage, seesText, shoot, textOf, until } from './support/browser.js';
import { Proxy } from './support/proxy.js';
import { Server } from './support/server.js';
import { eventually, pause } from './support/wait.js';

const run = promisify(execFile);
const CAKE = {
  title: 'Bake a lemon cake',
  status: 'in_progress',
  tasks: [
    { id: 'shop', title: 'Find the ingredients' }, { id: 'whisk', title: 'Whisk eggs and sugar' },
    { id: 'zest', title: 'Zest four lemons' }, { id: 'bake', title: 'Bake at 175 °C' },
    { id: 'cool', title: 'Let it cool' }, { id: 'ice', title: 'Pour the icing' },
  ],
};

let server;
let demo;
let proxy;
let chromium;
const pages = [];

before(async () => {
  server = await Server.start();
  demo = await Server.demo();
  proxy = await Proxy.start(server.url);
  chromium = await launch();
});
after(async () => {
  await chromium.close();
  await proxy.stop();
  await server.stop();
  await demo.stop();
});
afterEach(async () => {
  for (const page of pages.splice(0)) {
    assert.deepEqual(page.faults, [], 'script errors or blocked resources');
    await page.close();
  }
  proxy.rule = () => undefined;
});

async function open(path, { through = server, ...options } = {}) {
  const page = await openPage(chromium.browser, through.url + path, options);
  pages.push(page);
  return page;
}

async function openJob(job, options) {
  const page = await open(`/jobs/${job.id}`, options);
  await isLive(page);
  return page;
}

/** Every seq the page is handed, as it comes. */
const collect = (page) => page.evaluate(() => {
  window.seqs = [];
  document.addEventListener('task-stream:event', ({ detail }) => { if (detail.seq) window.seqs.push(detail.seq); });
});

const rowOf = (page, title) => page.evaluate((wanted) => {
  const row = [...document.querySelectorAll('.task')].find((li) => li.querySelector('.name').textContent === wanted);
  if (!row) return null;
  const text = (part) => row.querySelector(part).textContent;
  const bar = Boolean(row.querySelector('.bar'));
  return { status: row.dataset.status, word: text('.word'), note: text('.note'), bar };
}, title);

const proof = async (page) => [await textOf(page, '#lost'), await textOf(page, '#repeated')];

test('the page of a job goes live and shows its tasks', async () => {
  const job = await server.createJob(CAKE);
  const page = await openJob(job);
  assert.equal(await textOf(page, '#title'), 'Bake a lemon cake');
  await seesText(page, '#status', 'In progress');
  assert.equal(await page.$$eval('.task', (rows) => rows.length), 6);
  await seesText(page, '#link-word', 'Live');
  await seesText(page, '#counts', '0 of 6 tasks done');
  assert.equal(await page.$eval('task-event-stream', (node) => node.shadowRoot.textContent.trim()), 'Live ●');
});

test('a worker’s curl moves a task on the screen', async () => {
  const job = await server.createJob();
  const page = await openJob(job);
  const began = Date.now();
  const body = '{"taskId":"read","status":"in_progress","progress":42,"note":"page 42 of 100"}';
  await run('curl', ['-sS', '--fail', '-X', 'POST', '-H', 'Content-Type: application/json', '-d', body,
    `${server.url}/api/agent-hooks/task-update/${job.id}`]);
  await seesText(page, '.task .note', 'page 42 of 100');
  assert.ok(Date.now() - began < 3000);
  assert.deepEqual(await rowOf(page, 'Read the sources'),
    { status: 'in_progress', word: 'In progress · 42 %', note: 'page 42 of 100', bar: true });
  await seesText(page, '#percent', '21 %');
});

test('the curl line on the page works as it stands', async () => {
  const job = await demo.createJob();
  const page = await openJob(job, { through: demo });
  const line = await textOf(page, '#curl');
  await run('sh', ['-c', line.replace('curl ', 'curl -sS --fail ')]);
  await seesText(page, '#hint', 'It landed');
  await seesText(page, '#tasks', 'Hello!');
  assert.equal((await rowOf(page, 'hello')).word, 'In progress · 42 %');
});

test('the copy button copies the line, also where there is no clipboard interface', async () => {
  const job = await demo.createJob();
  const page = await openJob(job, { through: demo });
  const copied = await page.evaluate(async () => {
    Object.defineProperty(navigator, 'clipboard', { value: undefined }); // as on plain http
    const text = new Promise((resolve) => {
      document.addEventListener('copy', () => resolve(document.activeElement.value), { once: true });
    });
    document.getElementById('copy').click();
    return text;
  });
  assert.equal(copied, await textOf(page, '#curl'));
  await seesText(page, '#copy', 'Copied');
});

test('killed with SIGKILL under load and started again, nothing is missing and nothing comes twice', async () => {
  const own = await Server.start();
  try {
    const job = await own.createJob(CAKE);
    const page = await openJob(job, { through: own });
    await collect(page);
    let answered = 0;
    let stop = false;
    const worker = (async () => {
      for (let i = 0; !stop; i++) {
        const { id } = CAKE.tasks[i % CAKE.tasks.length];
        await own.report(job.id, { taskId: id, status: 'in_progress', progress: i % 101, note: `step ${i}` })
          .then(() => { answered++; }, () => pause(20));
      }
    })();
    for (let round = 0; round < 2; round++) {
      const mark = answered;
      await eventually('updates flow', () => answered > mark + 20);
      await own.kill();
      await until(page, () => document.querySelector('task-event-stream').state === 'reconnecting');
      await own.start();
      await isLive(page);
    }
    stop = true;
    await worker;
    const truth = await own.call('GET', `/api/jobs/${job.id}`);
    await until(page, (seq) => window.seqs.at(-1) === seq, truth.seq);
    const seqs = await page.evaluate(() => window.seqs);
    assert.deepEqual(seqs, Array.from({ length: truth.seq - 1 }, (_, i) => i + 2));
    assert.ok(truth.seq - 1 >= answered, `${answered} were answered, ${truth.seq - 1} are there`);
    for (const task of truth.tasks) {
      await seesText(page, '#tasks', task.note || '');
      assert.equal((await rowOf(page, task.title)).note, task.note || '');
    }
    assert.deepEqual(await proof(page), ['0', '0']);
    await seesText(page, '#reconnects', '2');
  } finally {
    await own.stop();
  }
});

test('"Cut my connection" shows the break, then comes back with everything that happened meanwhile', async () => {
  const job = await server.createJob(CAKE);
  const page = await openJob(job);
  await collect(page);
  await server.report(job.id, { taskId: 'shop', status: 'in_progress' });
  await until(page, () => window.seqs.length === 1);
  await page.click('#cut');
  await seesText(page, '#link-word', 'Reconnecting…');
  for (const { id } of CAKE.tasks) await server.report(job.id, { taskId: id, status: 'completed' });
  await shoot(page, 'job-reconnecting');
  await isLive(page);
  await seesText(page, '#counts', '6 of 6 tasks done');
  await seesText(page, '#link-detail', '6 events happened meanwhile');
  assert.deepEqual(await page.evaluate(() => window.seqs), [2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(await proof(page), ['0', '0']);
});

test('"Cut my connection" cuts the one that the tabs share, whichever of them has it', async () => {
  const job = await server.createJob(CAKE);
  const pages = [await openJob(job), await openJob(job)];
  for (const page of pages) await seesText(page, '#watchers', '2 watching');
  for (const page of pages) { // the one that has it, and the one that has not
    await page.evaluate(() => document.getElementById('cut').click());
    for (const one of pages) await seesText(one, '#link-word', 'Reconnecting…');
    for (const one of pages) await isLive(one);
  }
  for (const page of pages) assert.deepEqual(await proof(page), ['0', '0']);
});

test('where a proxy holds streams back the page lives by a WebSocket', async () => {
  proxy.rule = ({ url }) => (url.includes('task-events') ? 'hold' : undefined);
  const job = await server.createJob();
  const page = await open(`/jobs/${job.id}`, { through: proxy });
  await seesText(page, '#transport', 'WebSocket');
  await server.report(job.id, { taskId: 'write', status: 'completed', note: 'done by socket' });
  await seesText(page, '#tasks', 'done by socket');
});

test('the transport can be switched while events flow, and none is lost', async () => {
  const job = await server.createJob();
  const page = await openJob(job);
  await collect(page);
  let sent = 0;
  const send = async (times) => {
    for (let i = 0; i < times; i++, sent++) await server.report(job.id, { taskId: 'read', progress: i });
  };
  for (const [value, word] of [['poll', 'Live by polling'], ['sse', 'Live'], ['', 'Live']]) {
    await send(10);
    const moving = send(10);
    await page.evaluate((v) => document.querySelector(`[name=transport][value="${v}"]`).click(), value);
    await until(page, (w) => document.getElementById('link-word').textContent === w, word);
    await moving;
  }
  await until(page, (n) => window.seqs.length >= n, sent);
  assert.deepEqual(await page.evaluate(() => window.seqs), Array.from({ length: sent }, (_, i) => i + 2));
});

test('a second window is counted', async () => {
  const job = await server.createJob();
  await openJob(job);
  const second = await openJob(job);
  await seesText(second, '#watchers', '2 watching');
});

test('markup, scripts, bidi overrides and endless words in titles and notes are text', async () => {
  const evil = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script><b>bold</b>';
  const job = await server.createJob({ title: `${evil}\u202Etxet`, tasks: [{ id: 'read', title: evil }] });
  const page = await openJob(job, { width: 390, height: 844 });
  await server.report(job.id, { taskId: 'read', status: 'in_progress', note: evil });
  await seesText(page, '.note', evil);
  await server.report(job.id, { taskId: 'read', note: 'w'.repeat(16 * 1024) });
  await until(page, () => document.querySelector('.note').textContent.length === 16 * 1024);
  assert.equal(await textOf(page, '.name'), evil);
  const made = 'main img, main b:not([id]), main script, #raw *:not(li):not(span)';
  assert.equal(await page.$$eval(made, (nodes) => nodes.length), 0);
  assert.doesNotMatch(await page.title(), /^owned$/);
  const [inner, needed] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  assert.ok(needed <= inner, `the page is ${needed} wide in a window of ${inner}`);
  assert.ok(await page.$eval('.note', (note) => note.clientHeight) < 120);
  await page.click('.more');
  assert.ok(await page.$eval('.note', (note) => note.clientHeight) > 1000);
});

test('a deliverable with a hostile address is not a link', async () => {
  const job = await server.createJob();
  const page = await openJob(job);
  await page.evaluate(() => {
    const element = document.querySelector('task-event-stream');
    const send = (seq, url) => element.dispatchEvent(new CustomEvent('task-stream:event', {
      detail: { type: 'deliverable', jobId: 'x', seq, deliverableId: url, title: `file ${seq}`, url },
    }));
    send(2, 'javascript:alert(1)');
    send(3, 'https://example.org/report.pdf');
  });
  await seesText(page, '#files', 'file 3');
  const links = await page.$$eval('#files a', (nodes) => nodes.map(({ href }) => href));
  assert.deepEqual(links, ['https://example.org/report.pdf']);
});

test('the end of the job is shown, the connection closed, and nothing is requested after it', async () => {
  const job = await server.createJob();
  const page = await open(`/jobs/${job.id}`, { through: proxy });
  await isLive(page);
  await server.setStatus(job.id, 'completed');
  await seesText(page, '#link-word', 'Finished');
  await seesText(page, '#status', 'Completed');
  assert.match(await page.title(), /^✓ Done/);
  await eventually('the connection is closed', () => !proxy.open('task-events').length);
  proxy.requests.length = 0;
  await pause(2500); // longer than anything the page does on a clock
  assert.deepEqual(proxy.asked('/api/').map(({ url }) => url), []);
});

test('a job that is over when the page opens is shown without a stream', async () => {
  const job = await server.createJob();
  await server.report(job.id, { taskId: 'read', status: 'completed' });
  await server.setStatus(job.id, 'failed');
  proxy.requests.length = 0;
  const page = await open(`/jobs/${job.id}`, { through: proxy });
  await seesText(page, '#status', 'Failed');
  await seesText(page, '#link-word', 'Finished');
  assert.equal(proxy.asked('task-events').length, 0);
});

test('a pending job is shown, and goes live when it begins', async () => {
  const job = await server.createJob({ status: 'pending' });
  const page = await open(`/jobs/${job.id}`);
  await seesText(page, '#link-word', 'Waiting for the job to start');
  await server.setStatus(job.id, 'in_progress');
  await isLive(page);
});

test('a job that is deleted while one looks at it is said to be deleted', async () => {
  const job = await server.createJob();
  const page = await openJob(job);
  await fetch(`${server.url}/api/jobs/${job.id}`, { method: 'DELETE' });
  await seesText(page, '#status', 'Deleted');
  await seesText(page, '#notice', 'This job was deleted');
});

for (const [days, word] of [[1, 'a day ahead'], [-1, 'a day behind']]) {
  test(`a browser whose clock is ${word} still shows right times and delays`, async () => {
    const shift = `{ const now = Date.now; Date.now = () => now() + ${days * 86400000}; }`;
    const job = await server.createJob();
    const page = await openJob(job, { first: shift });
    await server.report(job.id, { taskId: 'read', status: 'in_progress' });
    await until(page, () => /^\d+ ms$/.test(document.getElementById('delay').textContent));
    assert.ok(parseInt(await textOf(page, '#delay'), 10) < 5000);
    await until(page, () => /^created (now|\d+ s ago)$/.test(document.getElementById('since').textContent));
  });
}

test('a browser whose clock is set and set right again shows right times', async () => {
  const job = await server.createJob();
  const page = await openJob(job, { first: '{ const now = Date.now; window.off = 0; Date.now = () => now() + window.off; }' });
  for (const [i, off] of [0, -3600000, 0, 3600000, 0].entries()) {
    await page.evaluate((ms) => { window.off = ms; }, off);
    await server.report(job.id, { taskId: 'read', status: 'in_progress', note: `n${i}` });
    await seesText(page, '.task .note', `n${i}`);
    await until(page, () => /^(now|\d+ s ago)$/.test(document.querySelector('.task .ago').textContent)
      && /^created (now|\d+ s ago)$/.test(document.getElementById('since').textContent)
      && parseInt(document.getElementById('delay').textContent, 10) < 5000);
  }
});

test('an unknown job is told in words', async () => {
  const page = await open('/jobs/no-such-job');
  await seesText(page, '#notice', 'There is no such job');
  assert.equal(await page.$eval('#hero', (hero) => hero.hidden), true);
});

test('raw events can be paused, and go on where they were', async () => {
  const job = await server.createJob();
  const page = await openJob(job);
  await page.click('#pause');
  for (let i = 0; i < 3; i++) await server.report(job.id, { taskId: 'read', progress: i });
  await seesText(page, '#pause', 'Go on (3)');
  await page.click('#pause');
  await until(page, () => document.querySelectorAll('#raw li').length >= 4);
  assert.equal(await page.$eval('#pause', (button) => button.getAttribute('aria-pressed')), 'false');
});

test('everything can be done with the keyboard', async () => {
  const job = await demo.createJob();
  const page = await openJob(job, { through: demo });
  const reached = [];
  for (let i = 0; i < 28; i++) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => {
      const { id, name, textContent } = document.activeElement;
      return id || name || textContent;
    }));
  }
  const all = ['share', 'demo', 'curl', 'copy', 'cut', 'transport', 'words', 'send', 'cancel', 'code-copy', 'tab-curl',
    'code', 'raw-filter', 'raw-copy', 'pause', 'raw'];
  for (const id of all) {
    assert.ok(reached.includes(id), `${id} in ${reached}`);
  }
});

test('with prefers-reduced-motion nothing moves', async () => {
  const job = await server.createJob(CAKE);
  const page = await open('/');
  await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
  await page.goto(`${server.url}/jobs/${job.id}`);
  await isLive(page);
  await server.report(job.id, { taskId: 'bake', status: 'in_progress', progress: 50 });
  await seesText(page, '#tasks', '50 %');
  assert.equal(await page.evaluate(() => document.getAnimations({ subtree: true }).length), 0);
});

test('two thousand updates are painted in order, and the last state is the server’s', async () => {
  const tasks = Array.from({ length: 200 }, (_, i) => ({ id: `t${i}`, title: `Part ${i}` }));
  const job = await server.createJob({ tasks });
  const page = await openJob(job);
  await collect(page);
  for (let round = 1; round <= 10; round++) {
    const status = round === 10 ? 'completed' : 'in_progress';
    await server.report(job.id, tasks.map(({ id }) => ({ taskId: id, status, progress: round * 10 })));
  }
  await seesText(page, '#counts', '200 of 200 tasks done');
  assert.equal(await page.evaluate(() => window.seqs.length), 2000);
  assert.deepEqual(await proof(page), ['0', '0']);
  assert.ok(await page.$$eval('#raw li', (rows) => rows.length) <= 200);
});

test('the demo worker does the job before one’s eyes', async () => {
  const job = await demo.createJob(CAKE);
  const page = await openJob(job, { through: demo });
  await page.click('#demo');
  await seesText(page, '#demo', 'at work');
  await eventually('it is half way', async () => parseInt(await textOf(page, '#percent'), 10) >= 40);
  await shoot(page, 'job-light');
  await eventually('it is done', async () => (await textOf(page, '#status')) === 'Completed', 40000);
  assert.equal(await textOf(page, '#counts'), '6 of 6 tasks done');
  assert.deepEqual(await proof(page), ['0', '0']);
  await shoot(page, 'job-done');
});

for (const [name, look] of [['job-dark', { dark: true }], ['job-phone', { width: 390, height: 844 }]]) {
  test(`every status has its own word, icon and bar (${name})`, async () => {
    const job = await server.createJob(CAKE);
    const page = await openJob(job, look);
    await server.report(job.id, [
      { taskId: 'shop', status: 'completed', note: 'Everything is on the table' },
      { taskId: 'whisk', status: 'in_progress', progress: 64, note: 'Faster' },
      { taskId: 'zest', status: 'blocked', progress: 30, note: 'Looking for the grater' },
      { taskId: 'bake', status: 'failed', progress: 80, note: 'The oven went out' },
      { taskId: 'cool', status: 'cancelled' },
    ]);
    const words = ['Completed', 'In progress · 64 %', 'Blocked · 30 %', 'Failed · 80 %', 'Cancelled', 'Waiting'];
    await until(page, (last) => document.querySelectorAll('.word')[4].textContent === last, 'Cancelled');
    assert.deepEqual(await page.$$eval('.word', (nodes) => nodes.map(({ textContent }) => textContent)), words);
    const icons = await page.$$eval('.task .icon', (nodes) => nodes.map((node) => getComputedStyle(node).maskImage));
    assert.equal(new Set(icons).size, 6);
    await shoot(page, name);
  });
}

test('the demo worker makes a fresh job where the job is over', async () => {
  const job = await demo.createJob();
  await demo.setStatus(job.id, 'completed');
  const page = await open(`/jobs/${job.id}`, { through: demo });
  await seesText(page, '#demo', 'fresh job');
  await page.click('#demo');
  await until(page, (id) => location.pathname !== `/jobs/${id}`, job.id);
  await until(page, () => document.querySelector('.task[data-status=in_progress]'));
  assert.equal(await page.evaluate(() => location.hash), '');
});
