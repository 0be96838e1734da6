/* One job of the list. */
import { base } from './base.js';
import { isLive, newest } from './follow.js';
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
  part('a').href = base + '/jobs/' + encodeURIComponent(job.id);
  li.dataset.id = job.id;
  rows.set(job.id, row);
  return row;
}

/* This page is itself one of the watchers of a job that it follows, and is not counted. */
function presenceOf({ id, watchers = 0, agents = [] }) {
  const others = watchers - (isLive(id) ? 1 : 0);
  const [agent] = agents;
  return [
    others > 0 && `${others} watching`,
    agent && `\u2068${plain(agent.id)}\u2069 ${AGENTS[agent.state] || 'is here'}`,
  ];
}

function wordsOf(job) {
  const { total, completed } = job.taskCounts;
  return [total && `${completed} of ${total} tasks done`, ...presenceOf(job)].filter(Boolean).join(' · ') || 'no tasks yet';
}

const partOf = ({ status, progress }) => (status === 'completed' ? 1 : progress / 100);

export function paintRow(listed, at) {
  const job = newest(listed);
  const row = rows.get(job.id) || makeRow(job);
  setText(row.name, plain(job.title) || job.id);
  row.li.dir = directionOf(job.title);
  setPill(row.pill, job.status);
  row.li.dataset.status = job.status;
  row.li.classList.toggle('live', isLive(job.id) && !isOver(job.status));
  setText(row.did, wordsOf(job));
  row.fill.style.transform = `translateX(${partOf(job) * 100 - 100}%)`;
  row.ago.dateTime = job.updatedAt;
  setText(row.ago, ago(Date.parse(job.updatedAt), at));
  return row.li;
}
