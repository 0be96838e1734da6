// The singleton that broadcasts task updates across the application, one event name per job.
const { EventEmitter } = require('node:events');

class TaskEmitter extends EventEmitter {
  constructor() {
    super();
    // The origin allows 100 connections; a thousand have to be measured too. Its line of debug
    // output per update is left out as well: it would only make this side slower.
    this.setMaxListeners(0);
  }

  emitTaskUpdate(jobId, update) {
    this.emit(`job:${jobId}`, { type: 'task_update', jobId, ...update });
  }
}

module.exports = new TaskEmitter();
