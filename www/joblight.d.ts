/**
 * joblight in the browser and in Node 20: follow one job live, nothing lost, nothing twice.
 *
 *   idle -> waiting (the job is not active yet) -> connecting -> live | polling <-> reconnecting
 *        -> ended (the job is over) | failed (coming back cannot help) | closed (by you)
 */

export type Transport = 'ws' | 'sse' | 'poll';
export type StreamState = 'idle' | 'waiting' | 'connecting' | 'live' | 'polling' | 'reconnecting'
  | 'ended' | 'failed' | 'closed';
export type JobStatus = 'pending' | 'in_progress' | 'revisions' | 'hardening'
  | 'completed' | 'failed' | 'cancelled';
export type TaskStatus = 'pending' | 'in_progress' | 'blocked' | 'completed' | 'failed' | 'cancelled';

export interface Task {
  id: string;
  title: string;
  status: TaskStatus;
  note?: string;
  progress?: number;
  attempt?: number;
  position: number;
  createdAt: string;
  updatedAt: string;
  startedAt?: string;
  endedAt?: string;
}

export interface Job {
  id: string;
  title: string;
  status: JobStatus;
  metadata: Record<string, unknown>;
  createdAt: string;
  updatedAt: string;
  endedAt?: string;
  tasks: Task[];
  deliverables: Record<string, unknown>[];
  seq: number;
  epoch: string;
  cursor: string;
}

interface Logged {
  jobId: string;
  seq: number;
  timestamp: string;
}

/** The whole state of a task after an update. `snapshot`: it changed during a gap that was not logged any more. */
export interface TaskUpdate extends Logged {
  type: 'task_update';
  taskId: string;
  status: TaskStatus;
  title: string;
  note?: string;
  progress?: number;
  attempt?: number;
  snapshot?: true;
}

export interface JobUpdate extends Logged {
  type: 'job_update';
  status: JobStatus;
  title: string;
  metadata?: Record<string, unknown>;
  created?: true;
  tasks?: Pick<Task, 'id' | 'title' | 'status'>[];
  snapshot?: true;
}

export interface Deliverable extends Logged {
  type: 'deliverable';
  deliverableId: string;
  title: string;
  url: string;
  mediaType?: string;
}

export interface Command extends Logged {
  type: 'command';
  command: string;
  taskId?: string;
  args?: Record<string, unknown>;
  actor?: string;
}

export interface Presence {
  type: 'presence';
  jobId: string;
  watchers: number;
  agents: { id: string; state: string; taskId?: string }[];
  seq?: undefined;
}

/** The whole job: at a first connect, and where the server could not continue from the cursor. */
export interface Snapshot {
  type: 'snapshot';
  job: Job;
  reason?: 'pruned' | 'epoch' | 'future' | 'invalid';
  seq?: undefined;
}

export type StreamEvent = TaskUpdate | JobUpdate | Deliverable | Command | Presence | Snapshot;

export interface StateChange {
  state: StreamState;
  previous: StreamState;
  jobId: string;
  transport?: Transport;
  cursor?: string;
  error?: Error;
  /** Failed connections since the last stable one. */
  attempt: number;
  /** Set while waiting for the next try. */
  retryInMs?: number;
}

export interface StreamOptions {
  jobId: string;
  /** What the page knows. Terminal: no request at all. Not active: waits. Absent: asks the server. */
  jobStatus?: JobStatus | 'deleted';
  /** Where the server is, without `/api`. Default: the page's own origin; needed in Node. */
  baseUrl?: string;
  /** Best first. Default: TaskEventStream.ladder. */
  transports?: Transport[];
  /** A position to go on from, e.g. the `cursor` of GET /api/jobs/:id. */
  cursor?: string;
  /** A function is asked again, with refresh: true, once after a 401 or 403. */
  token?: string | ((about: { refresh: boolean }) => string | Promise<string>);
  credentials?: RequestCredentials;
  signal?: AbortSignal;
  fetch?: typeof fetch;
  onTaskUpdate?: (update: TaskUpdate) => void;
  onJobUpdate?: (status: JobStatus, update: JobUpdate) => void;
  onSnapshot?: (job: Job, snapshot: Snapshot) => void;
  onStateChange?: (change: StateChange) => void;
}

export interface Update {
  taskId: string;
  status?: TaskStatus;
  title?: string;
  /** null clears it. */
  note?: string | null;
  progress?: number | null;
  attempt?: number;
}

export interface Receipt {
  ok: true;
  seq: number;
  cursor: string;
  watchers: number;
}

export interface StreamEventMap {
  /** Every logged event, presence and snapshot, before the event of its own name. */
  event: StreamEvent;
  task_update: TaskUpdate;
  job_update: JobUpdate;
  deliverable: Deliverable;
  command: Command;
  presence: Presence;
  snapshot: Omit<Snapshot, 'type'>;
  state: StateChange;
  connected: Record<string, unknown>;
  heartbeat: { head: number; timestamp: string };
  end: { type: 'end'; jobId: string; status: JobStatus | 'deleted' };
}

/**
 * What went wrong. Codes of the client: network errors have none, `held` (a proxy holds the stream),
 * `content_type`, `refused` (no WebSocket gets through), `silent`, `closed`, `hole`, `behind`,
 * `too_big`. Codes of the server are those of its problem document, else `http`.
 */
export class JobLightError extends Error {
  code: string;
  /** Retrying cannot help. */
  fatal?: boolean;
  /** Another transport may help. */
  rung?: boolean;
  status?: number;
  /** What Retry-After asked for. */
  retryMs?: number;
}

export class TaskEventStream extends EventTarget {
  static ladder: Transport[];
  constructor(options: StreamOptions);
  readonly jobId: string;
  readonly state: StreamState;
  readonly transport?: Transport;
  /** The position after the last event that was handed out. */
  readonly cursor?: string;
  readonly error?: Error & Partial<JobLightError>;
  /** Set it to what the page knows: a terminal status leaves, an active one connects. */
  get jobStatus(): JobStatus | 'deleted' | undefined;
  set jobStatus(status: JobStatus | 'deleted' | undefined);
  start(): void;
  /** At once and from the top of the ladder, whatever was being waited for. */
  reconnect(): void;
  close(): void;
  /** A worker's word, or up to 256 of them. Repeated under one key until it is answered. */
  report(update: Update): Promise<Receipt>;
  report(updates: Update[]): Promise<Receipt[]>;
  /** A word to the workers. */
  command(command: string, more?: { taskId?: string; args?: Record<string, unknown> }): Promise<unknown>;
  /** Starts the stream, ends with the job, throws when it failed. Leaving the loop closes it. */
  [Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void, void>;
  addEventListener<K extends keyof StreamEventMap>(type: K,
    listener: (event: CustomEvent<StreamEventMap[K]>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions): void;
}

/** The event stream format of WHATWG HTML: feed it bytes. Throws when one event passes maxChars. */
export function eventParser(onEvent: (data: string, type: string, id: string) => void,
  onRetry?: (ms: number) => void, maxChars?: number): (bytes: Uint8Array) => void;

/** Full jitter: anything between nothing and 0.5 s, doubling to 30 s. */
export function backoffMs(attempt: number, random?: () => number): number;
