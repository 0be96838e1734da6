/* The transport `sse`: a response in the event stream format that ends with the job. */
import { readBody } from './body.js';
import { ANOTHER_RUNG, JobLightError, proxyAnswerError } from './errors.js';
import { eventParser } from './event-parser.js';
import { receive } from './messages.js';

export async function runSse(connector, connection) {
  connector.expectAnswer(connection, 'held', 'A proxy holds the stream back', ANOTHER_RUNG);
  const path = connector.path + '/task-events' + connector.query(connector.streamParameters());
  const response = await connector.requests.fetch(connection.signal, path);
  connector.answered(connection);
  if (response.status === 204) return confirmEnd(connector, connection);
  if (!/^text\/event-stream/i.test(response.headers.get('content-type'))) throw proxyAnswerError();
  // Another connection with the fresh token replaces this one without a gap.
  connector.requests.renewInTime(() => connector.recount(), connection.signal);
  await readBody(connector, connection, response, eventParser(
    (data, type) => receive(connector, connection, JSON.parse(data), type),
    (ms) => { connector.sseRetryMs = ms; },
  ));
  throw new JobLightError('closed', 'The connection broke');
}

/* A 204 means that the job is over, but a proxy may have sent it. */
async function confirmEnd(connector, connection) {
  const { terminal, status } = await (await connector.requestUpdates(connection)).json();
  if (!terminal) throw proxyAnswerError();
  if (!connection.signal.aborted) connector.end(status);
}
