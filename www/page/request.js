/* Requests of the page, and error messages for people. */
import { authorization, logIn, token } from './access.js';
import { base } from './base.js';

const WORDS = {
  401: 'The link that opened this page has expired or was withdrawn. Ask whoever gave it to you for another one.',
  403: 'You are not allowed to do this.',
  413: 'This is too much at once.',
  429: 'Too many requests. Wait a moment.',
  502: 'The server is away: a proxy answered.',
  503: 'The server is busy or restarting.',
  504: 'The server is away: a proxy answered.',
};

const CODES = {
  job_ended: 'The job is over and takes no more updates.',
  forbidden_origin: 'The server takes this page for one of another site. A proxy before it must pass Host on, or it '
    + `must be started with --origin ${location.origin}.`,
  host_not_served: `The server does not go by the name of this page. Start it with --host ${location.hostname}.`,
};

const listeners = [];

/** Calls listener({ method, path, body }) for each write of this page. */
export const onRequest = (listener) => listeners.push(listener);
export const tellRequest = (request) => listeners.forEach((listener) => listener(request));

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');

function failure({ status }, { code, detail, title }, verbatim) {
  const said = sentence(detail || title || `the server answered ${status}`);
  const ours = !verbatim && (CODES[code] || WORDS[status]);
  const why = ours && code === 'forbidden' ? ` ${said}` : ''; // it names the right that is missing
  return Object.assign(new Error((ours || said) + why), { status, code });
}

/* The answer did not come from joblight. A gateway says with 502 to 504 that the server is away;
 * after any other status the address is probably wrong. */
function foreign({ status }, path) {
  const words = status > 500 ? WORDS[status] : undefined;
  const [api] = /^\/[^/]*\//.exec(path);
  return Object.assign(new Error(words
    || `Something that is not joblight answered with ${status}. Does the proxy pass ${api} on to joblight?`), { status });
}

const isJson = (response) => /[/+]json\b/.test(response.headers.get('content-type'));

/**
 * Sends a request to a path below the base path. Throws an Error whose message can be shown. It has a `code` only if joblight itself answered;
 * `verbatim` keeps the words of the server. A `quiet` write is not told to the listeners of
 * onRequest(). Where a session is missing or has ended, the page is left for the login page.
 */
export async function call(method, path, body, { quiet = false, verbatim = false } = {}) {
  const init = { method, headers: { ...authorization }, cache: 'no-store' };
  if (body) {
    init.headers['content-type'] = 'application/json';
    init.body = JSON.stringify(body);
    if (!quiet) tellRequest({ method, path, body });
  }
  const response = await fetch(base + path, init).catch(() => {
    throw new Error('The server cannot be reached.');
  });
  const answer = isJson(response) && await response.json().catch(() => undefined);
  if (!answer || (!response.ok && !answer.code)) throw foreign(response, base + path);
  if (response.ok) return answer;
  if (answer.code === 'unauthorized' && !token && !verbatim) return logIn();
  throw failure(response, answer, verbatim);
}

/** Repeats `work` until the server answers it. Throws when the server rejects it. */
export async function patiently(work, { everyMs = 1000 } = {}) {
  for (;;) {
    try {
      return await work();
    } catch (err) {
      if (err.code && err.status < 500) throw err;
      await new Promise((resolve) => { setTimeout(resolve, everyMs); });
    }
  }
}
