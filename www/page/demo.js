/*
 * A demo worker that runs in the page. Like any worker it reports over the webhook, announces its
 * presence, reads commands, and adds a deliverable.
 */
import { SCENARIOS, pick } from './scenarios.js';

const TOTAL_MS = 16500; // without the time of the requests
const TICK_MS = 420;
const LANES = 2;
const GROUPS = 12;
const BATCH = 256;
const HERE_MS = 4000; // the server forgets presence after ten seconds
const TYPING_MS = 1100;
const PLAIN = ['Starting', 'Well under way', 'Almost there'];
const ANSWERS = ['Yes, chef.', 'Noted.', 'Will do.', 'Good idea.', 'I was about to.'];

export const WORKER = 'demo-worker';

const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const isDone = ({ status }) => ['completed', 'failed', 'cancelled'].includes(status);

/**
 * Puts the tasks into at most twelve groups that move together, so that 20 s are enough for any
 * job.
 */
function grouped(tasks) {
  const size = Math.max(1, Math.ceil(tasks.length / GROUPS));
  const groups = [];
  for (let i = 0; i < tasks.length; i += size) groups.push(tasks.slice(i, i + size));
  return groups;
}

function script(id) {
  for (const { tasks } of SCENARIOS) {
    const found = tasks.find(([taskId]) => taskId === id);
    if (found) return { notes: found[2], hiccup: found[3] };
  }
  return { notes: PLAIN };
}

export class DemoWorker {
  #say; #comment; #presence; // the functions that send to the server
  #groups = [];
  #at; // the group it works on, as presence shows it
  #cancelled = new Set();
  #stopped = false;
  #busy = 0; // answers that are being typed

  /**
   * The parameters are async functions: report(updates), comment(text, taskId), presence(state,
   * taskId).
   */
  constructor({ report, comment, presence }) {
    this.#say = report;
    this.#comment = comment;
    this.#presence = presence;
  }

  /** Takes a command of a watcher. */
  hear({ command, taskId, args }) {
    if (command === 'cancel' && taskId) this.#cancelled.add(taskId);
    else if (command === 'cancel') this.#stopped = true;
    else if (command === 'comment' && args?.from !== WORKER) this.#answer(String(args?.text || ''), taskId);
  }

  /**
   * Works on every unfinished task until its end, on new tasks if the job has none. Returns
   * 'completed' or 'cancelled'.
   */
  async run(tasks) {
    let open = tasks.filter((task) => !isDone(task));
    if (!open.length) {
      open = pick(SCENARIOS).tasks.map(([id, title]) => ({ id, title }));
      await this.#say(open.map(({ id, title }) => ({ taskId: id, title, status: 'pending', progress: 0 })));
    }
    this.#groups = grouped(open);
    const budgetMs = TOTAL_MS / Math.ceil(this.#groups.length / LANES);
    const here = setInterval(() => this.#tell(), HERE_MS);
    try {
      await Promise.all(Array.from({ length: LANES }, (_, lane) => this.#lane(lane, budgetMs)));
      if (this.#stopped) for (const group of this.#groups.splice(0)) await this.#report(group, { status: 'cancelled' });
    } finally {
      clearInterval(here);
      this.#presence('').catch(() => {});
    }
    return this.#stopped ? 'cancelled' : 'completed';
  }

  async #lane(lane, budgetMs) {
    await wait(lane * 600);
    while (this.#groups.length && !this.#stopped) await this.#work(this.#groups.shift(), budgetMs);
  }

  async #work(group, budgetMs) {
    const { notes, hiccup } = script(group[0].id);
    const ticks = Math.max(3, Math.round(budgetMs / TICK_MS));
    const first = group[0].progress || 0;
    this.#at = group;
    this.#tell();
    for (let tick = 0; tick < ticks; tick++) {
      if (await this.#obeys(group)) return;
      const part = tick / ticks;
      const progress = Math.round(first + (100 - first) * Math.min(1, part + Math.random() * 0.05));
      const note = notes[Math.min(notes.length - 1, Math.floor(part * notes.length))];
      if (hiccup && tick === Math.floor(ticks / 2)) {
        await this.#report(group, { status: 'blocked', note: hiccup });
        await wait(TICK_MS * 3);
      }
      await this.#report(group, { status: 'in_progress', progress, note });
      await wait(TICK_MS * (0.7 + Math.random() * 0.6));
    }
    if (await this.#obeys(group)) return;
    await this.#report(group, { status: 'completed', progress: 100, note: notes.at(-1) });
  }

  /* Follows the commands for this group. Returns true when none of its tasks is left. */
  async #obeys(group) {
    const told = this.#stopped ? [...group] : group.filter(({ id }) => this.#cancelled.has(id));
    if (!told.length) return false;
    for (const task of told) group.splice(group.indexOf(task), 1);
    await this.#report(told, { status: 'cancelled', note: 'Stopped, as you said' });
    return !group.length;
  }

  async #report(group, change) {
    for (let i = 0; i < group.length; i += BATCH) {
      const updates = group.slice(i, i + BATCH).map(({ id }) => ({ taskId: id, ...change }));
      await this.#say(updates.length === 1 ? updates[0] : updates);
    }
  }

  async #answer(text, taskId) {
    this.#busy++;
    this.#tell();
    await wait(TYPING_MS);
    this.#busy--;
    this.#tell();
    const short = text.length > 60 ? `${[...text].slice(0, 60).join('')}…` : text;
    await this.#comment(`“${short}” ${pick(ANSWERS)}`, taskId).catch(() => {}); // the job may have ended
  }

  #tell() {
    const state = this.#busy ? 'typing' : 'working';
    this.#presence(state, this.#at?.[0]?.id).catch(() => {}); // a missing presence does no harm
  }
}
