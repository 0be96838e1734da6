/* The class that applications use: options, events and methods. joblight.d.ts describes them. */
import { Connector } from './connector.js';
import { isHttp1 } from './environment.js';
import { isActive } from './status.js';

export class TaskEventStream extends EventTarget {
  static ladder = [isHttp1 ? 'ws' : 'sse', isHttp1 ? 'sse' : 'ws', 'poll'];
  state = 'idle';
  transport; error;
  #connector;

  constructor(options) {
    super();
    this.jobId = options.jobId;
    this.#connector = new Connector(this, options, options.transports || TaskEventStream.ladder);
    this.addEventListener('task_update', (e) => options.onTaskUpdate?.(e.detail));
    this.addEventListener('job_update', (e) => options.onJobUpdate?.(e.detail.status, e.detail));
    this.addEventListener('snapshot', (e) => options.onSnapshot?.(e.detail.job, e.detail));
    this.addEventListener('state', (e) => options.onStateChange?.(e.detail));
    options.signal?.addEventListener('abort', () => this.close());
  }

  get cursor() { return this.#connector.job.cursor; }

  get faults() { return this.#connector.ladder.faults; }

  /* 0 during a large message, because a WebSocket delivers nothing of it before its end. */
  get quietMs() {
    const { connection, liveness } = this.#connector;
    return connection?.largeUntil ? 0 : Date.now() - liveness.heardAt;
  }

  get jobStatus() { return this.#connector.status; }

  set jobStatus(status) {
    if (status === this.#connector.status) return;
    this.#connector.status = status;
    if (/idle|closed/.test(this.state)) return;
    if (!isActive(status)) this.#connector.disconnect();
    this.start();
  }

  start() {
    this.#connector.start();
  }

  reconnect() {
    this.#connector.restart();
  }

  close() {
    if (this.state !== 'ended') this.#connector.stop('closed');
  }

  report(update) {
    const { requests, path } = this.#connector;
    return requests.post(path.replace('jobs', 'agent-hooks/task-update'), update);
  }

  command(command, more) {
    const { requests, path } = this.#connector;
    return requests.post(path + '/commands', { command, ...more });
  }

  /* Call it when the number of tabs that options.tabs() returns has changed. */
  recount() {
    this.#connector.recount();
  }

  async *[Symbol.asyncIterator]() {
    const queue = [];
    const stop = new AbortController();
    let wake;
    const take = ({ type, detail }) => {
      if (type === 'event') queue.push(detail);
      wake?.();
    };
    for (const type of ['event', 'state']) this.addEventListener(type, take, stop);
    this.start();
    try {
      for (;;) {
        while (queue.length) yield queue.shift();
        if (this.state === 'failed') throw this.error;
        if (/ended|closed/.test(this.state)) return;
        await new Promise((resolve) => { wake = resolve; });
      }
    } finally {
      stop.abort();
      this.close();
    }
  }
}
