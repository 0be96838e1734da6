/*
 * The login page. It takes a key, or the code of a link (/login#code=…). The code is used up by the
 * button only, so that programs that look at links, such as those of mail servers, do not use it.
 */
import { hasJustEnded, readSession, warnIfInsecure } from './page/access.js';
import { base } from './page/base.js';
import { call } from './page/request.js';
import { $, setText } from './page/ui.js';

const LEADS = {
  key: 'With a key of this server.',
  ended: 'You were logged out: the session has ended, or its key is not in force any more.',
  code: 'This link logs you in once. Press the button to use it.',
  plain: 'Log in over https: over http, anybody on the way could read the key and the session.',
  open: 'This server has no access keys, so there is nothing to log in to.',
};

let code;

/** The page of this server that the user came from. Anything else becomes the list of jobs. */
function nextPage() {
  const next = new URLSearchParams(location.search).get('next') || '';
  if (!next.startsWith('/')) return `${base}/`;
  const url = new URL(next, location.origin); // as a browser reads it: //host and /\host are other sites
  if (/^#(token|code)=/.test(url.hash)) url.hash = ''; // a credential of whoever made the link
  const isHere = url.origin === location.origin && `${url.pathname}/`.startsWith(`${base}/`);
  return isHere ? url.href : `${base}/`;
}

/* Takes the code out of the address bar and the history at once. */
function takeCode() {
  const [, found] = /^#code=([\w.-]+)$/.exec(location.hash) || [];
  if (!found) return;
  history.replaceState(null, '', location.pathname + location.search);
  showForm(found);
}

function showForm(withCode) {
  code = withCode;
  $('key-field').hidden = Boolean(code);
  $('key').disabled = Boolean(code); // otherwise it is required
  if (code) setText($('lead'), LEADS.code);
  (code ? $('submit') : $('key')).focus();
}

function fail(text) {
  setText($('error'), text);
  $('key').setAttribute('aria-invalid', 'true');
}

async function submit(event) {
  event.preventDefault();
  $('submit').disabled = true;
  setText($('error'), '');
  $('key').removeAttribute('aria-invalid');
  const login = code ? { code } : { key: $('key').value.trim() };
  try {
    await call('POST', '/login', login, { quiet: true, verbatim: true });
    location.replace(nextPage());
    return;
  } catch (err) {
    fail(err.message);
    if (code && err.status === 401) setText($('lead'), LEADS.key);
    if (err.status === 401) showForm();
    $('key').select();
  }
  $('submit').disabled = false;
}

/* There is nothing to fill in. */
function close(lead) {
  setText($('lead'), lead);
  $('form').hidden = true;
}

async function greet() {
  if (!isSecureContext) close(LEADS.plain); // before the key is sent
  const session = await readSession();
  if (!session?.open) return;
  close(LEADS.open);
  $('open').hidden = false;
  warnIfInsecure(session);
}

$('form').addEventListener('submit', submit);
addEventListener('hashchange', takeCode);
if (hasJustEnded()) setText($('lead'), LEADS.ended);
showForm();
takeCode();
greet();
