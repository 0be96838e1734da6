/* The server announces a large message, because a WebSocket delivers nothing of a message before
 * all of it has arrived. */
export const STALL_MS = 30000;
const CHARS_PER_MS = 16; // a slower WebSocket is given up

/* How long an announced message may take. */
export const openingMs = (bytes) => STALL_MS + (bytes || 0) / CHARS_PER_MS;
