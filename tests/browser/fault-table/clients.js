/*
 * The clients of the table, each with its defaults, in the way that serves it best: sse.js is told to
 * come back at all, and reconnecting-eventsource keeps its position only with a listener, not with
 * `onmessage`. `follow` subscribes to a job and hands every message to `take`.
 */
import { fetchEventSource } from '@microsoft/fetch-event-source';
import { EventSource as PackagedEventSource } from 'eventsource';
import { WebSocket as PartySocket } from 'partysocket';
import ReconnectingEventSource from 'reconnecting-eventsource';
import ReconnectingWebSocket from 'reconnecting-websocket';
import { SSE } from 'sse.js';
import { TaskEventStream } from '/joblight.js';

const stream = (jobId) => `/api/jobs/${jobId}/task-events`;
const socket = (jobId) => `ws://${location.host}/api/ws?job=${jobId}`;
const parsed = (take) => ({ data }) => data && take(JSON.parse(data));

const clients = {
  'native EventSource'(jobId, take) {
    new EventSource(stream(jobId)).onmessage = parsed(take);
  },
  eventsource(jobId, take) {
    new PackagedEventSource(new URL(stream(jobId), location)).onmessage = parsed(take);
  },
  'reconnecting-eventsource'(jobId, take) {
    new ReconnectingEventSource(stream(jobId)).addEventListener('message', parsed(take));
  },
  '@microsoft/fetch-event-source'(jobId, take) {
    fetchEventSource(stream(jobId), { onmessage: parsed(take) });
  },
  'sse.js'(jobId, take) {
    new SSE(stream(jobId), { autoReconnect: true }).onmessage = parsed(take);
  },
  partysocket(jobId, take) {
    new PartySocket(socket(jobId)).onmessage = parsed(take);
  },
  'reconnecting-websocket'(jobId, take) {
    new ReconnectingWebSocket(socket(jobId)).onmessage = parsed(take);
  },
  joblight(jobId, take) {
    const ours = new TaskEventStream({ jobId, onTaskUpdate: (update) => update.snapshot || take(update) });
    ours.start();
    window.ours = ours; // for whoever looks into a failed test
  },
};

export const follow = (name, jobId, take) => clients[name](jobId, take);
