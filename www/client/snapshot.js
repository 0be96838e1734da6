/* What the application has been told of the job: the position in its log, and each task as it
 * was told last. */
import { holeError } from './errors.js';

const SHOWN = ['status', 'title', 'note', 'progress', 'attempt'];
const fingerprint = (task) => JSON.stringify(task, SHOWN);

export class KnownJob {
  seq; // of the last event
  #head; // the newest seq, as the last heartbeat of this connection told it
  #hole; // the event before which some were missing; the client asks for them once
  #tasks = new Map(); // task id -> fingerprint

  constructor(cursor) {
    this.cursor = cursor;
  }

  /* A connection starts to deliver. */
  startConnection() {
    this.#head = 0;
  }

  /* Of two heartbeats the first tells what must have arrived before the second. */
  addHeartbeat(head) {
    if (this.#head > this.seq) throw holeError();
    this.#head = head;
  }

  /* Moves the position to an event of the log. */
  addEvent(message) {
    const { seq } = message;
    if (seq > this.seq + 1 && seq !== this.#hole) {
      this.#hole = seq;
      throw holeError();
    }
    this.seq = seq;
    this.cursor = this.cursor.replace(/\d+$/, seq);
    if (message.type === 'task_update') this.#tasks.set(message.taskId, fingerprint(message));
  }

  /* Takes the whole job, and returns the tasks that changed since the position before; none if
   * there was none. */
  replace(job, cursor) {
    const hadPosition = this.cursor;
    this.seq = job.seq;
    this.cursor = cursor;
    return job.tasks.filter((task) => {
      const now = fingerprint(task);
      const before = this.#tasks.get(task.id);
      this.#tasks.set(task.id, now);
      return hadPosition && before !== now;
    });
  }
}
