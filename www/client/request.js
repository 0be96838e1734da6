/* HTTP requests to the server, with the credential of the stream. */
import { delayMs } from './backoff.js';
import { JobLightError, responseError } from './errors.js';
import { renewInTime } from './renewal.js';

const POST_TIMEOUT_MS = 15000, POST_RETRIES_MAX = 8;

/* Pages without an origin, such as local files, cannot be listed. */
const foreignPageError = ({ origin }) => new JobLightError('forbidden_origin',
  `The server does not let pages of ${origin} read its answers: start joblight with --origin `
  + (origin === 'null' ? "'*'" : origin));

export class Requests {
  token; // that was sent last
  #options;
  #tokenExpired = false; // the next request asks the token function for a fresh one
  #hasRead = false; // an answer of the server was readable

  constructor(options) {
    this.#options = options;
    this.base = (options.baseUrl || '').replace(/\/?$/, '/api/');
  }

  /* A browser tells a page neither why a request failed nor what was answered, when the server
   * does not list the page's origin. An opaque answer shows that the server, or at least a proxy,
   * is there. */
  async #send(signal, path, init) {
    const { fetch: get = fetch } = this.#options;
    const { location } = globalThis;
    const more = { cache: 'no-store', signal };
    try {
      const response = await get(this.base + path, { ...init, ...more });
      this.#hasRead = true;
      return response;
    } catch (err) {
      const isForeign = location && new URL(this.base, location).origin !== location.origin;
      if (signal.aborted || this.#hasRead || !isForeign) throw err;
      const opaque = { ...more, headers: {}, mode: 'no-cors', credentials: 'omit' };
      await get(this.base.replace(/api\/$/, 'healthz'), opaque).catch(() => { throw err; });
      throw foreignPageError(location);
    }
  }

  /* The server closed a connection because its credential has expired. */
  expireToken() {
    this.#tokenExpired = true;
  }

  /* Calls act(token) with a fresh token before the one that was sent last expires, if there is a
   * function that returns one. */
  renewInTime(act, signal) {
    const { token } = this.#options;
    if (token?.call) renewInTime(this.token, async () => token({ refresh: true }), act, signal);
  }

  /* The function may fail, or never answer. */
  async #ask(refresh, signal) {
    const { token } = this.#options;
    if (!token?.call) return token;
    try {
      return await Promise.race([token({ refresh }), new Promise((_, reject) => {
        signal.addEventListener('abort', reject);
      })]);
    } catch (err) {
      signal.throwIfAborted();
      throw new JobLightError('token', 'There is no token: ' + err.message, { ours: true });
    }
  }

  /* `path` follows /api/. A request with a `body` is a POST, and `key` makes it idempotent.
   * After a 401 or 403, a token function is asked once for a fresh token. */
  async fetch(signal, path, body, key) {
    const { token, credentials } = this.#options;
    for (;;) {
      const refresh = this.#tokenExpired;
      const bearer = this.token = await this.#ask(refresh, signal);
      const response = await this.#send(signal, path, {
        ...body && { method: 'POST', body: JSON.stringify(body) },
        headers: {
          ...bearer && { authorization: 'Bearer ' + bearer },
          ...body && { 'content-type': 'application/json' },
          ...key && { 'idempotency-key': key },
          ...path.includes('/task-events?') && { accept: 'text/event-stream' },
        },
        credentials,
      });
      signal.throwIfAborted();
      this.#tokenExpired = false;
      if (response.ok) return response;
      const err = await responseError(response);
      if (refresh || !token?.call || !/40[13]/.test(err.status)) throw err;
      this.#tokenExpired = true;
    }
  }

  /* Repeats the request under one idempotency key until it is answered, so that the server
   * stores it once. */
  async post(path, body) {
    const key = crypto.getRandomValues(new Uint32Array(4)).join('-');
    for (let attempt = 0; ; attempt++) {
      try {
        const signal = AbortSignal.timeout(POST_TIMEOUT_MS);
        return await (await this.fetch(signal, path, body, key)).json();
      } catch (err) {
        if (err.fatal || attempt > POST_RETRIES_MAX || this.#options.signal?.aborted) throw err;
        await new Promise((resolve) => { setTimeout(resolve, delayMs(attempt, err.retryMs)); });
      }
    }
  }
}
