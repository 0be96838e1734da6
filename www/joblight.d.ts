/**
 * joblight in the browser and in Node 20: follow one job live, nothing lost, nothing twice.
 *
 *   idle -> waiting (the job is not active yet) -> connecting -> live | polling <-> checking, reconnecting
 *        -> ended (the job is over) | failed (the server refuses) | closed (by you)
 *
 * The transports are the rungs of a ladder, and all of them go on at the one cursor. A page over
 * HTTP/1.1, where six streams would block everything else, begins with ws, any other with sse. A rung
 * is left for its own faults only (`faults` has them), never because the network or the server is
 * away: a plain request has to work meanwhile. It is left at once when it cannot work at all (a refused
 * upgrade, a foreign answer), and after three connections that broke, or did not come up, within a minute.
 * One without an answer in 1.5 s (no response head, no upgrade) gets the next rung beside it, and the first
 * that comes up wins. From below, the top is tried again every 60 s beside what works, and takes over
 * without a gap; the pause doubles, up to an hour, when the top had to be left again.
 *
 * A lost connection comes back after a random pause below 0.5 s. The pause doubles to 30 s over
 * connections that delivered nothing and did not hold for 5 s. What the server asks for (Retry-After,
 * retry:) is waited for in any case; going online, looking at the page and coming back from the
 * back/forward cache end a pause at once.
 *
 * After 1.2 heartbeats of silence, on `offline` and when the page becomes visible it is `checking`: it
 * sends a ping (WebSocket) or one plain request, and without an answer in 4 s the connection is lost. A
 * visible page asks for a heartbeat every 10 s, a hidden one every 30 s. Bytes of a large message count as
 * life. A WebSocket shows none of them: a message that it announced has 30 s and 1 s for each 16 kB, and no
 * more than 30 s from `offline` on; then the next transport takes over. Silence for 2.5 heartbeats is a lost
 * connection in any case, and so is a stream that fell behind what its heartbeats tell.
 *
 * Over HTTP/1.1 a hidden page lets go of a connection that is not a WebSocket (it is `idle`) and takes it up
 * again when somebody looks; tabs that share one (see JobLight) need not.
 *
 * Only an answer of the server itself (a problem document with a code) makes a stream `failed`; what a
 * proxy answers is waited out. A failed stream tries again when the browser goes online, when the page
 * becomes visible, and by reconnect(). close() a failed stream that is not needed any more.
 */

export type Transport = 'ws' | 'sse' | 'poll';
export type StreamState = 'idle' | 'waiting' | 'connecting' | 'live' | 'polling' | 'checking'
  | 'reconnecting' | 'ended' | 'failed' | 'closed';
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
  error?: JobLightError;
  faults: JobLightError[];
  /** Connections in a row that delivered nothing. */
  attempt: number;
  /** Set while waiting for the next try. */
  retryInMs?: number;
}

/** As much of the constructor as is used: the npm package ws fits. */
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
  /** What the page knows. Terminal: no request at all. Not active: waits. Absent: asks the server. */
  jobStatus?: JobStatus | 'deleted';
  /** Where the server is, without `/api`. Default: the page's own origin; needed in Node. */
  baseUrl?: string;
  /** Best first. Default: TaskEventStream.ladder. */
  transports?: Transport[];
  /** A position to go on from, e.g. the `cursor` of GET /api/jobs/:id. */
  cursor?: string;
  /**
   * Goes as Authorization: Bearer, and for a WebSocket buys a ticket, so that it never stands in a URL.
   * A server without keys has no tickets and needs none.
   * A function is asked again, with refresh: true, once after a 401 or 403 and after close 4001.
   */
  token?: string | ((about: { refresh: boolean }) => string | Promise<string>);
  credentials?: RequestCredentials;
  /**
   * Of a JobLight: who this is, e.g. the id of a user, so that tabs with a token function can share a connection;
   * or false: no sharing with other tabs. A lone TaskEventStream does not share.
   */
  tabs?: string | false;
  /** Seconds, 5 to 60. Default: 10 on a visible page, 30 on a hidden one, else as the server is set. */
  heartbeat?: number;
  signal?: AbortSignal;
  fetch?: typeof fetch;
  /** Where there is none (Node 20), or to see what is opened. Without one, the rung is passed over. */
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
}

export interface Receipt {
  ok: true;
  seq: number;
  cursor: string;
  watchers: number;
  /** It had been stored before: this was a repetition. */
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
  /** Over a shared socket that reports: somebody began or ceased to look. */
  watchers: { type: 'watchers'; jobId: string; watchers: number };
  end: { type: 'end'; jobId: string; status: JobStatus | 'deleted' };
}

/**
 * What went wrong, with words for people. Codes of the client: `network` (the server cannot be reached),
 * `closed` (the connection broke), `silent` (no answer to a check), `hole` (the stream skipped an
 * event, so it was taken up again), `too_big`; and those of a rung: `held` (a proxy holds the SSE stream
 * back; nginx needs `proxy_buffering off;`), `content_type` (a proxy answered instead), `refused` (no
 * WebSocket gets through; nginx needs the Upgrade headers). The server's codes are those of its problem
 * document (`not_found`, `overloaded` …) with its words; `http` where it sent none.
 */
export class JobLightError extends Error {
  code: string;
  /** Said by the server itself, not by something in between. */
  ours?: boolean;
  /** Retrying cannot help. */
  fatal?: boolean;
  /** Another transport may help. */
  rung?: boolean;
  /** Of the HTTP answer, or the close code of the WebSocket. */
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
  /** Why it is not live. Gone as soon as it is. */
  readonly error?: JobLightError;
  /**
   * Why it is not on its first transport: one for each that was left for those below, best first, e.g.
   * with code `held` for sse and `refused` for ws. Empty on the first transport.
   */
  readonly faults: JobLightError[];
  /** Set it to what the page knows: a terminal status leaves, an active one connects. */
  get jobStatus(): JobStatus | 'deleted' | undefined;
  set jobStatus(status: JobStatus | 'deleted' | undefined);
  start(): void;
  /** Milliseconds since the last sign of life; 0 while a WebSocket brings a large message, of which it shows nothing. */
  readonly quietMs: number;
  /** At once and from the top of the ladder, whatever was being waited for; also when it has failed. */
  reconnect(): void;
  close(): void;
  /** A worker's word, or up to 256 of them. Repeated under one key until it is answered. */
  report(update: Update): Promise<Receipt>;
  report(updates: Update[]): Promise<Receipt[]>;
  /** A word to the workers. */
  command(command: string, more?: { taskId?: string; args?: Record<string, unknown> }): Promise<Receipt>;
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

/** Milliseconds that a WebSocket has for a message of which it announced so many bytes. */
export function openingMs(bytes: number | undefined): number;
/** Full jitter: anything between nothing and 0.5 s, doubling to 30 s. */
export function backoffMs(attempt: number): number;
