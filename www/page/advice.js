/* What stands in the way of the best transport, and what to tell it. */
import { $, setText } from './ui.js';

const ADVICE = {
  refused: ['no WebSocket gets through',
    'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'],
  held: ['a proxy holds the stream back', 'proxy_buffering off;'],
  content_type: ['something in between answers the stream for the server', 'proxy_pass for /api/jobs/'],
};
const NAMES = { ws: 'a WebSocket', sse: 'a stream', poll: 'polling' };

let shown;

/** What stands between this page and its best transport, as a change of state tells it. */
export function takeObstacle({ faults = [], transport }, up) {
  const codes = [...new Set(faults.map(({ code }) => code))].filter((code) => ADVICE[code]);
  shown = up && codes.length ? { codes, transport } : undefined;
}

export function paintAdvice() {
  $('advice').hidden = !shown;
  if (!shown) return;
  const [words, lines] = [0, 1].map((part) => shown.codes.map((code) => ADVICE[code][part]));
  setText($('advice-words'), `This page uses ${NAMES[shown.transport]} for now: ${words.join(', and ')}. `
    + 'If it stays so, tell the proxy (here nginx):');
  setText($('advice-code'), lines.join('\n'));
}
