/* The deliverables of the job. Only an http or https address becomes a link. */
import { $, move, plain } from './ui.js';

const shown = new Map();

function makeRow({ title, url, mediaType }) {
  const li = document.createElement('li');
  const icon = document.createElement('i');
  icon.className = 'icon file';
  const node = document.createElement(/^https?:\/\//i.test(url) ? 'a' : 'span');
  node.dir = 'auto';
  node.textContent = title || plain(url);
  if (node.localName === 'a') Object.assign(node, { href: url, rel: 'noopener noreferrer', target: '_blank' });
  const kind = document.createElement('span');
  kind.className = 'kind mono';
  kind.textContent = mediaType || '';
  li.append(icon, node, kind);
  return li;
}

export function paintFiles(files) {
  for (const [id, row] of shown) {
    if (files.get(id) === row.file) continue;
    row.li.remove();
    shown.delete(id);
  }
  for (const [id, file] of files) {
    if (shown.has(id)) continue;
    const li = makeRow(file);
    shown.set(id, { file, li });
    $('files').append(li);
    move(li, [{ opacity: 0, transform: 'translateY(8px)' }, {}], { duration: 400, easing: 'ease-out' });
  }
  $('deliverables').hidden = !files.size;
}
