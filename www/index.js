/* The list of jobs: read again every few seconds while somebody looks. */
import { $, ago, call, isOver, move, setPill, setText } from './page/ui.js';
import { demoJob } from './page/demo.js';

const EVERY_MS = 3000;
const PAGE = 50;
const FILTERS = {
  all: () => true,
  open: (job) => !isOver(job.status),
  over: (job) => isOver(job.status),
};

const rows = new Map();
let jobs = [];
let pages = 1;
let painted = false;

function makeRow(job) {
  const li = $('job-row').content.firstElementChild.cloneNode(true);
  const part = (selector) => li.querySelector(selector);
  const row = { li, name: part('.name'), pill: part('.pill'), id: part('.id'), ago: part('.ago') };
  part('a').href = '/jobs/' + encodeURIComponent(job.id);
  setText(row.id, job.id);
  rows.set(job.id, row);
  return row;
}

function paintRow(job) {
  const row = rows.get(job.id) || makeRow(job);
  setText(row.name, job.title || job.id);
  setPill(row.pill, job.status);
  row.ago.dateTime = job.updatedAt;
  setText(row.ago, ago(Date.parse(job.updatedAt), Date.now()));
  return row.li;
}

function paint() {
  const filter = document.querySelector('[name=filter]:checked').value;
  const wanted = jobs.filter(FILTERS[filter]).map(paintRow);
  const list = $('jobs');
  const known = new Set(list.children);
  wanted.forEach((li, i) => {
    if (list.children[i] !== li) list.insertBefore(li, list.children[i] || null);
    if (painted && !known.has(li)) {
      move(li, [{ opacity: 0, transform: 'translateY(-8px)' }, {}], { duration: 350, easing: 'ease-out' });
    }
  });
  while (list.children.length > wanted.length) list.lastElementChild.remove();
  $('no-jobs').hidden = wanted.length > 0;
  painted = true;
}

async function read() {
  const found = [];
  let token = '';
  for (let page = 0; page < pages; page++) {
    const query = `limit=${PAGE}${token ? '&pageToken=' + encodeURIComponent(token) : ''}`;
    const answer = await call('GET', '/api/jobs?' + query);
    found.push(...answer.jobs);
    token = answer.nextPageToken;
    if (!token) break;
  }
  $('older').hidden = !token;
  jobs = found;
}

async function refresh() {
  try {
    if (!document.hidden) await read();
    $('notice').hidden = true;
  } catch (err) {
    setText($('notice'), `${err.message} Trying again.`);
    $('notice').hidden = false;
  }
  paint();
}

async function create() {
  $('create').disabled = true;
  try {
    const job = await call('POST', '/api/jobs', demoJob());
    location.assign('/jobs/' + encodeURIComponent(job.id));
  } catch (err) {
    setText($('create-hint'), err.message);
    $('create').disabled = false;
  }
}

async function loop() {
  await refresh();
  setTimeout(loop, EVERY_MS);
}

$('create').addEventListener('click', create);
$('filter').addEventListener('change', paint);
$('older').addEventListener('click', () => {
  pages++;
  refresh();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
window.addEventListener('pageshow', () => { $('create').disabled = false; });
loop();
