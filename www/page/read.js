/* What the page reads before it goes live, and what it says when it cannot. */
import { call } from './request.js';
import { $, setText } from './ui.js';

export const PENDING_MS = 2000;

const SPOKEN = 200; // events that are looked through for what was said

/** Words over everything else on the page; none takes them away. */
export function trouble(text) {
  $('notice').textContent = text;
  $('notice').hidden = !text;
}

/* There is nothing to show, so the page says what is the matter instead of a title. */
function absent(title) {
  setText($('absent-title'), title);
  $('absent').hidden = !title || !$('hero').hidden;
  if (title && !$('absent').hidden) document.title = `${title} · joblight`;
}

/* A server that is away comes back, and one should see when it is asked next. */
function waitAloud(words) {
  for (let left = PENDING_MS / 1000; left > 0; left--) {
    setTimeout(() => trouble(`${words} Next try in ${left} s.`), PENDING_MS - left * 1000);
  }
}

/** The job, or null where there is none for us, or undefined where it cannot be known now. */
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
    else if (closed) trouble('You are not allowed to see this job. Ask whoever gave you the link.');
    else waitAloud(err.message);
    absent(missing ? 'No such job' : closed ? 'Not allowed' : 'One moment');
    return missing || closed ? null : undefined;
  }
}

/** What was said before this page came, up to `seq`, oldest first. */
export async function readTalk(api, seq) {
  try {
    const { activity } = await call('GET', `${api}/activity?order=desc&limit=${SPOKEN}`);
    return activity.filter((event) => event.type === 'command' && event.seq <= seq).reverse();
  } catch {
    return []; // nobody depends on it
  }
}
