/**
 * joblight in the browser and in Node 20: a stream follows one job live. It loses no event and repeats none.
 *
 *   idle -> waiting (the job is not active yet) -> connecting -> live | polling <-> checking, reconnecting
 *        -> ended (the job is over) | failed (the server refuses) | closed (by you)
 *
 * The transports are the rungs of a ladder, and all of them continue at the same cursor. A page over
 * HTTP/1.1, where six streams would block all other requests, starts with ws, any other page with sse. The
 * stream leaves a rung only because of that rung's own faults (`faults` lists them), never because the network
 * or the server is unavailable: a plain request has to work at the same time. It leaves a rung at once when the
 * rung cannot work at all (a refused upgrade, an answer of a proxy), and after three connections that broke, or
 * were not established, within a minute. When a connection has no answer in 1.5 s (no response head, no
 * upgrade), the stream opens one on the next rung beside it and keeps the one that delivers first. On a lower
 * rung it tries the top rung again every 60 s beside the working connection, and changes to it without a gap;
 * the pause doubles, up to an hour, when the top rung has to be left again.
 *
 * The stream replaces a lost connection after a random pause of less than 0.5 s. The limit doubles, up to 30 s,
 * with each connection that delivered nothing and did not hold for 5 s. The stream always waits as long as the
 * server asked for (Retry-After, retry:). The pause ends at once when the browser goes online, when the page
 * becomes visible, and when it returns from the back/forward cache.
 *
 * After 1.2 heartbeats of silence, on `offline` and when the page becomes visible the stream is `checking`: it
 * sends a ping (WebSocket) or one plain request, and without an answer in 4 s the connection is lost. A
 * visible page asks for a heartbeat every 10 s, a hidden one every 30 s. Bytes of a large message are a sign of
 * life. A WebSocket shows none of them: a message that the server announced may take 30 s and 1 s for each
 * 16 kB, and after `offline` no more than 30 s; then the next transport is used. A connection is lost, too, when
 * it is silent for 2.5 heartbeats, or when an event is missing that a heartbeat announced.
 *
 * Over HTTP/1.1 a hidden page closes a connection that is not a WebSocket (the stream is `idle`) and opens it
 * again when the page becomes visible. Tabs that share a connection (see JobLight) keep it.
 *
 * Only an answer of the server itself (a problem document with a code) makes a stream `failed`; after an answer
 * of a proxy it tries again. A failed stream tries again when the browser goes online, when the page
 * becomes visible, and by reconnect(). close() a failed stream that is not needed any more.
 */

export type Transport = 'ws' | 'sse' | 'poll';
export type StreamState = 'idle' | 'waiting' | 'connecting' | 'live' | 'polling' | 'checking'
  | 'reconnecting' | 'ended' | 'failed' | 'closed';
export type JobStatus = 'pending' | 'in_progress' | 'revisions' | 'hardening'
  | 'completed' | 'failed' | 'cancelled';
export type TaskStatus = 'pending' | 'in_progress' | 'blocked' | 'completed' | 'failed' | 'cancelled';

export interface TaskState {
  id: string;
  title: string;
  status: TaskStatus;
  note?: string;
  progress?: number;
  attempt?: number;
  /** The silence limit of this task; 0: none. Absent: that of the job. */
  heartbeatTimeoutMs?: number;
  /** The task is in progress, and has been silent for longer than its limit. */
  stalled?: true;
}

export interface Task extends TaskState {
  position: number;
  createdAt: string;
  updatedAt: string;
  startedAt?: string;
  endedAt?: string;
}

export interface JobDeliverable {
  id: string;
  title: string;
  url?: string;
  mediaType?: string;
  createdAt: string;
}

export interface Job {
  id: string;
  title: string;
  status: JobStatus;
  metadata: Record<string, unknown>;
  /** The silence limit of its tasks that have none of their own. Absent: none. */
  heartbeatTimeoutMs?: number;
  createdAt: string;
  updatedAt: string;
  endedAt?: string;
  tasks: Task[];
  deliverables: JobDeliverable[];
  seq: number;
  epoch: string;
  cursor: string;
}

