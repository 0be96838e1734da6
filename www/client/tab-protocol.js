/* What both sides of the channel between tabs use. */
export const COUNT_MS = 300; // tabs often come and go together
export const MIRROR_MS = 1000; // a sign of life is passed on no more often than this
export const CONNECTED = /^(live|polling|ended)$/;

export const seqOf = (cursor) => Number(/\d+$/.exec(cursor || '')?.[0] ?? NaN);
export const hidden = () => document.hidden;
