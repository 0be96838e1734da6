/* Tabs of one origin share one connection: in real Chromium and in real Firefox, over HTTP/1.1 without WebSockets. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, until } from './support/browser.js';
import { range } from './support/follow.js';
import { proxied } from './support/proxied.js';
import { SlowLine } from './support/slow.js';
import { eventually } from './support/wait.js';
import { BROWSERS } from './support/whole.js';

const TABS = 7;
const noSocket = ({ headers }) => (headers.upgrade ? { status: 400 } : undefined);

const { server, proxy } = proxied();

/** A stream of the shared kind in a tab, which writes down what it says. */
const follow = (tab, jobId, options = {}) => tab.evaluate(async (id, given) => {
  const { JobLight } = await import('/shared-socket.js');
  window.seqs = [];
  window.states = [];
  window.watchers = 0;
  const client = new JobLight(given);
  const stream = window.stream = client.stream({
    jobId: id,
    onTaskUpdate: ({ seq }) => window.seqs.push(seq),
    onStateChange: ({ state }) => window.states.push(state),
  });
  for (const type of ['connected', 'presence']) {
    stream.addEventListener(type, ({ detail }) => { window.watchers = detail.watchers ?? window.watchers; });
  }
  stream.start();
}, jobId, options);

const isLive = (tab) => until(tab, () => /^(live|polling)$/.test(window.stream.state));
const hears = (tab, count) => until(tab, (wanted) => window.seqs.length >= wanted, count);
const seqs = (tab) => tab.evaluate(() => window.seqs);
const see = (tab, hidden) => tab.evaluate((value) => {
  Object.defineProperty(document, 'hidden', { value, configurable: true });
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
}, hidden);
/** The client that has the lock of the tabs: one observation, since the lock passes on at once. */
const leadingClient = (tab) => tab.evaluate(async () => {
  const { held } = await navigator.locks.query();
  return held.find((lock) => lock.name.startsWith('joblight '))?.clientId;
});
const clientOf = (tab) => tab.evaluate(() => navigator.locks.request(crypto.randomUUID(), async ({ name }) => {
  const { held } = await navigator.locks.query();
  return held.find((lock) => lock.name === name).clientId;
}));
/** The tab that leads, and the others. */
const byLead = async (tabs) => {
  const clients = await Promise.all(tabs.map(clientOf));
  let leader;
  await eventually('one of them leads', async () => {
    leader = tabs[clients.indexOf(await leadingClient(tabs[0]))];
    return leader;
  });
  return [leader, ...tabs.filter((tab) => tab !== leader)];
};
const leads = async (tab) => await clientOf(tab) === await leadingClient(tab);
const streams = () => [...proxy.open('task-events'), ...proxy.open('/api/ws')];
/** The streams that told of fewer tabs have been replaced by one that tells of all. */
const areCounted = (count) => eventually(`${count} tabs are counted`, () => {
  const [one] = streams();
  return streams().length === 1 && one.url.includes(`tabs=${count}`);
});
const tell = async (job, times) => {
  for (let i = 0; i < times; i++) await server.report(job.id, { taskId: 'read', status: 'in_progress', progress: i });
};

