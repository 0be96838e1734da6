// POST /api/agent-hooks/task-update/:jobId: a worker's update. Stored, broadcast, answered.
const express = require('express');
const db = require('../db');
const { emitter, name } = require('../emitter');

const STATUSES = new Set(['pending', 'in_progress', 'completed']);
const router = express.Router();

router.post('/task-update/:jobId', async (req, res) => {
  const { jobId } = req.params;
  const { taskId, status, note } = req.body;
  if (!taskId || !STATUSES.has(status)) {
    return res.status(400).json({ error: 'taskId and a valid status are required' });
  }
  const task = await db.task(jobId, taskId);
  if (!task) {
    return res.status(404).json({ error: 'Task not found' });
  }
  const update = { taskId, status, title: task.title, note, timestamp: new Date().toISOString() };
  await db.recordTaskUpdate(jobId, update);
  emitter.emit(name(jobId), { type: 'task_update', jobId, ...update });
  res.json({ ok: true });
});

module.exports = router;
