/* The npm package, as npm makes it of www/. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
export const PACKAGE = here('../../../www');

/** Builds it where it is, for those who import it from the checkout. */
export const buildPackage = () => run(here('../../../script/bundle'), [`${PACKAGE}/dist`]);

/** The files of the package; it is built for that (`prepare`). */
export async function packedFiles() {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--offline'], { cwd: PACKAGE });
  const said = JSON.parse(stdout);
  const [{ files }] = Object.values(said);
  return files.map(({ path }) => path);
}
