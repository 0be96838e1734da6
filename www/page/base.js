/* Where the server is on its host: '' or, with --base-path /joblight/, '/joblight'. */
export const base = new URL('..', import.meta.url).pathname.slice(0, -1);

const { pathname } = location;

/** The job of this page. A page that does not come through the proxy has no base path. */
export const jobOfPage = () => decodeURIComponent(
  pathname.slice(pathname.startsWith(`${base}/`) ? base.length : 0).split('/')[2] || '');
