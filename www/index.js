/*
 * The list of jobs. A visible page reads it again every few seconds, because no stream tells about
 * new and deleted jobs, and at once after an event of a job on the screen.
 */
import { may, onAccess, showAccess } from './page/access.js';
import { base } from './page/base.js';
import { now, notBefore } from './page/clock.js';
import { follow, leaveAll, newest, onFollowed } from './page/follow.js';
import { call } from './page/request.js';
import { paintRow } from './page/row.js';
import { demoJob } from './page/scenarios.js';
import { $, copyOnClick, isActive, isDemo, isOver, move, setText } from './page/ui.js';

const EVERY_MS = 3000;
const GAP_MS = 500; // minimum pause after a read; it is ten times as long as the read took, if that is more
const PAGE = 50;
const FILTERS = {
  all: () => true,
  open: (job) => !isOver(job.status),
  over: (job) => isOver(job.status),
};

let jobs = [];
let pages = 1;
let more = false;
let away = false;
let again = false;
let painted = false;
let frame = 0;
let timer;
let nextAt = 0; // when the list may be read again
const seen = new Set(); // ids of rows on the screen
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target.dataset.id);
    else seen.delete(target.dataset.id);
  }
  followSeen();
}, { rootMargin: '100px' });

// The list ----------------------------------------------------------------------------------------

const chosen = () => document.querySelector('[name=filter]:checked').value;

function wantedOf(all) {
  const word = $('search').value.trim().toLowerCase();
  return all.filter(FILTERS[chosen()])
    .filter(({ title = '', id }) => !word || title.toLowerCase().includes(word) || id.toLowerCase().includes(word));
}

function paintSoon() {
  if (!frame) frame = requestAnimationFrame(paint);
}

function paint() {
  frame = 0;
  const all = jobs.map(newest);
  paintCounts(all);
  paintList(wantedOf(all).map((job) => paintRow(job, now())));
}

function paintList(wanted) {
  const list = $('jobs');
  const known = new Set(list.children);
  const keep = new Set(wanted);
  for (const li of known) if (!keep.has(li)) dropRow(li);
  wanted.forEach((li, i) => {
    if (list.children[i] !== li) list.insertBefore(li, list.children[i] || null);
    if (known.has(li)) return;
    watcher.observe(li);
    if (painted) move(li, [{ opacity: 0, transform: 'translateY(-8px)' }, {}], { duration: 350, easing: 'ease-out' });
  });
  $('no-jobs').hidden = wanted.length > 0 || !painted;
  setText($('no-jobs-words'), jobs.length ? 'None of the jobs is like this.'
    : isDemo ? 'No jobs here yet. Press the button to start the first one.' : 'No jobs here yet. Programs create them:');
  $('first').hidden = isDemo || jobs.length > 0;
}

function dropRow(li) {
  watcher.unobserve(li);
  seen.delete(li.dataset.id);
  li.remove();
}

function paintCounts(all) {
  const plus = more ? '+' : '';
  const open = all.filter(FILTERS.open).length;
  const live = all.filter(({ status }) => isActive(status)).length;
  setText($('count-all'), `${all.length}${plus}`);
  setText($('count-open'), `${open}`);
  setText($('count-over'), `${all.length - open}${plus}`);
  const words = live === 0 ? 'Open one to watch it happen.'
    : `${live === 1 ? 'One of them is' : `${live} of them are`} at work right now. Open one to watch it happen.`;
  setText($('lead'), words);
}

function followSeen() {
  if (document.hidden || away) return;
  follow(jobs.filter(({ id }) => seen.has(id)));
}

// Requests ----------------------------------------------------------------------------------------

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
  more = Boolean(token);
  $('older').hidden = !more;
  jobs = found;
  for (const { updatedAt } of jobs) notBefore(Date.parse(updatedAt));
  painted = true;
}

async function refresh() {
  if (document.hidden) return;
  try {
    await read();
    away = false;
  } catch (err) {
    away = true;
    setText($('notice'), `${err.message} Trying again every ${EVERY_MS / 1000} s.`);
  }
  $('notice').hidden = !away;
  paint();
  followSeen();
}

async function loop() {
  clearTimeout(timer);
  const began = performance.now();
  nextAt = Infinity;
  await refresh();
  const now = performance.now();
  nextAt = now + Math.max(GAP_MS, (now - began) * 10);
  timer = setTimeout(loop, EVERY_MS);
  if (again) soon();
}

/* A read that is running may miss what has just happened, so another one follows it. */
function soon() {
  again = nextAt === Infinity;
  if (again) return;
  clearTimeout(timer);
  timer = setTimeout(loop, Math.max(0, nextAt - performance.now()));
}

// Controls ----------------------------------------------------------------------------------------

async function create() {
  $('create').disabled = true;
  try {
    const job = await call('POST', '/api/jobs', demoJob());
    location.assign(base + '/jobs/' + encodeURIComponent(job.id));
  } catch (err) {
    setText($('create-hint'), err.message);
    $('create').disabled = false;
  }
}

/* The filter is kept in the address, so that it can be shared and survives going back. */
function writeAddress() {
  const query = new URLSearchParams();
  if (chosen() !== 'all') query.set('show', chosen());
  if ($('search').value.trim()) query.set('q', $('search').value.trim());
  history.replaceState(null, '', `${base}/${String(query) ? `?${query}` : ''}`);
  paint();
}

function readAddress() {
  const query = new URLSearchParams(location.search);
  const radio = document.querySelector(`[name=filter][value="${CSS.escape(query.get('show') || 'all')}"]`);
  if (radio) radio.checked = true;
  $('search').value = query.get('q') || '';
}

const first = { title: 'My first job', status: 'in_progress', tasks: [{ title: 'Say hello' }] };
setText($('first-curl'), `curl --json '${JSON.stringify(first)}' \\\n  ${location.origin}${base}/api/jobs`);
copyOnClick($('first-copy'), () => $('first-curl').textContent, $('first-curl'));
$('create').addEventListener('click', create);
$('filter').addEventListener('change', writeAddress);
$('search').addEventListener('input', writeAddress);
$('older').addEventListener('click', () => {
  pages++;
  soon();
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden) leaveAll();
  else soon();
});
addEventListener('pagehide', leaveAll);
addEventListener('pageshow', () => {
  $('create').disabled = !may('create');
  followSeen();
});
onAccess(() => {
  if (may('create')) return;
  $('create').disabled = true;
  setText($('create-hint'), 'Your key may not create jobs.');
});
onFollowed({ changed: paintSoon, moved: soon });
readAddress();
showAccess();
loop();
