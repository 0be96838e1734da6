// GET /api/jobs/:id/task-events: server-sent events of one job.
const express = require('express');
const { statements } = require('../db');
const taskEmitter = require('../events/taskEmitter');

const HEARTBEAT_MS = 30000;
const router = express.Router();

router.get('/:id/task-events', (req, res) => {
  const job = statements.job.get(req.params.id);
  if (!job) {
    return res.status(404).json({ error: 'Job not found' });
  }
  res.setHeader('Content-Type', 'text/event-stream');
  res.setHeader('Cache-Control', 'no-cache');
  res.setHeader('Connection', 'keep-alive');
  res.setHeader('X-Accel-Buffering', 'no');
  res.flushHeaders();

  const send = (event) => res.write(`data: ${JSON.stringify(event)}\n\n`);
  send({ type: 'connected', jobId: job.id, status: job.status });

  taskEmitter.on(`job:${job.id}`, send);
  const heartbeat = setInterval(() => res.write(': heartbeat\n\n'), HEARTBEAT_MS);
  req.on('close', () => {
    clearInterval(heartbeat);
    taskEmitter.off(`job:${job.id}`, send);
  });
});

module.exports = router;
