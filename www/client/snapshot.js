/* What the application knows about the job: its position in the log, and the last state of each
 * task. */
import { holeError } from './errors.js';

const SHOWN = ['status', 'title', 'note', 'progress', 'attempt'];
const fingerprint = (task) => JSON.stringify(task, SHOWN);

export class KnownJob {
  seq; // of the last event
  #head; // the last seq of the job, by the last heartbeat of this connection
  #hole; // the seq after a gap; the client requests the missing events once
  #tasks = new Map(); // task id -> fingerprint

  constructor(cursor) {
    this.cursor = cursor;
  }

  /* A connection starts to deliver. */
  startConnection() {
    this.#head = 0;
  }

  /* What a heartbeat announced must have arrived before the next heartbeat. */
  addHeartbeat(head) {
    if (this.#head > this.seq) throw holeError();
    this.#head = head;
  }

  /* Moves the position to a logged event. */
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

  /* Takes the whole job. Returns the tasks that changed since the old position; none if there
   * was no position. */
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
