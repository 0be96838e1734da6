/* The applications as scripts that make one global, `app`, as their frameworks' own tools build them. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { compile } from 'svelte/compiler';
import { compileScript, parse } from 'vue/compiler-sfc';
import { buildPackage } from '../support/package.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const isCustomElement = (tag) => tag === 'task-event-stream';

function vue(source, filename) {
  const options = { id: filename, inlineTemplate: true, templateOptions: { compilerOptions: { isCustomElement } } };
  return compileScript(parse(source, { filename }).descriptor, options).content;
}

const svelte = (source, filename) => compile(source, { filename, generate: 'client' }).js.code;

const compilers = {
  name: 'compilers',
  setup({ onLoad }) {
    const use = (filter, compiler) => onLoad({ filter }, async ({ path }) =>
      ({ contents: compiler(await readFile(path, 'utf8'), path), loader: 'js' }));
    use(/\.vue$/, vue);
    use(/\.svelte$/, svelte);
  },
};

let built;

export async function bundle(entry) {
  await (built ||= buildPackage());
  const { outputFiles } = await build({
    entryPoints: [here(entry)], nodePaths: [here('../node_modules')], plugins: [compilers], jsx: 'automatic',
    bundle: true, write: false, format: 'iife', globalName: 'app', conditions: ['browser'], logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"development"' },
  });
  return outputFiles[0].text;
}