for (const name of BROWSERS) {
  describe(name, () => {
    let started;
    let tabs;
    let job;

    before(async () => { started = await launch(name); });
    after(() => started.close());

    const openTab = async (path = '/healthz', { at = proxy.url, first } = {}) => {
      const tab = await started.browser.newPage();
      tabs.push(tab);
      if (first) await tab.evaluateOnNewDocument(first);
      await tab.goto(at + path, { timeout: 15000 });
      return tab;
    };
    const inTabs = (what, rule, run) => test(`${name}: ${what}`, async () => {
      proxy.rule = rule;
      tabs = [];
      job = await server.createJob();
      try {
        await run();
      } finally {
        await Promise.all(tabs.map((tab) => tab.close()));
      }
    });
    const openTabs = async (count, options) => {
      for (let i = 0; i < count; i++) await follow(await openTab(), job.id, options);
      for (const tab of tabs) await isLive(tab);
    };

    inTabs(`${TABS} tabs behind a bare proxy over HTTP/1.1 load, are live over one stream, and miss nothing`, noSocket,
      async () => {
        for (let i = 0; i < TABS; i++) await openTab(`/jobs/${job.id}`);
        for (const tab of tabs) {
          await until(tab, () => document.querySelector('task-event-stream').state === 'live');
        }
        await eventually('there is one stream', () => streams().length === 1);
        for (const tab of tabs) {
          await tab.evaluate(() => {
            window.seqs = [];
            document.addEventListener('task-stream:task-update', ({ detail }) => window.seqs.push(detail.seq));
          });
        }
        await tell(job, 20);
        for (const tab of tabs) {
          await hears(tab, 20);
          assert.deepEqual(await seqs(tab), range(2, 21));
        }
      });

    inTabs(`${TABS + 1} tabs of as many jobs load over HTTP/1.1 too, are up to date, and miss nothing`, noSocket, async () => {
      const jobs = [];
      for (let i = 0; i <= TABS; i++) {
        jobs.push(await server.createJob());
        await follow(await openTab(`/jobs/${jobs[i].id}`), jobs[i].id);
        await isLive(tabs[i]);
      }
      await eventually('there are four streams', () => streams().length <= 4); // while tabs change places there may be more
      for (const one of jobs) await tell(one, 3);
      for (const tab of tabs) {
        await hears(tab, 3);
        assert.deepEqual(await seqs(tab), [2, 3, 4]);
      }
      const ways = () => Promise.all(tabs.map((tab) => tab.evaluate(() => window.stream.transport)));
      assert.deepEqual((await ways()).sort(), ['poll', 'poll', 'poll', 'poll', 'sse', 'sse', 'sse', 'sse']);
      await Promise.all(tabs.splice(0, 4).map((tab) => tab.close()));
      await eventually('who waited for a stream has one', async () => (await ways()).every((way) => way === 'sse'));
    });

    for (const [transport, rule] of [['ws', () => undefined], ['sse', noSocket]]) {
      inTabs(`the server counts the tabs that look (${transport})`, rule, async () => {
        await openTabs(3);
        await until(tabs[0], () => window.watchers === 3);
        await tabs.pop().close();
        await until(tabs[0], () => window.watchers === 2);
        await tell(job, 3);
        for (const tab of tabs) {
          await hears(tab, 3);
          assert.deepEqual(await seqs(tab), [2, 3, 4]);
        }
        await eventually('there is one stream', () => streams().length === 1);
      });
    }

    const onlyPolls = ({ url, headers }) => (headers.upgrade || url.includes('task-events') ? { status: 400 } : undefined);
    inTabs('where nothing but polling works, the server counts the tabs too', onlyPolls, async () => {
      await openTabs(3);
      assert.equal(await tabs[0].evaluate(() => window.stream.state), 'polling');
      await tell(job, 1); // a poll that waits has told the count that there was
      await eventually('three are counted', async () => {
        const { jobs } = await server.call('GET', '/api/jobs');
        return jobs.find(({ id }) => id === job.id).watchers === 3;
      });
    });

    inTabs('a tab counts for as long as it is there, and the server is told once', noSocket, async () => {
      await openTabs(3, { heartbeat: 5 });
      for (const tab of tabs) await see(tab, false); // so that it is not about who is seen
      await areCounted(3);
      const [leader, ...others] = await byLead(tabs);
      await leader.close();
      tabs = others;
      await areCounted(2);
      for (const tab of tabs) await until(tab, () => window.watchers === 2);
      const asked = () => proxy.asked('task-events').length;
      const before = asked();
      await tabs[0].evaluate(() => {
        window.beats = 0;
        window.stream.addEventListener('heartbeat', () => { window.beats++; });
      });
      for (const beats of [2, 4]) {
        await until(tabs[0], (count) => window.beats >= count || window.watchers !== 2, beats);
      }
      assert.equal(await tabs[0].evaluate(() => window.watchers), 2);
      assert.equal(asked(), before);
    });

    inTabs('when the tab that leads is closed another one leads, with nothing lost or repeated', noSocket, async () => {
      await openTabs(3);
      await tell(job, 5);
      for (const tab of tabs) await hears(tab, 5);
      await tabs.shift().close();
      await tell(job, 5);
      for (const tab of tabs) {
        await hears(tab, 10);
        assert.deepEqual(await seqs(tab), range(2, 11));
      }
      await eventually('there is one stream', () => streams().length === 1);
    });

    inTabs('a tab that comes late gets the snapshot, and one with a position what follows it', noSocket, async () => {
      await openTabs(1);
      await tell(job, 5);
      await hears(tabs[0], 5);
      const late = await openTab();
      await follow(late, job.id);
      await isLive(late);
      const stayed = await openTab();
      await stayed.evaluate(async (id, cursor) => {
        const { JobLight } = await import('/shared-socket.js');
        window.seqs = [];
        window.stream = new JobLight().stream({ jobId: id, cursor, onTaskUpdate: ({ seq }) => window.seqs.push(seq) });
        window.stream.start();
      }, job.id, job.cursor);
      await hears(stayed, 5);
      await tell(job, 2);
      await hears(stayed, 7);
      await hears(late, 2);
      assert.deepEqual(await seqs(stayed), range(2, 8));
      assert.deepEqual(await seqs(late), [7, 8]);
      await eventually('there is one stream', () => streams().length === 1); // Firefox hides the tab that led
    });

    for (const [transport, rule] of [['ws', () => undefined], ['sse', noSocket]]) {
      inTabs(`a first message that takes longer than 2.5 heartbeats reaches all the tabs (${transport})`, rule, async () => {
        const line = await SlowLine.start(proxy.url, 20000);
        const { id } = await server.createLargeJob(120000); // six seconds
        const shorter = `const wait = setTimeout;
          globalThis.setTimeout = (act, ms, ...more) => wait(act, ms === 75000 ? 3000 : ms, ...more);`;
        const open = async () => follow(await openTab('/healthz', { at: line.url, first: shorter }), id);
        try {
          await open();
          await open();
          for (const tab of tabs) await isLive(tab);
          await open(); // and who comes late asks for it
          for (const tab of tabs) {
            await isLive(tab);
            assert.deepEqual(await tab.evaluate(() => [...new Set(window.states)]), ['connecting', 'live']);
          }
        } finally {
          await Promise.all(tabs.splice(0).map((tab) => tab.close()));
          await line.stop();
        }
      });
    }

    inTabs('tabs with another credential have a connection of their own', noSocket, async () => {
      for (const token of ['ann', 'bob', 'ann']) await openTabs(1, { token, transports: ['sse'] });
      await eventually('there are two streams', () => streams().length === 2);
      assert.deepEqual(streams().map(({ headers }) => headers.authorization).sort(), ['Bearer ann', 'Bearer bob']);
    });

    inTabs('a hidden tab that leads gives way to a visible one', noSocket, async () => {
      await openTabs(2);
      for (const [i, shown] of [0, 1, 0].entries()) {
        await see(tabs[1 - shown], true);
        await see(tabs[shown], false);
        await eventually('the visible one leads', () => leads(tabs[shown]));
        await tell(job, 3);
        for (const tab of tabs) {
          await hears(tab, 3 * i + 3);
          assert.deepEqual(await seqs(tab), range(2, 3 * i + 4));
        }
      }
      await eventually('there is one stream', () => streams().length === 1);
      for (const tab of tabs) assert.equal(await tab.evaluate(() => window.states.includes('reconnecting')), false);
    });

    inTabs('a tab that has two reasons to take the lead takes it once', noSocket, async () => {
      await openTabs(2);
      for (const tab of tabs) await see(tab, true);
      await areCounted(2);
      const [, other] = await byLead(tabs);
      await other.evaluate(() => {
        const { locks } = navigator;
        const request = locks.request.bind(locks);
        window.steals = 0;
        locks.request = (name, ...more) => {
          window.steals += more[0].steal ? 1 : 0;
          return request(name, ...more);
        };
        Math.random = () => 0; // both reasons at the same time
        Object.defineProperty(document, 'hidden', { value: false, configurable: true });
        for (let i = 0; i < 2; i++) document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
      });
      await eventually('it leads', () => leads(other));
      await areCounted(2);
      await tell(job, 3);
      for (const tab of tabs) {
        await hears(tab, 3);
        assert.deepEqual(await seqs(tab), [2, 3, 4]);
      }
      assert.equal(await other.evaluate(() => window.steals), 1);
      assert.equal(await other.evaluate(() => window.states.includes('reconnecting')), false);
    });

    inTabs('all tabs show it when the connection breaks, and all are live again, with nothing lost', noSocket, async () => {
      await openTabs(3);
      await tell(job, 2);
      for (const tab of tabs) await hears(tab, 2);
      await proxy.refuse();
      for (const tab of tabs) await until(tab, () => window.stream.state === 'reconnecting');
      await tell(job, 2);
      await proxy.accept();
      for (const tab of tabs) {
        await hears(tab, 4);
        assert.deepEqual(await seqs(tab), [2, 3, 4, 5]);
        await isLive(tab);
      }
    });

    const lone = (tab, transports) => tab.evaluate(async (jobId, ways) => {
      const { TaskEventStream } = await import('/joblight.js');
      window.seqs = [];
      window.stream = new TaskEventStream({ jobId, transports: ways, onTaskUpdate: ({ seq }) => window.seqs.push(seq) });
      window.stream.start();
    }, job.id, transports);

    for (const way of ['sse', 'poll', 'ws']) {
      const does = way === 'ws' ? 'keeps' : 'closes';
      inTabs(`a hidden page that cannot share ${does} its connection (${way}), and misses nothing`, () => undefined,
        async () => {
          const tab = await openTab();
          await see(tab, false);
          await lone(tab, [way]);
          await isLive(tab);
          await see(tab, true);
          const open = () => proxy.open('/api/').length;
          if (way === 'ws') assert.equal(open(), 1);
          else await eventually('it is closed', () => open() === 0);
          await tell(job, 3);
          await see(tab, false);
          await hears(tab, 3);
          await isLive(tab);
          assert.deepEqual(await seqs(tab), [2, 3, 4]);
        });
    }

    inTabs('without Web Locks, hidden tabs hold no stream, and the seventh tab loads', noSocket, async () => {
      for (let i = 0; i < TABS; i++) {
        const tab = await started.browser.newPage();
        tabs.push(tab);
        await tab.evaluateOnNewDocument(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
        await tab.goto(`${proxy.url}/healthz`, { timeout: 15000 });
        await see(tab, false);
        await follow(tab, job.id);
        await isLive(tab);
        await see(tab, true);
        await eventually('it is closed', () => streams().length === 0);
      }
    });

    for (const told of name === 'chromium' ? [true, false] : []) { // no other can be told to freeze a tab
      const how = told ? 'that is told so' : 'without a word';
      inTabs(`a leader that is frozen ${how} is replaced within 2.5 heartbeats, with nothing lost`, noSocket, async () => {
        await openTabs(2, { heartbeat: 5 });
        if (!told) {
          for (const tab of tabs) {
            await tab.evaluate(() => addEventListener('freeze', (e) => e.stopImmediatePropagation(), { capture: true }));
          }
        }
        for (const tab of tabs) await see(tab, true); // so that it is not about who is seen
        await areCounted(2);
        const [frozen, other] = await byLead(tabs);
        const session = await frozen.createCDPSession();
        await session.send('Page.setWebLifecycleState', { state: 'frozen' });
        await tell(job, 3);
        await eventually('the other tab hears', async () => (await seqs(other)).length >= 3, 12500 + 2000);
        assert.deepEqual(await seqs(other), [2, 3, 4]);
        await session.send('Page.setWebLifecycleState', { state: 'active' });
        await hears(frozen, 3);
        await tell(job, 1);
        await hears(frozen, 4);
        assert.deepEqual(await seqs(frozen), [2, 3, 4, 5]);
      });
    }

    inTabs('a leader whose check never ends is replaced, with nothing lost', noSocket, async () => {
      await openTabs(2, { heartbeat: 5 });
      for (const tab of tabs) await see(tab, true);
      await areCounted(2);
      const [stuck, other] = await byLead(tabs);
      await stuck.evaluate(() => { globalThis.setTimeout = () => 0; });
      proxy.silence();
      await tell(job, 3);
      await until(other, () => window.states.includes('checking'));
      await hears(other, 3);
      assert.deepEqual(await seqs(other), [2, 3, 4]);
    });

    if (name === 'chromium') { // no other can be told to crash
      inTabs('the job of a tab that crashed is closed, and that of a tab that is there is not', noSocket, async () => {
        const [gone, kept] = [await server.createJob(), await server.createJob()];
        await openTabs(1, { heartbeat: 5 });
        for (const { id } of [gone, kept]) await follow(await openTab(), id, { heartbeat: 5 });
        for (const tab of tabs) await isLive(tab);
        const [leader, crashes, stays] = tabs;
        for (const tab of [crashes, stays]) await see(tab, true);
        await see(leader, false);
        await eventually('it leads', () => leads(leader));
        for (const tab of tabs) await isLive(tab);
        crashes.goto('chrome://crash').catch(() => {});
        const watchers = async ({ id }) => (await server.call('GET', '/api/jobs')).jobs.find((one) => one.id === id).watchers;
        await eventually('nobody watches it', async () => await watchers(gone) === 0, 30000);
        assert.equal(await watchers(kept), 1);
        assert.equal(await stays.evaluate(() => window.states.includes('reconnecting')), false);
      });
    }

    let held = 0;
    const holdsOne = ({ url }) => (url.includes('/updates?') && !held++ ? 'hold' : undefined);
    inTabs('a tab whose first page never comes asks for it again', (request) => holdsOne(request), async () => {
      held = 1;
      await openTabs(1);
      held = 0;
      await openTabs(1);
      assert.ok(held > 1);
      await tell(job, 2);
      await hears(tabs[1], 2);
    });

    const foreign = { status: 200, headers: { 'content-type': 'application/json' }, body: '{"status":"ok"}' };
    let answered = 0;
    inTabs('a tab whose first page is JSON of somebody else asks for it again',
      ({ url }) => (url.includes('/updates?') && !answered++ ? foreign : undefined), async () => {
        answered = 1;
        await openTabs(1);
        answered = 0;
        await openTabs(1);
        assert.ok(answered > 1);
        await tell(job, 2);
        await hears(tabs[1], 2);
      });

    const away = { status: 503, headers: { 'content-type': 'application/problem+json', 'retry-after': '20' },
      body: JSON.stringify({ code: 'overloaded', status: 503, detail: 'busy' }) };
    inTabs('while the leader waits to try again, no tab says that it checks', noSocket, async () => {
      await openTabs(2);
      proxy.rule = ({ url }) => (url.includes('/api/') ? away : undefined);
      proxy.cut();
      const over = () => window.stream.error?.code === 'overloaded';
      for (const tab of tabs) await until(tab, over);
      for (const tab of tabs) {
        await tab.evaluate(() => dispatchEvent(new Event('offline')));
        const states = await tab.evaluate(() => window.states);
        assert.deepEqual([...new Set(states.slice(states.lastIndexOf('live') + 1))], ['reconnecting']);
      }
    });

    inTabs('the end of the job ends all of them', noSocket, async () => {
      await openTabs(2);
      await server.setStatus(job.id, 'completed');
      for (const tab of tabs) await until(tab, () => window.stream.state === 'ended');
      await eventually('nothing is open', () => streams().length === 0);
    });

    inTabs('an unknown job fails in all of them with the server’s words, and "reconnect" is for all', noSocket, async () => {
      const tab = await openTab();
      await follow(tab, `late-${name}`);
      const other = await openTab();
      await follow(other, `late-${name}`);
      for (const one of tabs) await until(one, () => window.stream.state === 'failed');
      assert.equal(await other.evaluate(() => window.stream.error.message), `there is no job "late-${name}"`);
      await server.createJob({ id: `late-${name}` });
      await other.evaluate(() => window.stream.reconnect());
      await isLive(other);
    });
  });
}
