/* The meaning of a job's status for its stream. */
const OVER = /^(completed|failed|cancelled|deleted)$/;
const ACTIVE = /^(in_progress|revisions|hardening)$/;

/* The job has ended, and no event follows. */
export const isOver = (status) => OVER.test(status);

/* Workers are reporting. With any other status that is not over, the stream waits. */
export const isActive = (status) => ACTIVE.test(status);
