/* Constants of the channel between tabs. */
export const COUNT_MS = 300; // tabs often come and go together
export const MIRROR_MS = 1000; // how often the leader passes on a sign of life, at most
export const CURRENT = /^(live|polling|ended)$/; // the states in which a leader has what the server has

export const seqOf = (cursor) => Number(/\d+$/.exec(cursor || '')?.[0] ?? NaN);
export const hidden = () => document.hidden;
