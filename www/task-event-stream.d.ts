import type { JobUpdate, StreamState, TaskEventStream, TaskUpdate } from './joblight.js';

/** `<task-event-stream job-id job-status base-url transports disabled cursor>` */
export class TaskEventStreamElement extends HTMLElement {
  jobId: string | null;
  jobStatus: string | null;
  token?: string | ((about: { refresh: boolean }) => string | Promise<string>);
  fetch?: typeof fetch;
  onTaskUpdate?: (update: TaskUpdate) => void;
  onJobUpdate?: (status: string, update: JobUpdate) => void;
  readonly stream?: TaskEventStream;
  readonly state: StreamState;
}

declare global {
  interface HTMLElementTagNameMap {
    'task-event-stream': TaskEventStreamElement;
  }
}
