/* Waiting for the thing itself, with a deadline. */
const DEADLINE_MS = 20000;

export async function eventually(what, check, deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`it did not happen in ${deadlineMs} ms: ${what}`);
    await pause(20);
  }
}

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
