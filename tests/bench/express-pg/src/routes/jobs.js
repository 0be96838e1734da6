// Jobs: create, read, and their server-sent events.
const express = require('express');
const db = require('../db');
const { emitter, name } = require('../emitter');

const HEARTBEAT_MS = 30000;
const router = express.Router();

router.post('/', async (req, res) => {
  const { id, title, status = 'pending', tasks = [] } = req.body;
  if (await db.job(id)) {
    return res.status(409).json({ error: 'Job exists' });
  }
  await db.createJob({ id, title, status, tasks });
  res.status(201).json({ ...await db.job(id), tasks: await db.tasks(id) });
});

router.get('/:id', async (req, res) => {
  const job = await db.job(req.params.id);
  if (!job) {
    return res.status(404).json({ error: 'Job not found' });
  }
  res.json({ ...job, tasks: await db.tasks(job.id) });
});

router.get('/:id/task-events', async (req, res) => {
  const job = await db.job(req.params.id);
  if (!job) {
    return res.status(404).json({ error: 'Job not found' });
  }
  res.setHeader('Content-Type', 'text/event-stream');
  res.setHeader('Cache-Control', 'no-cache');
  res.flushHeaders();

  const send = (event) => res.write(`data: ${JSON.stringify(event)}\n\n`);
  send({ type: 'connected', jobId: job.id, status: job.status });

  emitter.on(name(job.id), send);
  const heartbeat = setInterval(() => res.write(': heartbeat\n\n'), HEARTBEAT_MS);
  req.on('close', () => {
    clearInterval(heartbeat);
    emitter.off(name(job.id), send);
  });
});

module.exports = router;
