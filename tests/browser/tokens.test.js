/*
 * Tokens that expire and are revoked while events are published, in real browsers: no event is lost, none
 * comes twice, and the end is told in the words of the server. The tokens are those of another issuer, because
 * the server's own live a minute at least.
 */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { launch } from './support/browser.js';
import { follower, reaches } from './support/follow.js';
import { KeyedServer } from './support/keys.js';
import { Proxy } from './support/proxy.js';
import { eventually, pause } from './support/wait.js';
import { JobLight } from './support/www.js';

const LIFE_S = 8; // they are renewed after nine tenths of it
const RUN_MS = 20000;
const SHORT_RUN_MS = 12000;
const TRANSPORTS = ['ws', 'sse', 'poll'];
const secret = randomBytes(32).toString('base64url');
const follow = follower();

let server;
let proxy;
let dir;
const browsers = {};
let page;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'joblight-jwks-'));
  const jwks = join(dir, 'jwks.json');
  const keys = [{ kty: 'oct', alg: 'HS256', kid: 'app', k: secret }];
  writeFileSync(jwks, JSON.stringify({ keys }), { mode: 0o600 });
  server = await KeyedServer.start('--jwt-keys', jwks);
  proxy = await Proxy.start(server.url);
  for (const name of ['chromium', 'firefox']) browsers[name] = await launch(name);
});
after(async () => {
  for (const browser of Object.values(browsers)) await browser.close();
  await proxy.stop();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});
afterEach(async () => {
  await page?.close();
  page = undefined;
  proxy.reset();
});

