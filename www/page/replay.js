/* Replays the log of an ended job, event by event, at its own speed or faster. */
import { Model } from './model.js';
import { call } from './request.js';
import { $, setText } from './ui.js';

const PAGE = 1000;
const STEPS = 1000; // positions of the time bar

const clock = (ms) => {
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, '0');
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
};

export class Replay {
  /** The job at the replayed time; undefined when nothing is replayed. */
  model;
  #api; #changed; #ended;
  #log; #start = 0; #length = 0;
  #at = 0; #next = 0; #playing = false; #tick = 0;

  /** `changed()`: something has to be painted. `ended()`: the last event was played. */
  constructor({ api, changed, ended }) {
    this.#api = api;
    this.#changed = changed;
    this.#ended = ended;
    $('replay-play').addEventListener('click', () => this.#press());
    $('replay-close').addEventListener('click', () => this.#close());
    $('replay-at').addEventListener('input', () => this.#seek($('replay-at').value / STEPS * this.#length));
  }

  /** The time that is replayed. */
  get now() { return this.#start + this.#at; }

  async #press() {
    if (this.#playing) {
      this.#pause();
      return;
    }
    if (!this.#log && !await this.#read()) return;
    if (!this.model || this.#at >= this.#length) this.#seek(0);
    $('reel').hidden = false;
    document.body.classList.add('replaying');
    this.#playing = true;
    setText($('replay-play'), 'Pause');
    this.#tick = performance.now();
    requestAnimationFrame((now) => this.#play(now));
  }

  async #read() {
    const button = $('replay-play');
    const log = [];
    button.disabled = true;
    try {
      for (let after = 0; after !== undefined;) {
        const path = `${this.#api}/activity?order=asc&limit=${PAGE}&after=${after}`;
        const { activity, nextAfter } = await call('GET', path);
        for (const event of activity) log.push(event);
        after = nextAfter;
        setText(button, `Reading… ${log.length}`);
      }
    } catch (err) {
      setText(button, `${err.message} Try again`);
      return false;
    } finally {
      button.disabled = false;
    }
    if (log[0]?.seq !== 1) {
      setText(button, 'Its log is not kept any more');
      button.disabled = true;
      return false;
    }
    let at = 0; // a clock that was set back does not turn the replay back
    this.#log = log.map((event) => ({ event, at: at = Math.max(at, Date.parse(event.timestamp)) }));
    this.#start = this.#log[0].at;
    this.#length = Math.max(1, this.#log.at(-1).at - this.#start);
    return true;
  }

  #play(now) {
    if (!this.#playing) return;
    const speed = Number(document.querySelector('[name=speed]:checked').value);
    this.#at = Math.min(this.#length, this.#at + Math.max(0, now - this.#tick) * speed);
    this.#tick = now;
    this.#fold();
    if (this.#at < this.#length) {
      requestAnimationFrame((later) => this.#play(later));
      return;
    }
    this.#pause();
    this.#ended(this.model);
  }

  #pause() {
    this.#playing = false;
    setText($('replay-play'), this.#at < this.#length ? 'Go on' : 'Replay it');
  }

  #seek(ms) {
    if (!this.model || ms < this.#at) {
      this.model = new Model(); // to go back, it starts again from the first event
      this.#next = 0;
    }
    this.#at = ms;
    this.#fold();
    if (!this.#playing) this.#pause();
  }

  #fold() {
    while (this.#next < this.#log.length && this.#log[this.#next].at <= this.now) {
      this.model.take(this.#log[this.#next++].event);
    }
    const bar = $('replay-at');
    if (document.activeElement !== bar || this.#playing) bar.value = Math.round(this.#at / this.#length * STEPS);
    bar.setAttribute('aria-valuetext', `${clock(this.#at)} of ${clock(this.#length)}`);
    setText($('replay-time'), `${clock(this.#at)} / ${clock(this.#length)}`);
    this.#changed();
  }

  #close() {
    this.#playing = false;
    this.model = undefined;
    this.#at = 0;
    $('reel').hidden = true;
    document.body.classList.remove('replaying');
    setText($('replay-play'), 'Replay it');
    $('replay-play').focus();
    this.#changed();
  }
}
