/* The transport `poll`: one request after another. The server holds each one until there is
 * something new. */
import { readBody } from './body.js';
import { byVisibility, visibilityUnknown } from './environment.js';
import { proxyAnswerError } from './errors.js';
import { receive, receiveSnapshot } from './messages.js';

const WAIT_S = 20, VISIBLE_WAIT_S = 10; // how long the server may hold a request
const PAUSE_MS = 200;

export async function runPoll(connector, connection) {
  const isBrief = visibilityUnknown || connection.actualTransport; // the server does not hold it
  for (;;) {
    const wait = connection.upAt && !isBrief
      && (byVisibility(VISIBLE_WAIT_S, WAIT_S) || WAIT_S);
    const began = Date.now();
    if (wait) {
      connection.heartbeatMs = wait * 1000;
      connector.liveness.watch(connection);
    } else connector.expectAnswer(connection, 'silent', 'The line went quiet');
    const query = wait && { wait, ...connector.tabParameters() };
    const page = await requestPage(connector, connection, query);
    const events = page.events || [];
    connector.messageArrived(connection);
    if (page.job) receiveSnapshot(connector, page);
    for (const event of events) receive(connector, connection, event);
    if (connection.signal.aborted) return;
    const isBehind = page.head > connector.job.seq && page.status !== 'deleted';
    if (page.terminal && !isBehind) return connector.end(page.status);
    const early = (isBrief || (wait && Date.now() - began < 1000)) && !events.length;
    await new Promise((resolve) => {
      connection.pause = setTimeout(resolve, early ? page.pollIntervalMs : PAUSE_MS);
    });
    if (connection.actualTransport) connector.tryToStay(connection);
  }
}

async function requestPage(connector, connection, query) {
  const decoder = new TextDecoder();
  let text = '';
  const path = connector.path + '/updates' + connector.query(query);
  const response = await connector.requests.fetch(connection.signal, path);
  await readBody(connector, connection, response, (bytes) => {
    text += decoder.decode(bytes, { stream: true });
  });
  const page = JSON.parse(text);
  if (!page.epoch) throw proxyAnswerError();
  return page;
}
