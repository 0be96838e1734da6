/* Advice to the operator when the page cannot use its best transport. */
import { authorization } from './access.js';
import { base } from './base.js';
import { $, setText } from './ui.js';

const ADVICE = {
  refused: ['no WebSocket gets through',
    'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'],
  forbidden_origin: ['the server takes the WebSocket for one of another site, because it does not get the Host of '
    + `this page (it can also be started with --origin ${location.origin})`, 'proxy_set_header Host $http_host;'],
  host_not_served: ['the server does not go by the name that the WebSocket asks for (it can also be started with '
    + `--host ${location.hostname})`, 'proxy_set_header Host $http_host;'],
  held: ['a proxy holds the stream back', 'proxy_buffering off;'],
  content_type: ['something in between answers the stream for the server', 'proxy_pass for /api/jobs/'],
};
const NAMES = { ws: 'a WebSocket', sse: 'a stream', poll: 'polling' };

const PATIENCE_MS = 3000;

let shown;
let asking; // a promise: why WebSockets are refused

/*
 * A browser does not show why a WebSocket was refused, and the server does not check the origin of
 * a plain GET. It does check that of a POST: only an allowed page gets the answer that the method
 * does not exist.
 */
async function askWhy() {
  const asked = { method: 'POST', headers: authorization, signal: AbortSignal.timeout(PATIENCE_MS) };
  const { code } = await fetch(`${base}/api/ws`, asked).then((response) => response.json()).catch(() => ({}));
  return /^(forbidden_origin|host_not_served)$/.test(code) ? code : 'refused';
}

function explain(codes, transport) {
  shown = codes.length ? { codes, transport } : undefined;
}

/** Takes a change of state of the stream, which has the faults of the better transports. */
export async function takeObstacle({ faults = [], transport }, up) {
  const codes = [...new Set(faults.map(({ code }) => code))].filter((code) => up && ADVICE[code]);
  if (!codes.includes('refused')) {
    asking = undefined; // the next refusal may have another reason
    explain(codes, transport);
    return;
  }
  const mine = asking ||= askWhy();
  const why = await mine;
  if (mine === asking) explain(codes.map((code) => (code === 'refused' ? why : code)), transport);
}

export function paintAdvice() {
  $('advice').hidden = !shown;
  if (!shown) return;
  const [words, lines] = [0, 1].map((part) => shown.codes.map((code) => ADVICE[code][part]));
  setText($('advice-words'), `This page uses ${NAMES[shown.transport]} for now: ${words.join(', and ')}. `
    + 'If it stays so, tell the proxy (here nginx):');
  setText($('advice-code'), lines.join('\n'));
}
