/*
 * The state of a job, built from its events. The live page has one model, a replay has another. All
 * text passes plain() on its way in.
 */
import { isOver, plain } from './ui.js';

export class Model {
  job = null;
  tasks = new Map();
  files = new Map();
  agents = [];
  watchers = 0;
  dirty = new Set(); // ids of tasks whose row has to be painted or removed

  take(event) {
    switch (event.type) {
      case 'snapshot': return this.#snapshot(event.job);
      case 'task_update': return this.#task(event);
      case 'job_update': return this.#job(event);
      case 'deliverable': return this.#file(event);
      case 'connected':
      case 'presence': return this.#presence(event);
      default: return undefined;
    }
  }

  touchAll() {
    for (const id of this.tasks.keys()) this.dirty.add(id);
  }

  #snapshot(job) {
    this.touchAll(); // rows of removed tasks have to go
    this.tasks.clear();
    this.files.clear();
    this.job = { ...job, title: plain(job.title) };
    for (const task of [...job.tasks].sort((a, b) => a.position - b.position)) {
      this.#keep(task);
    }
    for (const file of job.deliverables || []) this.#file(file);
  }

  #task({ taskId: id, timestamp, ...state }) {
    const { startedAt = state.status === 'in_progress' ? timestamp : undefined } = this.tasks.get(id) || {};
    this.#keep({ ...state, id, startedAt, updatedAt: timestamp });
  }

  #keep(task) {
    this.tasks.set(task.id, { ...task, title: plain(task.title), note: plain(task.note) });
    this.dirty.add(task.id);
  }

  #job({ status, title, timestamp, created, tasks, jobId }) {
    if (created) this.job = { id: jobId, title: plain(title), createdAt: timestamp };
    for (const task of tasks || []) this.#task({ ...task, taskId: task.id, timestamp });
    if (!this.job) return;
    if (isOver(status) !== isOver(this.job.status)) this.touchAll(); // the end of the job changes the look of its tasks
    Object.assign(this.job, { status, title: plain(title) ?? this.job.title, updatedAt: timestamp });
    this.job.endedAt = isOver(status) ? this.job.endedAt || timestamp || new Date().toISOString() : undefined;
  }

  #file({ deliverableId, id, title, url, mediaType }) {
    this.files.set(deliverableId || id, { title: plain(title), url, mediaType: plain(mediaType) });
  }

  #presence({ watchers = this.watchers, agents = this.agents }) {
    this.watchers = watchers;
    this.agents = agents.map((agent) => ({ ...agent, id: plain(agent.id), state: plain(agent.state) }));
  }
}