interface Logged {
  jobId: string;
  seq: number;
  /** The traceparent (W3C Trace Context) of the request or message that made the event, if it had one. */
  traceparent?: string;
  timestamp: string;
}

/** The whole state of a task after an update. `snapshot`: it changed in a gap that the log does not cover any more. */
export interface TaskUpdate extends Logged {
  type: 'task_update';
  taskId: string;
  status: TaskStatus;
  title: string;
  note?: string;
  progress?: number;
  attempt?: number;
  heartbeatTimeoutMs?: number;
  /** The server has noticed that the task is silent; the next update clears it. */
  stalled?: true;
  snapshot?: true;
}

export interface JobUpdate extends Logged {
  type: 'job_update';
  status: JobStatus;
  title: string;
  metadata?: Record<string, unknown>;
  heartbeatTimeoutMs?: number;
  created?: true;
  tasks?: TaskState[];
  snapshot?: true;
}

export interface Deliverable extends Logged {
  type: 'deliverable';
  deliverableId: string;
  title: string;
  url?: string;
  mediaType?: string;
}

export interface Command extends Logged {
  type: 'command';
  command: string;
  taskId?: string;
  args: Record<string, unknown>;
  /** The name of the access key that sent it, or its id; absent without a key. */
  actor?: string;
}

export interface Agent {
  id: string;
  state: string;
  taskId?: string;
}

export interface Presence {
  type: 'presence';
  jobId: string;
  watchers: number;
  agents: Agent[];
  seq?: undefined;
}

/** The whole job: after the first connect, and when the server could not continue from the cursor. */
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
  error?: JobLightError;
  faults: JobLightError[];
  /** How many connections in a row delivered nothing. */
  attempt: number;
  /** Set while waiting for the next try. */
  retryInMs?: number;
}

/** The part of the constructor that the client uses; the npm package ws has it. */
export type WebSocketLike = new (url: string, protocol: string) => {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(): void;
};

export interface StreamOptions {
  jobId: string;
  /** The status that the page knows. Terminal: no request. Not active: the stream waits. Absent: it asks the server. */
  jobStatus?: JobStatus | 'deleted';
  /** The address of the server, without `/api`. Default: the page's own origin; needed in Node. */
  baseUrl?: string;
  /** Best first. Default: TaskEventStream.ladder. */
  transports?: Transport[];
  /** A position to continue from, e.g. the `cursor` of GET /api/jobs/:id. */
  cursor?: string;
  /**
   * Sent as Authorization: Bearer. A WebSocket uses a ticket instead, so that the token is never in a URL.
   * A page of the server itself with a session (a cookie) needs none.
   * A function is called again, with refresh: true, for a fresh token: before a JSON Web Token expires (after
   * nine tenths of its time), so that streams go on without a gap; and once after a 401, a 403 and close 4001. If the
   * server refuses that one, too, the stream is `failed`, and `error` has the server's status and text.
   */
  token?: string | ((about: { refresh: boolean }) => string | Promise<string>);
  credentials?: RequestCredentials;
  /**
   * For a JobLight: a name of the user, so that tabs with a token function can share a connection;
   * or false: it does not share with other tabs. A TaskEventStream without a JobLight never does.
   */
  tabs?: string | false;
  /** Seconds, 5 to 60. Default: 10 on a visible page, 30 on a hidden one, otherwise the server's setting. */
  heartbeat?: number;
  signal?: AbortSignal;
  fetch?: typeof fetch;
  /** The class to use, e.g. in Node 20, which has none. Without a class the stream skips this transport. */
  WebSocket?: WebSocketLike;
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
  /** The silence limit; 0 and null switch it off. */
  heartbeatTimeoutMs?: number | null;
}

