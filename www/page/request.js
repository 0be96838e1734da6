/* Requests of the page, and error messages for people. */

const WORDS = {
  401: 'You are not allowed to do this: the server wants to know who you are.',
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

function failure({ status }, { code, detail, title }) {
  const said = sentence(detail || title || `the server answered ${status}`);
  return Object.assign(new Error(CODES[code] || WORDS[status] || said), { status, code });
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
 * Throws an Error whose message can be shown. It has a `code` only if joblight itself answered. A
 * `quiet` write is not told to the listeners of onRequest().
 */
export async function call(method, path, body, { quiet = false } = {}) {
  const init = { method, headers: {}, cache: 'no-store' };
  if (body) {
    init.headers['content-type'] = 'application/json';
    init.body = JSON.stringify(body);
    if (!quiet) tellRequest({ method, path, body });
  }
  const response = await fetch(path, init).catch(() => {
    throw new Error('The server cannot be reached.');
  });
  const answer = isJson(response) && await response.json().catch(() => undefined);
  if (!answer || (!response.ok && !answer.code)) throw foreign(response, path);
  if (response.ok) return answer;
  throw failure(response, answer);
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
