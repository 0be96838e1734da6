/* How long the client waits before it tries again. */
const BACKOFF_MIN_MS = 500, BACKOFF_MAX_MS = 30000;
const DELAY_MAX_MS = 600000;

/* Exponential backoff with full jitter: a random time below 0.5 s, and the limit doubles up to
 * 30 s. */
export const backoffMs = (attempt) =>
  Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** attempt);

/* The backoff, or what the server asked for (Retry-After, retry:) when that is longer. */
export const delayMs = (attempt, minMs) =>
  Math.min(Math.max(minMs || 0, backoffMs(attempt)), DELAY_MAX_MS);
