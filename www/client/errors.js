/* The error class of the client, and the errors that more than one module makes. joblight.d.ts
 * describes the codes. */

export class JobLightError extends Error {
  constructor(code, message, more) {
    super(message);
    Object.assign(this, { code }, more);
  }
}

/* Marks an error that another transport may avoid. */
export const ANOTHER_RUNG = { rung: true };

export const silentError = (more) => new JobLightError('silent', 'The line went quiet', more);
export const proxyAnswerError = () =>
  new JobLightError('content_type', 'A proxy answered instead', ANOTHER_RUNG);
export const holeError = () => new JobLightError('hole', 'The stream skipped an event');

/* Makes the error of an unsuccessful response. Only a problem document with a code comes from
 * the server itself; a proxy may have sent anything else. */
export const responseError = async (response) => {
  const { status, headers } = response;
  const problem = /^application\/problem\+json/i.test(headers.get('content-type'))
    && await response.json().catch(() => 0);
  const { code, detail } = problem || {};
  const after = headers.get('retry-after');
  const unknown = `Something else than joblight answered ${status}: is the base URL right?`;
  return new JobLightError(code || 'http', detail || unknown, {
    status,
    ours: Boolean(code),
    fatal: Boolean(code) && /^4(?!08|25|29)/.test(status),
    retryMs: after * 1000 || Date.parse(after) - Date.parse(headers.get('date')),
  });
};

/* A message of the server that ends the connection: `error` or `refused`. */
export const refusalError = ({ code, detail, status, retryable = true, retryAfterMs: retryMs }) =>
  new JobLightError(code, detail || 'The server is busy',
    { status, ours: true, fatal: !retryable, retryMs });
