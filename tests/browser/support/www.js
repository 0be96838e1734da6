/* The files that the server under test has built in, in the folder in which its build collected them. */
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const BINARY = process.env.JOBLIGHT_TEST_BINARY || fileURLToPath(new URL('../../../build/joblight', import.meta.url));
export const WWW = join(dirname(BINARY), 'www');

/** The client as it is shipped, for tests in Node. */
export const client = await import(pathToFileURL(join(WWW, 'joblight.js')));
export const { TaskEventStream, backoffMs, eventParser } = client;
export const { JobLight } = await import(pathToFileURL(join(WWW, 'shared-socket.js')));
