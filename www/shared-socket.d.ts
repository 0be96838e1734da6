/**
 * One WebSocket for all the streams of a page, and for its reports and commands.
 *
 *   const client = new JobLight();
 *   const one = client.stream({ jobId: 'j1', onTaskUpdate });
 *   const two = client.stream({ jobId: 'j2' });          // the same connection; each has a cursor
 *   await client.report('j1', { taskId: 't1', status: 'completed' });
 *
 * Each stream has its own ladder of transports, so a stream that no WebSocket reaches is live over sse or poll.
 * A report or command goes over the socket while that is open, else by fetch. It is repeated under one key until
 * it is answered, and the server stores it once. The socket opens with the first stream and closes with the last.
 * It carries one stream of each job; a second stream of a job, or the 201st job, opens another socket, and so
 * does a stream with another token. Streams with the same token function ask it for a fresh token together.
 *
 * The tabs of an origin share a connection, too: one tab leads, has the connection and forwards what it
 * receives to the other tabs. The leader is a visible tab if there is one. When it is closed, frozen or does
 * not answer, another tab takes over at its own position, so that no event is lost or repeated. The leader
 * tells the server how many tabs the connection serves, at most 32, and the server counts them as watchers.
 * Tabs share when they have the same server, the same transports and the same credential: the same token as a
 * text, or none. When the token is a function, `tabs` has to name the user. Where no WebSocket gets through
 * over HTTP/1.1, a page has four streams at a time, and polls further jobs without waiting until one of the
 * four is free. Sharing needs Web Locks and BroadcastChannel, which browsers have on https and on localhost.
 * Elsewhere a hidden tab closes a connection that is not a WebSocket, because a browser opens at most six
 * connections to a server over HTTP/1.1.
 */
import type { Receipt, StreamOptions, TaskEventStream, Update } from './joblight.js';

/** Options of all streams, e.g. baseUrl, token, WebSocket. */
export type SharedOptions = Omit<StreamOptions, 'jobId' | 'jobStatus' | 'cursor'>;

export class JobLight {
  constructor(options?: SharedOptions);
  /** Like new TaskEventStream({ ...shared, ...options }): not started yet. */
  stream(options: StreamOptions): TaskEventStream;
  report(jobId: string, update: Update): Promise<Receipt>;
  report(jobId: string, updates: Update[]): Promise<Receipt[]>;
  command(jobId: string, command: string,
    more?: { taskId?: string; args?: Record<string, unknown> }): Promise<Receipt>;
}