export interface Receipt {
  ok: true;
  seq: number;
  cursor: string;
  watchers: number;
  /** The update had been stored before; this was a repetition. */
  duplicate?: true;
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
  /** Over a shared socket that reports: the number of watchers changed. */
  watchers: { type: 'watchers'; jobId: string; watchers: number };
  end: { type: 'end'; jobId: string; status: JobStatus | 'deleted' };
}

/**
 * The reason of a failure; the message is for people. Codes of the client: `network` (the server cannot be reached),
 * `forbidden_origin` (the server is there, but has no `--origin` for this page's origin, so the browser hides its answers),
 * `token` (the token function failed), `closed` (the connection broke), `silent` (no answer to a check), `hole` (the stream skipped an
 * event, so the client connects again), `too_big`; and those of a transport: `held` (a proxy holds the SSE stream
 * back; nginx needs `proxy_buffering off;`), `content_type` (a proxy answered instead), `refused` (no
 * WebSocket gets through; nginx needs the Upgrade headers). The server's codes are those of its problem
 * document (`not_found`, `overloaded` …) with its text; `http` where it sent none.
 */
export class JobLightError extends Error {
  code: string;
  /** The server itself answered this, not a proxy. */
  ours?: boolean;
  /** Retrying cannot help. */
  fatal?: boolean;
  /** Another transport may help. */
  rung?: boolean;
  /** The status of the HTTP response, or the close code of the WebSocket. */
  status?: number;
  /** The pause that Retry-After asked for. */
  retryMs?: number;
}

export class TaskEventStream extends EventTarget {
  static ladder: Transport[];
  constructor(options: StreamOptions);
  readonly jobId: string;
  readonly state: StreamState;
  readonly transport?: Transport;
  /** The position after the last event that was delivered to the application. */
  readonly cursor?: string;
  /** Why the stream is not live; undefined when it is. */
  readonly error?: JobLightError;
  /**
   * Why the stream does not use its first transport: one error for each transport that it left, best first,
   * e.g. with code `held` for sse and `refused` for ws. Empty on the first transport.
   */
  readonly faults: JobLightError[];
  /** Set it to the status that the page knows: a terminal status disconnects the stream, an active one connects it. */
  get jobStatus(): JobStatus | 'deleted' | undefined;
  set jobStatus(status: JobStatus | 'deleted' | undefined);
  start(): void;
  /** Milliseconds since the last sign of life; 0 while a large message is on its way over a WebSocket. */
  readonly quietMs: number;
  /** Connects at once, from the top of the ladder; also when the stream waits or has failed. */
  reconnect(): void;
  close(): void;
  /** Sends an update of a worker, or up to 256. It is repeated under one key until it is answered. */
  report(update: Update): Promise<Receipt>;
  report(updates: Update[]): Promise<Receipt[]>;
  /** Sends a command to the workers. */
  command(command: string, more?: { taskId?: string; args?: Record<string, unknown> }): Promise<Receipt>;
  /** Starts the stream, ends with the job, throws when the stream failed. Leaving the loop closes it. */
  [Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void, void>;
  addEventListener<K extends keyof StreamEventMap>(type: K,
    listener: (event: CustomEvent<StreamEventMap[K]>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions): void;
}

/** Whether a job, or a task, of this status has ended; `deleted` is the end of a job, too. */
export function isOver(status: string | undefined): boolean;
/** Whether workers report on a job of this status. A stream waits while a job that is not over is not active. */
export function isActive(status: string | undefined): boolean;

/** Parses the event stream format of WHATWG HTML: call the result with bytes. Throws for an event over maxChars. */
export function eventParser(onEvent: (data: string, type: string, id: string) => void,
  onRetry?: (ms: number) => void, maxChars?: number): (bytes: Uint8Array) => void;

/** How many milliseconds a message of so many bytes, which the server announced, may take over a WebSocket. */
export function openingMs(bytes: number | undefined): number;
/** Exponential backoff with full jitter: a random time below 0.5 s, and the limit doubles up to 30 s. */
export function backoffMs(attempt: number): number;
