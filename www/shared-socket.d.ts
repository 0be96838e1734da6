/**
 * One WebSocket for all the streams of a page, and for what the page reports.
 *
 *   const client = new JobLight();
 *   const one = client.stream({ jobId: 'j1', onTaskUpdate });
 *   const two = client.stream({ jobId: 'j2' });          // the same connection, a cursor each
 *   await client.report('j1', { taskId: 't1', status: 'completed' });
 *
 * Each stream climbs its own ladder, so one that no WebSocket reaches is live over sse or poll. A report
 * or command goes over the socket while it is open, else by fetch, and is repeated under one key on
 * whatever is there until it is answered: the server stores it once. The socket opens with the first
 * stream and closes with the last. It carries one stream of each job; a second stream of a job, or the
 * 201st job, opens another one.
 *
 * The tabs of an origin share it, too: one of them leads and hands on what it hears, the others sit behind
 * it. It is a visible tab where there is one; when it is closed, frozen or without an answer another one takes
 * over at the position it has, so that nothing is lost or repeated. The server is told for how many tabs the
 * connection speaks, at most 32, and counts them as watchers. Tabs share when they have the same server, the
 * same transports and the same credential: the same token as a text, or none. Where the token is a function,
 * `tabs` has to say who it is. Where no WebSocket gets through over HTTP/1.1, a page has four streams at a time, and
 * further jobs are polled without waiting until one of them is free. Sharing needs Web Locks and BroadcastChannel, which browsers have on https and
 * on localhost; elsewhere a hidden tab lets go of a connection that is not a WebSocket, because a browser has
 * six of them for a server over HTTP/1.1.
 */
import type { Receipt, StreamOptions, TaskEventStream, Update } from './joblight.js';

/** What all streams have in common, e.g. baseUrl, token, WebSocket. */
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
