/* What the client can know of the page it runs in. In Node there is no page: `document` is
 * undefined. */

/* A browser opens at most six HTTP/1.1 connections to a server, for all of its tabs together. */
const [navigation] = performance.getEntriesByType('navigation');
export const isHttp1 = /^(http|$)/.test(navigation?.nextHopProtocol);

/* Some browsers do not tell whether the page is visible. */
export const visibilityUnknown = isHttp1 && globalThis.document && document.hidden === undefined;

/* One of two values, by whether the page is visible; undefined where there is no page. */
export const byVisibility = (visible, hidden) =>
  (globalThis.document ? document.hidden ? hidden : visible : undefined);
