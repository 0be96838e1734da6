// Jobs: create, read, set a task's status, poll for updates.
const express = require('express');
const { statements, createJob, recordTaskUpdate } = require('../db');
const taskEmitter = require('../events/taskEmitter');

const router = express.Router();

router.post('/', (req, res) => {
  const { id, title, status = 'pending', tasks = [] } = req.body;
  if (statements.job.get(id)) {
    return res.status(409).json({ error: 'Job exists' });
  }
  createJob({ id, title, status, tasks });
  res.status(201).json({ ...statements.job.get(id), tasks: statements.tasks.all(id) });
});

router.get('/:id', (req, res) => {
  const job = statements.job.get(req.params.id);
  if (!job) {
    return res.status(404).json({ error: 'Job not found' });
  }
  res.json({ ...job, tasks: statements.tasks.all(job.id) });
});

router.put('/:id/tasks/:taskId', (req, res) => {
  const { id, taskId } = req.params;
  const task = statements.task.get(id, taskId);
  if (!task) {
    return res.status(404).json({ error: 'Task not found' });
  }
  const { status = task.status, note = task.note } = req.body;
  const update = { taskId, status, title: task.title, note, timestamp: new Date().toISOString() };
  recordTaskUpdate(id, update);
  taskEmitter.emitTaskUpdate(id, update);
  res.json(statements.task.get(id, taskId));
});

router.get('/:id/updates', (req, res) => {
  const rows = statements.activitySince.all(req.params.id, req.query.since || '');
  res.json({ updates: rows.map((row) => JSON.parse(row.data)) });
});

module.exports = router;
