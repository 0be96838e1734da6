/* Renews the credential of an open connection, so that the server does not end it. */
const AGE = 0.9; // the part of the token's time after which it is renewed
const TIMER_MS_MAX = 2 ** 31 - 1;

/* When a JSON Web Token expires, in Unix milliseconds. NaN: it is another kind of token. */
function expiryOf(token) {
  try {
    const [, claims] = token.split('.');
    return JSON.parse(atob(claims.replace(/-/g, '+').replace(/_/g, '/'))).exp * 1000;
  } catch {
    return NaN;
  }
}

/* Calls send(token) with what renew() returns before `token` expires, and so on, until
 * `signal` aborts. If there is no later token, the server ends the connection and says why. */
export function renewInTime(token, renew, send, signal) {
  const expiry = expiryOf(token);
  const leftMs = expiry - Date.now();
  if (!(leftMs > 0)) return;
  const timer = setTimeout(async () => {
    const fresh = await renew().catch(() => {});
    if (signal.aborted || !(expiryOf(fresh) > expiry)) return;
    send(fresh);
    renewInTime(fresh, renew, send, signal);
  }, Math.min(leftMs * AGE, TIMER_MS_MAX));
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}

/* The message that renews the credential of a WebSocket. */
export const tokenMessage = (token) => JSON.stringify({ type: 'token', id: 'token', token });
