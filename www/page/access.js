/*
 * Who uses the page: the session of a login, or the token of a shared link. A server without keys
 * has neither.
 */
import { base } from './base.js';
import { $, setText } from './ui.js';

const AWAY = 'joblight ended'; // in sessionStorage: the login page says why it is there
const LINK = /^#token=([\w.~+/=-]+)$/;

/* The address bar, the history and other servers must not get the token, so it is kept in memory
 * only. */
function takeToken() {
  const [, token] = LINK.exec(location.hash) || [];
  if (token) history.replaceState(null, '', location.pathname + location.search);
  return token;
}

/** The token of the link that opened the page; undefined if there was none. */
export const token = takeToken();

/** What the page sends with each request. A browser adds the cookie of a session by itself. */
export const authorization = token ? { authorization: `Bearer ${token}` } : {};

let session; // as GET /api/session has it
let leaving = false; // the user logs out: that ends what the page waits for, too
const listeners = [];

/** Calls listener() when it is known what the user may do. */
export const onAccess = (listener) => listeners.push(listener);

/** Whether the user has a right; true until it is known. */
export const may = (right) => !session || session.scope.includes(right);

export const mayCommand = (name) => may('control')
  && (!session?.commands || session.commands.includes(name));

/** Whether requests need a key, so that examples have to show one. */
export const needsKey = () => Boolean(session && !session.open);

/** Goes to the login page, which returns here. Never for the token of a link. */
export function logIn() {
  if (leaving) return new Promise(() => {});
  try {
    if (session) sessionStorage.setItem(AWAY, '1');
  } catch { /* a browser without storage */ }
  const next = location.pathname + location.search + location.hash;
  location.replace(`${base}/login?${new URLSearchParams({ next })}`);
  return new Promise(() => {}); // the page is left
}

/** Whether a session has just ended; asked for once. */
export function hasJustEnded() {
  try {
    const ended = sessionStorage.getItem(AWAY);
    sessionStorage.removeItem(AWAY);
    return Boolean(ended);
  } catch {
    return false;
  }
}

async function logOut() {
  $('logout').disabled = true;
  leaving = true;
  try {
    const { ok } = await fetch(`${base}/logout`, { method: 'POST' });
    if (!ok) throw new Error();
    location.assign(`${base}/login`);
  } catch {
    leaving = false;
    setText($('logout'), 'Not logged out. Try again');
    $('logout').disabled = false;
  }
}

/** Shows on the page that anybody can write, if it is so. */
export function warnIfInsecure({ insecure }) {
  if (!insecure) return;
  const note = document.createElement('p');
  note.className = 'open-server';
  note.textContent = 'Anybody who can reach this server can read and change everything on it: it was started with '
    + '--insecure and has no keys.';
  document.querySelector('main').prepend(note);
}

/** The session, or undefined: there is none, or the server does not tell. */
export async function readSession() {
  const init = { headers: authorization, cache: 'no-store' };
  const response = await fetch(`${base}/api/session`, init).catch(() => undefined);
  const found = response?.ok && await response.json().catch(() => undefined);
  return Array.isArray(found?.scope) ? found : undefined;
}

/** Shows who is logged in, and calls the listeners of onAccess(). */
export async function showAccess() {
  session = await readSession();
  if (!session) return;
  warnIfInsecure(session);
  if (needsKey() && !token) {
    setText($('who'), session.name || session.id);
    $('who').hidden = $('logout').hidden = false;
    $('logout').addEventListener('click', logOut);
  }
  for (const listener of listeners) listener();
}

addEventListener('hashchange', () => {
  if (LINK.test(location.hash)) location.reload(); // another link was opened in this tab
});
