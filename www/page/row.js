/* One job of the list. */
import { isLive, modelOf } from './follow.js';
import { progressOf } from './progress.js';
import { $, ago, directionOf, isOver, plain, setPill, setText } from './ui.js';

const AGENTS = { typing: 'is typing…', working: 'is at work' };

const rows = new Map();

function makeRow(job) {
  const li = $('job-row').content.firstElementChild.cloneNode(true);
  const part = (selector) => li.querySelector(selector);
  const row = {
    li, name: part('.name'), pill: part('.pill'), bar: part('.bar'), fill: part('.bar i'), did: part('.did'),
    ago: part('.ago'),
  };
  part('a').href = '/jobs/' + encodeURIComponent(job.id);
  li.dataset.id = job.id;
  rows.set(job.id, row);
  return row;
}

/* The list page itself watches what it follows: the others are what one wants to know. */
function crowdOf({ watchers, agents }) {
  const others = Math.max(0, watchers - 1);
  const [agent] = agents;
  return [
    others && `${others} watching`,
    agent && `\u2068${plain(agent.id)}\u2069 ${AGENTS[agent.state] || 'is here'}`,
  ];
}

function wordsOf({ taskCount }, model) {
  const { all, done } = model?.job ? progressOf(model.tasks.values()) : {};
  const tasks = all === undefined ? taskCount && `${taskCount} tasks` : all && `${done} of ${all} tasks done`;
  return [tasks, ...model ? crowdOf(model) : []].filter(Boolean).join(' · ') || 'no tasks yet';
}

function partOf({ status }, model) {
  if (status === 'completed') return 1;
  return model?.job ? progressOf(model.tasks.values()).part : 0;
}

/** What is newer: the list, or what the stream told since. */
export function newest(job) {
  const told = modelOf(job.id)?.job;
  return told && told.updatedAt > job.updatedAt ? { ...job, ...told, taskCount: job.taskCount } : job;
}

export function paintRow(listed, at) {
  const job = newest(listed);
  const model = modelOf(job.id);
  const row = rows.get(job.id) || makeRow(job);
  setText(row.name, plain(job.title) || job.id);
  row.li.dir = directionOf(job.title);
  setPill(row.pill, job.status);
  row.li.dataset.status = job.status;
  row.li.classList.toggle('live', isLive(job.id) && !isOver(job.status));
  setText(row.did, wordsOf(job, model));
  row.fill.style.transform = `translateX(${partOf(job, model) * 100 - 100}%)`;
  row.ago.dateTime = job.updatedAt;
  setText(row.ago, ago(Date.parse(job.updatedAt), at));
  return row.li;
}
