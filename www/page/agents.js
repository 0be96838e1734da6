/* Presence: the number of watchers, and the agents that said what they are doing. */
import { $, setText } from './ui.js';

const SHOWN_MAX = 3;
const STATES = { typing: 'is typing in', working: 'is working on', idle: 'is here, at' };
const ALONE = { typing: 'is typing', working: 'is at work', idle: 'is here' };

/** The agent id of this page. */
export const me = `guest-${crypto.getRandomValues(new Uint16Array(1))[0].toString(36)}`;

let shown = '';

function words({ state, taskId }, tasks) {
  const task = tasks.get(taskId);
  const free = `says “\u2068${state}\u2069”`;
  if (!task) return ` ${ALONE[state] || free}`;
  return ` ${STATES[state] || `${free} at`} “\u2068${task.title || taskId}\u2069”`;
}

function makeAgent(agent, tasks) {
  const node = document.createElement('span');
  node.className = 'agent';
  node.dataset.state = agent.state;
  const name = document.createElement('bdi');
  name.textContent = agent.id;
  node.append(name, words(agent, tasks));
  if (agent.state === 'typing') {
    const dots = document.createElement('i');
    dots.className = 'dots';
    dots.setAttribute('aria-hidden', 'true');
    for (let i = 0; i < 3; i++) dots.append(document.createElement('b'));
    node.append(dots);
  }
  return node;
}

export function paintAgents({ agents, watchers, tasks }, up) {
  $('watchers').hidden = !watchers || !up;
  setText($('watchers'), `${watchers} watching`);
  const others = up ? agents.filter(({ id }) => id !== me) : [];
  const look = JSON.stringify(others.map(({ id, state, taskId }) => [id, state, tasks.get(taskId)?.title]));
  if (look === shown) return;
  shown = look;
  const rest = others.length - SHOWN_MAX;
  $('agents').replaceChildren(...others.slice(0, SHOWN_MAX).map((agent) => makeAgent(agent, tasks)));
  if (rest > 0) $('agents').append(`and ${rest} more`);
}
