/* The meaning of a job's status for its stream, and of a stream's state. */
const OVER = /^(completed|failed|cancelled|deleted)$/;
const ACTIVE = /^(in_progress|revisions|hardening)$/;
const CONNECTED = /^(live|polling)$/;

/* The job has ended, and no event follows; or the task has ended. */
export const isOver = (status) => OVER.test(status);

/* Workers are reporting. With any other status that is not over, the stream waits. */
export const isActive = (status) => ACTIVE.test(status);

/* The stream has a connection that delivers. */
export const isConnected = (state) => CONNECTED.test(state);
