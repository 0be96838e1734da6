/* The transport `ws`: a WebSocket that carries this job. */
import { ANOTHER_RUNG, JobLightError } from './errors.js';
import { receive } from './messages.js';
import { tokenMessage } from './renewal.js';

const CREDENTIAL_EXPIRED = 4001, ABNORMAL = 1006; // close codes

export async function runWebSocket(connector, connection) {
  const { token, WebSocket: Socket = globalThis.WebSocket } = connector.options;
  const refused = ['refused', 'No WebSocket gets through', ANOTHER_RUNG];
  if (!Socket) throw new JobLightError(...refused);
  connector.expectAnswer(connection, ...refused);
  const query = { job: connector.options.jobId, ...connector.streamParameters() };
  if (token) Object.assign(query, await buyTicket(connector, connection));
  const url = new URL(connector.requests.base + 'ws' + connector.query(query), globalThis.location);
  connection.signal.throwIfAborted();
  const ws = new Socket(url.href.replace('http', 'ws'), 'joblight.v1');
  connection.ping = () => ws.send('{"type":"ping"}');
  connection.recount = () => {
    const { jobId } = connector.options;
    const wishes = { since: connector.job.cursor, ...connector.streamParameters() };
    if (ws.recount) return ws.recount(wishes);
    return ws.send(JSON.stringify({ type: 'subscribe', jobId, ...wishes }));
  };
  const { code, reason } = await new Promise((resolve, reject) => {
    connection.signal.onabort = () => reject(ws.close());
    ws.onopen = () => {
      connector.answered(connection);
      // A WebSocket that streams share renews the credential for them.
      if (ws.recount) return;
      connector.requests.renewInTime((fresh) => ws.send(tokenMessage(fresh)), connection.signal);
    };
    ws.onerror = () => {}; // onclose follows
    ws.onclose = resolve;
    ws.onmessage = ({ data }) => {
      try {
        receive(connector, connection, JSON.parse(data));
      } catch (err) {
        reject(err);
      }
    };
  });
  const expired = code === CREDENTIAL_EXPIRED;
  if (expired) connector.requests.expireToken();
  // A browser does not tell why a socket was refused.
  if (code === ABNORMAL && !connection.upAt) throw connection.failure;
  throw new JobLightError('closed', reason || 'The connection broke', {
    status: code,
    fatal: /^44/.test(code),
    // A credential that does not open the stream may lack the right: a plain request tells.
    ours: /^(101[23]|4)/.test(code) && (connection.upAt || !expired),
    rung: /^10(0[2379]|11)/.test(code),
  });
}

/* Gets a ticket, which takes the place of the token in the URL. A server without keys has no
 * tickets and needs none. */
async function buyTicket({ requests, path }, { signal }) {
  try {
    const { ticket } = await (await requests.fetch(signal, path + '/tickets', {})).json();
    return ticket && { ticket };
  } catch (err) {
    if (!err.ours || err.status !== 404) throw err;
  }
  return undefined;
}