/** A token of the application, as its back end makes it. */
function sign(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', kid: 'app' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', Buffer.from(secret, 'base64url')).update(text).digest('base64url')}`;
}

const claimsOf = (jobs, lifeS = LIFE_S) =>
  ({ sub: 'customer', exp: Math.floor(Date.now() / 1000) + lifeS, joblight: { scope: ['watch'], jobs } });

/** A page with the client, and nothing that is running. */
async function openPage(name) {
  page = await browsers[name].browser.newPage();
  await page.goto(`${proxy.url}/joblight.d.ts`);
}

/** Publishes until `done()`, and returns the numbers of all events of the job. */
async function publish(job, done) {
  let seq;
  while (!done()) {
    ({ seq } = await server.report(job.id, { taskId: 'read', status: 'in_progress', note: String(Math.random()) }));
    await pause(40);
  }
  return Array.from({ length: seq - 1 }, (_, i) => i + 2);
}

const forMs = (ms) => {
  const end = Date.now() + ms;
  return () => Date.now() > end;
};

/** So many renewals in `ms`, and as many more as the streams ran for longer on a busy machine. */
const most = (count, ms, began) => Math.floor(count * Math.max(1, (Date.now() - began) / ms));

/* Runs in the page: one stream over each transport, whose token function makes tokens of some seconds. */
async function followInPage({ jobId, lifeS, k, transports, behindMs }) {
  const { TaskEventStream } = await import('/joblight.js');
  const now = Date.now;
  const base64url = (text) => btoa(text).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
  const bytes = Uint8Array.from(atob(k.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const make = async () => {
    const claims = { sub: 'c', exp: Math.floor(now() / 1000) + lifeS, joblight: { scope: ['watch'], jobs: [jobId] } };
    const text = ['{"alg":"HS256","kid":"app"}', JSON.stringify(claims)].map(base64url).join('.');
    const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(text));
    return `${text}.${base64url(String.fromCharCode(...new Uint8Array(mac)))}`;
  };
  if (behindMs) Date.now = () => now() - behindMs; // the clock of this machine is wrong
  globalThis.seen = {};
  globalThis.streams = transports.map((transport) => {
    const one = globalThis.seen[transport] = { seqs: [], states: [], refreshed: 0, asked: 0, errors: [] };
    let current = make();
    const stream = new TaskEventStream({
      jobId,
      transports: [transport],
      token: ({ refresh }) => {
        one.asked++;
        if (refresh) {
          one.refreshed++;
          current = make();
        }
        return current;
      },
      onStateChange: ({ state, error }) => {
        if (one.states.at(-1) !== state) one.states.push(state);
        if (error) one.errors.push(`${error.code} ${error.status} ${error.message}`);
      },
    });
    stream.addEventListener('event', ({ detail: { seq } }) => { if (seq) one.seqs.push(seq); });
    stream.start();
    return stream;
  });
}

const seenIn = () => page.evaluate(() => globalThis.seen);
const haveAll = (transports, last) => eventually('every stream has the last event', async () => {
  const seen = await seenIn();
  return transports.every((transport) => seen[transport].seqs.at(-1) === last);
});

for (const name of ['chromium', 'firefox']) {
  test(`${name}: tokens of ${LIFE_S} s over all transports: 0 lost, 0 twice, and no gap in streams`, async () => {
    const job = await server.createJob();
    await openPage(name);
    const began = Date.now();
    await page.evaluate(followInPage, { jobId: job.id, lifeS: LIFE_S, k: secret, transports: TRANSPORTS });
    await eventually('all are live', async () => Object.values(await seenIn())
      .every(({ states }) => /live|polling/.test(states.at(-1))));
    const published = await publish(job, forMs(RUN_MS));
    await haveAll(TRANSPORTS, published.at(-1));
    const seen = await seenIn();
    for (const transport of TRANSPORTS) {
      const { seqs, refreshed } = seen[transport];
      assert.deepEqual(seqs, published.slice(published.indexOf(seqs[0])), transport);
      assert.ok(seqs.length > 100, `${transport}: ${seqs.length} events`);
      assert.ok(refreshed >= 2 && refreshed <= most(5, RUN_MS, began), `${transport}: ${refreshed} fresh tokens`);
    }
    for (const { states } of [seen.ws, seen.sse]) assert.deepEqual(states, ['connecting', 'live'], 'no gap');
    assert.equal(proxy.asked('/api/ws').length, 1);
    assert.equal(proxy.requests.some(({ url }) => /eyJ[^&]*\.[^&]*\./.test(url.replace(/ticket=[^&]*/, ''))), false);
  });

  test(`${name}: a native EventSource with a ticket survives five cuts: 0 lost, 0 twice`, async () => {
    const job = await server.createJob();
    const token = await server.makeToken(job);
    await openPage(name);
    await page.evaluate(async (id, bearer) => {
      const answer = await fetch(`/api/jobs/${id}/tickets`, {
        method: 'POST', headers: { authorization: `Bearer ${bearer}` },
      });
      const { ticket } = await answer.json();
      const events = new EventSource(`/api/jobs/${id}/task-events?ticket=${ticket}`);
      globalThis.seen = { seqs: [], opened: 0, closed: 0 };
      const { seen } = globalThis;
      events.onopen = () => { seen.opened++; };
      events.onerror = () => { seen.closed += events.readyState === EventSource.CLOSED ? 1 : 0; };
      const take = ({ data }) => {
        const { seq } = JSON.parse(data);
        if (seq) seen.seqs.push(seq);
      };
      for (const type of ['message', 'task_update', 'job_update']) events.addEventListener(type, take);
    }, job.id, token);
    let over = false;
    const published = publish(job, () => over);
    for (let cuts = 0; cuts < 5; cuts++) {
      await eventually('it is open again', async () => (await seenIn()).opened === cuts + 1, 20000);
      const { length } = (await seenIn()).seqs;
      await eventually('events arrive', async () => (await seenIn()).seqs.length > length + 3);
      proxy.cut();
    }
    await eventually('it is open again', async () => (await seenIn()).opened === 6, 20000);
    over = true;
    const all = await published;
    await eventually('the last one is here', async () => (await seenIn()).seqs.at(-1) === all.at(-1));
    const { seqs, closed } = await seenIn();
    assert.equal(closed, 0);
    assert.deepEqual(seqs, all.slice(all.indexOf(seqs[0])));
    assert.equal(proxy.asked('/tickets').length, 1);
    assert.equal(proxy.asked('/task-events').length, 6);
  });
}

test('a browser whose clock is wrong renews after close 4001, and goes on where it was', async () => {
  const job = await server.createJob();
  await openPage('chromium');
  const options = { jobId: job.id, lifeS: LIFE_S, k: secret, transports: ['ws'], behindMs: 3600000 };
  const began = Date.now();
  await page.evaluate(followInPage, options);
  await eventually('it is live', async () => (await seenIn()).ws.states.at(-1) === 'live');
  const published = await publish(job, forMs(RUN_MS));
  await haveAll(['ws'], published.at(-1));
  const { seqs, errors, refreshed } = (await seenIn()).ws;
  assert.deepEqual(seqs, published.slice(published.indexOf(seqs[0])));
  assert.ok(refreshed >= 2 && refreshed <= most(6, RUN_MS, began), `${refreshed} fresh tokens`);
  assert.ok(errors.every((text) => text.startsWith('closed 4001 ')), String(errors));
});

for (const transport of TRANSPORTS) {
  test(`${transport}: a revoked key ends the stream after one request for a fresh token, in words`, async () => {
    const job = await server.createJob();
    const key = await server.makeKey(['watch', 'control']);
    const made = await server.makeToken(job, { scope: ['watch'] }, key);
    let refreshed = 0;
    const token = ({ refresh }) => {
      refreshed += refresh ? 1 : 0;
      return made;
    };
    const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: [transport], token });
    await reaches(seen, 'live', 'polling');
    const before = proxy.requests.length;
    await server.revoke(key);
    await reaches(seen, 'failed');
    assert.equal(seen.stream.error.status, 401);
    assert.equal(seen.stream.error.code, 'unauthorized');
    assert.match(seen.stream.error.message, /revoked|not in force/);
    assert.equal(refreshed, 1);
    const asked = proxy.requests.length - before;
    await pause(2000); // that nothing follows
    assert.equal(proxy.requests.length - before, asked);
    assert.ok(asked <= 4, `${asked} requests`);
  });

  test(`${transport}: a token that cannot be renewed ends the stream when it expires`, async () => {
    const job = await server.createJob();
    const token = sign(claimsOf([job.id], 2));
    const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: [transport], token });
    await reaches(seen, 'live', 'polling');
    await reaches(seen, 'failed');
    assert.equal(seen.stream.error.status, 401);
    assert.match(seen.stream.error.message, transport === 'poll' ? /has ended while the poll was waiting|expired/ : /expired/);
  });

  test(`${transport}: a token for another job finds nothing, and one without the right may not watch`, async () => {
    const job = await server.createJob();
    const options = { jobId: job.id, baseUrl: proxy.url, transports: [transport] };
    const other = follow({ ...options, token: sign(claimsOf(['other'], 60)) });
    await reaches(other, 'failed');
    assert.equal(other.stream.error.status, 404);
    const claims = claimsOf([job.id], 60);
    claims.joblight.scope = ['report'];
    const reporter = follow({ ...options, token: sign(claims) });
    await reaches(reporter, 'failed');
    assert.equal(reporter.stream.error.status, 403);
    assert.match(reporter.stream.error.message, /needs watch/);
  });
}

for (const transport of TRANSPORTS) {
  test(`${transport}: a token function that fails or never answers is called again, and its error is told`, async () => {
    const job = await server.createJob();
    const answers = [
      () => { throw new Error('the back end is away'); },
      () => Promise.reject(new Error('the back end is away')),
      () => new Promise(() => {}),
    ];
    const token = () => (answers.shift() || (() => sign(claimsOf([job.id], 60))))();
    const seen = follow({ jobId: job.id, baseUrl: proxy.url, transports: [transport], token });
    await reaches(seen, 'live', 'polling');
    assert.equal(answers.length, 0);
    assert.equal(seen.codes[0], 'token');
    assert.deepEqual([...new Set(seen.states)].slice(0, 2), ['connecting', 'reconnecting']);
  });
}

test('a token function that fails says why', async () => {
  const job = await server.createJob();
  const seen = follow({ jobId: job.id, baseUrl: proxy.url, token: async () => { throw new Error('logged out'); } });
  await reaches(seen, 'reconnecting');
  assert.equal(seen.stream.error.message, 'There is no token: logged out');
});

test('JobLight: many jobs with tokens of a few seconds share one WebSocket, which stays', async () => {
  const { WebSocket } = await import('ws');
  const jobs = await Promise.all([1, 2, 3].map(() => server.createJob()));
  const ids = jobs.map(({ id }) => id);
  const alone = await server.createJob();
  const client = new JobLight({ baseUrl: proxy.url, transports: ['ws'], WebSocket });
  const began = Date.now();
  let refreshed = 0;
  let current = sign(claimsOf(ids));
  const token = async ({ refresh }) => {
    if (refresh) {
      refreshed++;
      current = sign(claimsOf(ids));
    }
    return current;
  };
  const own = sign(claimsOf([alone.id], 60)); // for a job of somebody else: not over the same WebSocket
  const seqs = new Map();
  const states = [];
  const streams = [...jobs.map((job) => [job, token]), [alone, own]].map(([job, its]) => {
    seqs.set(job, []);
    const stream = client.stream({
      jobId: job.id, token: its, onTaskUpdate: ({ seq }) => seqs.get(job).push(seq),
      onStateChange: ({ state }) => states.push(state),
    });
    stream.start();
    return stream;
  });
  try {
    await eventually('all are live', () => streams.every(({ state }) => state === 'live'));
    const published = await Promise.all([...jobs, alone].map((job) => publish(job, forMs(SHORT_RUN_MS))));
    await eventually('every stream has the last event',
      () => [...seqs.values()].every((all, i) => all.at(-1) === published[i].at(-1)));
    [...seqs.values()].forEach((all, i) => assert.deepEqual(all, published[i]));
    assert.equal(proxy.asked('/api/ws').length, 2);
    assert.equal(proxy.asked('/tickets').length, 2);
    assert.deepEqual([...new Set(states)], ['connecting', 'live']);
    assert.ok(refreshed >= 1 && refreshed <= most(3, SHORT_RUN_MS, began), `${refreshed} fresh tokens`);
  } finally {
    for (const stream of streams) stream.close();
  }
});

test('the element takes a token as an attribute or a property, and goes on with another one', async () => {
  const job = await server.createJob();
  await openPage('chromium');
  const [first, second] = [await server.makeToken(job), await server.makeToken(job)];
  await page.evaluate(async (id, token) => {
    const element = document.createElement('task-event-stream');
    element.token = undefined; // set before the class is known
    element.setAttribute('job-id', id);
    element.setAttribute('token', token);
    globalThis.seen = { seqs: [], connections: 0 };
    element.addEventListener('task-stream:event', ({ detail: { seq } }) => { if (seq) globalThis.seen.seqs.push(seq); });
    element.addEventListener('task-stream:connected', () => globalThis.seen.connections++);
    document.documentElement.append(element);
    await import('/task-event-stream.js');
  }, job.id, first);
  await eventually('it is live', async () => (await seenIn()).connections === 1);
  let over = false;
  const published = publish(job, () => over);
  await eventually('events arrive', async () => (await seenIn()).seqs.length > 5);
  await page.evaluate((token) => { document.querySelector('task-event-stream').token = token; }, second);
  await eventually('it is live again', async () => (await seenIn()).connections === 2);
  over = true;
  const all = await published;
  await eventually('the last one is here', async () => (await seenIn()).seqs.at(-1) === all.at(-1));
  assert.deepEqual((await seenIn()).seqs, all.slice(all.indexOf((await seenIn()).seqs[0])));
  await page.evaluate(() => { document.querySelector('task-event-stream').token = 'jl_wrong'; });
  await eventually('it says why not', () => page.evaluate(() =>
    document.querySelector('task-event-stream').shadowRoot.textContent.includes('Not live: ')));
});
