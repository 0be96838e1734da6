/* The client, described in joblight.d.ts. A built package or program has one file, in which
 * client/ is bundled. */
export { backoffMs } from './client/backoff.js';
export { JobLightError } from './client/errors.js';
export { eventParser } from './client/event-parser.js';
export { openingMs } from './client/large-message.js';
export { isActive, isOver } from './client/status.js';
export { TaskEventStream } from './client/stream.js';
