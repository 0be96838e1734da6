import type {
  Command, Deliverable, JobUpdate, Presence, StateChange, StreamEvent, StreamEventMap, StreamState,
  TaskEventStream, TaskUpdate,
} from './joblight.js';
import type { JobLight } from './shared-socket.js';

/** `<task-event-stream job-id job-status base-url token transports disabled cursor>` */
export class TaskEventStreamElement extends HTMLElement {
  jobId: string | null;
  jobStatus: string | null;
  /** The client whose connection it shares. Default: one for all elements of the page. */
  client?: JobLight;
  /** As in StreamOptions; a string may be an attribute. With another token the stream goes on where it was. */
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

  /** The events bubble and are composed. */
  interface HTMLElementEventMap {
    'task-stream:event': CustomEvent<StreamEvent>;
    'task-stream:task-update': CustomEvent<TaskUpdate>;
    'task-stream:job-update': CustomEvent<JobUpdate>;
    'task-stream:deliverable': CustomEvent<Deliverable>;
    'task-stream:command': CustomEvent<Command>;
    'task-stream:presence': CustomEvent<Presence>;
    'task-stream:snapshot': CustomEvent<StreamEventMap['snapshot']>;
    'task-stream:connected': CustomEvent<StreamEventMap['connected']>;
    'task-stream:heartbeat': CustomEvent<StreamEventMap['heartbeat']>;
    'task-stream:state': CustomEvent<StateChange>;
    'task-stream:end': CustomEvent<StreamEventMap['end']>;
  }
}
