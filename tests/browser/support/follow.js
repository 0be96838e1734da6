/* A stream in Node that writes down all it says, over WebSockets too. */
import { afterEach, mock } from 'node:test';
import { WebSocket } from 'ws';
import { TaskEventStream } from './www.js';
import { eventually } from './wait.js';

/** A function that follows a job; after each test its streams are closed, and the clock is the real one again. */
export function follower() {
  const streams = [];
  const follow = (options) => {
    const seen = { seqs: [], states: [], pauses: [], codes: [] };
    const stream = new TaskEventStream({
      transports: ['ws', 'sse', 'poll'],
      WebSocket,
      ...options,
      onTaskUpdate: ({ seq }) => seen.seqs.push(seq),
      onStateChange: ({ state, retryInMs, error }) => {
        if (seen.states.at(-1) !== state) seen.states.push(state);
        if (retryInMs) seen.pauses.push(retryInMs);
        if (error && seen.codes.at(-1) !== error.code) seen.codes.push(error.code);
      },
    });
    streams.push(stream);
    stream.start();
    return Object.assign(seen, { stream });
  };
  follow.closeAll = () => { for (const stream of streams.splice(0)) stream.close(); };
  afterEach(() => {
    mock.restoreAll();
    follow.closeAll();
  });
  return follow;
}

export const reaches = ({ stream }, ...states) =>
  eventually(`the stream is ${states.join(' or ')}`, () => states.includes(stream.state));

export const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
