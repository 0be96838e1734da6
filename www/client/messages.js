/* Handles each message of the server, over any transport. */
import { JobLightError, refusalError } from './errors.js';
import { openingMs } from './large-message.js';
import { isConnected, isOver } from './status.js';

/* `name` is the event name of an SSE message that has no type of its own. Throws when the
 * connection has to end. */
export function receive(connector, connection, message, name) {
  const { type = name, id, seq, epoch, status, jobId } = message;
  const { liveness, job } = connector;
  if (connection.signal.aborted) return;
  if (type === 'end') return connector.end(status);
  if (id) return; // the answer to a new token; one that was refused ends the connection later
  if (type === 'error' || type === 'refused') throw refusalError(message);
  if (type === 'restart') {
    throw refusalError({
      code: 'closed', detail: 'The server restarts', status: 1012, retryAfterMs: message.retryMs,
    });
  }
  if (type === 'mirror') return followLeader(connector, connection, message);
  if (type === 'pong') {
    connection.largeUntil = 0;
    return liveness.heard(connection);
  }
  if (type === 'opening') { // announces a large message
    connection.largeUntil = Date.now() + openingMs(message.bytes);
    return liveness.awaitLargeMessage(connection, Infinity);
  }
  if (epoch) liveness.heartbeatMs = message.heartbeatMs || liveness.heartbeatMs;
  connector.messageArrived(connection);
  if (connection.signal.aborted) return;
  if (epoch) {
    connector.emit('connected', message);
    if (message.job) receiveSnapshot(connector, message);
  } else if (type === 'heartbeat') {
    connector.emit(type, message);
    job.addHeartbeat(message.head);
  } else if (jobId === connector.options.jobId && !(seq <= job.seq)) {
    if (seq) {
      job.addEvent(message);
      if (type === 'job_update') connector.status = status;
    }
    connector.emit('event', message);
    connector.emit(type, message);
    if (type === 'job_update' && isOver(status)) connector.end(status);
  }
}

/* The whole job. If the application had a position, it gets the changes since then as updates,
 * too. */
export function receiveSnapshot(connector, { job, cursor, reason }) {
  const before = connector.status;
  const { status, seq } = job;
  const common = { jobId: job.id, seq, snapshot: true };
  const changed = connector.job.replace(job, cursor);
  connector.status = status;
  connector.emit('event', { type: 'snapshot', job, reason });
  connector.emit('snapshot', { job, reason });
  for (const task of changed) {
    const { id: taskId, updatedAt: timestamp } = task;
    connector.emit('task_update', { ...task, type: 'task_update', ...common, taskId, timestamp });
  }
  if (before && before !== status) {
    connector.emit('job_update', { ...job, type: 'job_update', ...common });
  }
  if (isOver(status)) connector.end(status);
}

/* Another tab has the connection (shared-tabs.js). This message has the state of that
 * connection. */
function followLeader(connector, connection, { state, transport, error, faults, retryInMs }) {
  const { stream, ladder, liveness } = connector;
  const toError = (fields) => fields && new JobLightError(fields.code, fields.message, fields);
  if (state === 'failed') throw toError(error);
  connection.actualTransport = transport;
  connection.checking = false;
  if (faults) ladder.faults = faults.map(toError);
  if (connection.upAt) liveness.heard(connection);
  else liveness.awaitFirstMessage(connection);
  // A message that follows changes the state.
  if (state === 'ended') return;
  if (connection.upAt ? state === 'connecting' : isConnected(state)) return;
  stream.error = toError(error);
  const moved = state === stream.state && transport !== stream.transport;
  stream.transport = transport;
  if (moved) connector.emitState(state);
  else connector.setState(state, retryInMs);
}
