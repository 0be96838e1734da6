// Broadcasts task updates across the application, one event name per job.
const { EventEmitter } = require('node:events');

const emitter = new EventEmitter();
emitter.setMaxListeners(0);

module.exports = { emitter, name: (jobId) => `job:${jobId}` };
