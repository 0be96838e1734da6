/* What the client knows about the page it runs in. In Node there is none: `document` is
 * undefined. */

/* A browser opens at most six HTTP/1.1 connections to a server, for all of its tabs together. */
const [navigation] = performance.getEntriesByType('navigation');
export const isHttp1 = /^(http|$)/.test(navigation?.nextHopProtocol);

/* Some browsers do not tell whether the page is visible. */
export const visibilityUnknown = isHttp1 && globalThis.document && document.hidden === undefined;

/* Returns one of two values, by the visibility of the page; undefined where there is no page. */
export const byVisibility = (visible, hidden) =>
  (globalThis.document ? document.hidden ? hidden : visible : undefined);
