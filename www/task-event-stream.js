/*
 * <task-event-stream job-id="…" job-status="in_progress"> shows "Live ●" and forwards the events.
 * Attributes: job-id job-status base-url token transports disabled cursor; it sets `state` to what it shows.
 * Properties: client, token (a function, too), fetch, onTaskUpdate(update), onJobUpdate(status, update), stream, state.
 * The elements of a page that have the same token, or none, share one WebSocket.
 * The events bubble and are composed: task-stream:task-update, :job-update, :snapshot, :state, :end …
 * Parts: dot, label. Colours: --task-stream-live, --task-stream-wait, --task-stream-off.
 */
import { JobLight } from './shared-socket.js';

const sharedClient = new JobLight();
const BLIP_MS = 800; // a shorter interruption is not shown
const FORWARDED = ['task_update', 'job_update', 'deliverable', 'command', 'presence', 'snapshot',
  'connected', 'heartbeat', 'event', 'state', 'end'];
const WORDS = {
  connecting: 'Connecting…', live: 'Live', polling: 'Live by polling', checking: 'Checking…',
  reconnecting: 'Reconnecting…', ended: 'Finished', failed: 'Not live',
};
const CSS = `
:host { display: inline-flex; align-items: baseline; gap: .4em; white-space: nowrap;
  color: var(--task-stream-off, #6b665e) }
:host([hidden]), :host(:not([state])) { display: none }
:host([state=live]), :host([state=polling]) { color: var(--task-stream-live, #15803d) }
:host([state=connecting]), :host([state=checking]), :host([state=reconnecting]) { color: var(--task-stream-wait, #a16207) }
[part=dot] { font-size: .8em }
@media (prefers-reduced-motion: no-preference) {
  :host([state=live]) [part=dot] { animation: breathe 2.4s ease-in-out infinite }
}
@keyframes breathe { 50% { opacity: .35 } }`;
const sheet = globalThis.CSSStyleSheet && new CSSStyleSheet(); // a <style> would break a strict CSP
sheet?.replaceSync(CSS);

export class TaskEventStreamElement extends (globalThis.HTMLElement || class {}) {
  static observedAttributes =
    ['job-id', 'job-status', 'base-url', 'token', 'transports', 'disabled', 'cursor'];

  #token; #stream; #stale; #queued; #timer; #label; #states;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheet];
    const part = (name, text) => {
      const span = document.createElement('span');
      span.setAttribute('part', name);
      span.textContent = text;
      root.append(span);
      return span;
    };
    this.#label = part('label', '');
    root.append(' ');
    part('dot', '●').setAttribute('aria-hidden', 'true');
    this.#states = this.attachInternals?.().states;
  }

  get stream() { return this.#stream; }

  get state() { return this.#stream?.state || 'idle'; }

  get jobId() { return this.getAttribute('job-id'); }

  set jobId(id) { this.#reflect('job-id', id); }

  get jobStatus() { return this.getAttribute('job-status'); }

  set jobStatus(status) { this.#reflect('job-status', status); }

  get token() { return this.#token || this.getAttribute('token') || undefined; }

  set token(token) {
    if (token === this.#token) return;
    this.#token = token;
    this.#applyLater(true); // the next stream continues where this one was
  }

  /* A property that was set before the element was defined hides the accessor. */
  #takeEarlyToken() {
    if (!Object.hasOwn(this, 'token')) return;
    const { token } = this;
    delete this.token;
    this.#token = token;
  }

  connectedCallback() {
    this.#takeEarlyToken();
    if (!this.hasAttribute('role')) this.setAttribute('role', 'status');
    this.#applyLater(true);
  }

  disconnectedCallback() {
    this.#applyLater(true); // a move within the page disconnects and connects: decide after both
  }

  attributeChangedCallback(name, before, after) {
    if (before !== after && name !== 'cursor') this.#applyLater(name !== 'job-status');
  }

  #reflect(name, value) {
    if (value == null) this.removeAttribute(name);
    else if (this.getAttribute(name) !== value) this.setAttribute(name, value);
  }

  /* Applies several changes of attributes together. */
  #applyLater(stale) {
    this.#stale ||= stale;
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      this.#apply();
    });
  }

  #apply() {
    const wanted = this.isConnected && this.jobId && !this.hasAttribute('disabled');
    const old = this.#stream;
    if (this.#stale || !wanted) this.#closeStream();
    if (!wanted) return;
    if (!this.#stream) this.#openStream(old);
    else if (this.jobStatus) this.#stream.jobStatus = this.jobStatus;
  }

  #openStream(old) {
    const { jobId, jobStatus, token, fetch, client = sharedClient } = this;
    const transports = this.getAttribute('transports')?.match(/\w+/g) || undefined;
    const baseUrl = this.getAttribute('base-url');
    const oldCursor = old?.jobId === jobId && old.cursor; // a moved element continues where it was
    const cursor = oldCursor || this.getAttribute('cursor') || undefined;
    const options = { jobId, jobStatus: jobStatus || undefined, cursor };
    for (const [name, value] of Object.entries({ baseUrl, transports, token, fetch })) {
      if (value) options[name] = value; // otherwise the option of the client
    }
    const stream = client.stream(options);
    this.#stream = stream;
    for (const type of FORWARDED) stream.addEventListener(type, (e) => this.#forward(stream, e));
    stream.start();
  }

  #closeStream() {
    const stream = this.#stream;
    this.#stale = false;
    this.#stream = undefined;
    clearTimeout(this.#timer);
    this.#show();
    stream?.close();
  }

  #forward(stream, { type, detail }) {
    if (stream !== this.#stream) return;
    if (type === 'state') this.#showState(detail.state);
    const name = 'task-stream:' + type.replace('_', '-');
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
    if (type === 'task_update') this.onTaskUpdate?.(detail);
    if (type === 'job_update') this.onJobUpdate?.(detail.status, detail);
  }

  #showState(state) {
    clearTimeout(this.#timer);
    const late = /^(connecting|checking|reconnecting)$/.test(state);
    if (late && this.getAttribute('state') !== state) {
      this.#timer = setTimeout(() => this.#show(this.state), BLIP_MS);
    } else this.#show(state);
  }

  #show(state) {
    const { error } = this.#stream || {};
    const isTold = error && (state === 'failed' || error.code === 'forbidden_origin');
    const text = isTold ? WORDS.failed + ': ' + error.message : WORDS[state] || '';
    this.#reflect('state', text ? state : null);
    if (this.#label.textContent !== text) this.#label.textContent = text;
    try {
      this.#states?.clear();
      if (text) this.#states?.add(state);
    } catch { /* older engines accept only names that start with -- */ }
  }
}

if (globalThis.customElements && !customElements.get('task-event-stream')) {
  customElements.define('task-event-stream', TaskEventStreamElement);
}
