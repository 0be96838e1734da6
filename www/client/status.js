/* What the status of a job means for its stream. */
const OVER = /^(completed|failed|cancelled|deleted)$/;
const ACTIVE = /^(in_progress|revisions|hardening)$/;

/* Nothing will follow. */
export const isOver = (status) => OVER.test(status);

/* Workers report. The other statuses that are not over wait for this. */
export const isActive = (status) => ACTIVE.test(status);
