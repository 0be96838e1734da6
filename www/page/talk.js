/* The thread of commands: comments and cancels of watchers, and answers of workers. */
import { WORKER } from './demo.js';
import { may, mayCommand } from './access.js';
import { me } from './agents.js';
import { call } from './request.js';
import { $, ago, isOver, move, plain, setText, written } from './ui.js';

const KEPT = 40;
const CONFIRM_MS = 4000;
const TYPING_MS = 3000;

const mine = new Set(); // seqs of commands that this page sent
const lines = []; // { seq, at, time }
let api = '';
let typedAt = -TYPING_MS;
let confirmTimer;

function say(text, mood = '') {
  setText($('talk-hint'), text);
  $('talk-hint').dataset.mood = mood;
}

async function command(body) {
  try {
    const { seq } = await call('POST', `${api}/commands`, body);
    mine.add(seq);
    const line = lines.find((other) => other.seq === seq);
    if (line) setText(line.who, 'You');
    say('');
    return true;
  } catch (err) {
    say(err.message, 'bad');
    return false;
  }
}

export const cancelTask = (taskId) => command({ command: 'cancel', taskId });

function wordsOf({ command: name, taskId, args = {} }, tasks) {
  const title = taskId && `“\u2068${tasks.get(taskId)?.title || taskId}\u2069”`;
  if (name === 'comment') return plain(String(args.text ?? ''));
  if (name === 'cancel') return `Cancel ${title || 'the job'}, please.`;
  return [name, title, Object.keys(args).length ? written(JSON.stringify(args)) : ''].filter(Boolean).join(' ');
}

/** Shows a command of the log, whoever sent it. */
export function takeCommand(event, tasks, at) {
  const from = event.args?.from;
  const li = document.createElement('li');
  const [who, time] = ['span', 'time'].map((name) => li.appendChild(document.createElement(name)));
  const words = li.appendChild(document.createElement('p'));
  who.textContent = mine.has(event.seq) ? 'You' : typeof from === 'string' ? plain(from).slice(0, 40) : 'Somebody';
  who.className = 'who';
  who.dir = words.dir = 'auto';
  words.textContent = wordsOf(event, tasks);
  li.className = from === WORKER ? 'worker' : '';
  $('thread').append(li);
  const line = { seq: event.seq, at: Date.parse(event.timestamp), who, time };
  setText(time, ago(line.at, at));
  lines.push(line);
  while (lines.length > KEPT) {
    lines.shift();
    $('thread').firstElementChild.remove();
  }
  $('thread').scrollTop = $('thread').scrollHeight;
  move(li, [{ opacity: 0, transform: 'translateY(8px)' }, {}], { duration: 300, easing: 'ease-out' });
}

/* Why the controls are disabled. */
function reason(comment, stop) {
  if (comment && stop) return '';
  const missing = comment ? 'cancel' : stop ? 'write to the workers' : 'write to the workers or cancel';
  return `You may watch this job, but not ${missing}.`;
}

export function paintTalk(status, at) {
  const over = isOver(status);
  const [comment, stop] = ['comment', 'cancel'].map(mayCommand);
  for (const id of ['words', 'send']) $(id).disabled = over || !comment;
  $('cancel').disabled = over || !stop;
  if (!$('talk-hint').textContent) say(over ? 'The job has ended, so no worker reads messages any more.' : reason(comment, stop));
  for (const { at: then, time } of lines) setText(time, ago(then, at));
}

function typing() {
  if (performance.now() - typedAt < TYPING_MS || !$('words').value || !may('report')) return;
  typedAt = performance.now();
  call('POST', `${api}/presence`, { agent: me, state: 'typing' }, { quiet: true }).catch(() => {});
}

async function send(event) {
  event.preventDefault();
  const text = $('words').value.trim();
  if (!text) return;
  $('words').value = '';
  if (may('report')) call('POST', `${api}/presence`, { agent: me, state: '' }, { quiet: true }).catch(() => {});
  typedAt = -TYPING_MS;
  if (!await command({ command: 'comment', args: { text } })) $('words').value ||= text;
}

function resetCancel() {
  confirmTimer = undefined;
  setText($('cancel'), 'Cancel the job');
}

async function cancel() {
  if (!confirmTimer) {
    confirmTimer = setTimeout(resetCancel, CONFIRM_MS);
    setText($('cancel'), 'Really cancel it? Press again');
    return;
  }
  clearTimeout(confirmTimer);
  resetCancel();
  if (await command({ command: 'cancel' })) say('Sent. A worker that reads commands will stop.');
}

export function startTalk(jobApi) {
  api = jobApi;
  $('talk').addEventListener('submit', send);
  $('words').addEventListener('input', typing);
  $('cancel').addEventListener('click', cancel);
}
