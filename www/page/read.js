/* What the page reads before it starts the stream, and its messages when that fails. */
import { call } from './request.js';
import { $, setText } from './ui.js';

export const PENDING_MS = 2000;

const SEARCHED = 200; // how many of the last events are searched for commands

/** Shows a notice at the top of the page; an empty text hides it. */
export function trouble(text) {
  $('notice').textContent = text;
  $('notice').hidden = !text;
}

/* Without a job, the page shows this title. */
function absent(title) {
  setText($('absent-title'), title);
  $('absent').hidden = !title || !$('hero').hidden;
  if (title && !$('absent').hidden) document.title = `${title} · joblight`;
}

/* Shows the error and counts down to the next try. */
function countDown(words) {
  for (let left = PENDING_MS / 1000; left > 0; left--) {
    setTimeout(() => trouble(`${words} Next try in ${left} s.`), PENDING_MS - left * 1000);
  }
}

/** Returns the job, null if there is none that we may see, or undefined if the request failed. */
export async function readJob(api) {
  try {
    const found = await call('GET', api);
    trouble('');
    absent('');
    return found;
  } catch (err) {
    const missing = err.code && (err.status === 404 || err.status === 400);
    const closed = err.code && (err.status === 401 || err.status === 403);
    if (missing) trouble('There is no such job. It may have been deleted.');
    else if (closed && err.status === 401) trouble(err.message);
    else if (closed) trouble('You are not allowed to see this job. Ask whoever gave you the key or the link.');
    else countDown(err.message);
    absent(missing ? 'No such job' : closed ? 'Not allowed' : 'One moment');
    return missing || closed ? null : undefined;
  }
}

/** Returns the commands up to `seq`, oldest first. */
export async function readTalk(api, seq) {
  try {
    const { activity } = await call('GET', `${api}/activity?order=desc&limit=${SEARCHED}`);
    return activity.filter((event) => event.type === 'command' && event.seq <= seq).reverse();
  } catch {
    return []; // the page works without them
  }
}
