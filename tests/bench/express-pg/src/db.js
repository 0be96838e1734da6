// PostgreSQL as its users run it: a pool, and statements prepared once on each connection.
const { Pool } = require('pg');

const pool = new Pool({ connectionString: process.env.DB, max: Number(process.env.POOL ?? 32) });

const query = (name, text, values) => pool.query({ name, text, values });

async function createTables() {
  await pool.query(`
    CREATE TABLE IF NOT EXISTS jobs (
      id TEXT PRIMARY KEY, title TEXT NOT NULL, status TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS tasks (
      id TEXT NOT NULL, job_id TEXT NOT NULL REFERENCES jobs(id), title TEXT NOT NULL, status TEXT NOT NULL, note TEXT,
      updated_at TEXT NOT NULL, PRIMARY KEY (job_id, id)
    ) WITH (fillfactor = 60);
    CREATE TABLE IF NOT EXISTS job_activity (
      id BIGSERIAL PRIMARY KEY, job_id TEXT NOT NULL, task_id TEXT, type TEXT NOT NULL, data TEXT NOT NULL,
      created_at TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS job_activity_by_job ON job_activity (job_id, created_at);
  `);
}

async function createJob(job) {
  const now = new Date().toISOString();
  await pool.query(
    'INSERT INTO jobs (id, title, status, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)',
    [job.id, job.title, job.status, now]);
  for (const task of job.tasks) {
    await pool.query(
      'INSERT INTO tasks (id, job_id, title, status, updated_at) VALUES ($1, $2, $3, $4, $5)',
      [task.id, job.id, task.title, task.status || 'pending', now]);
  }
}

const job = async (id) => (await query('job', 'SELECT * FROM jobs WHERE id = $1', [id])).rows[0];
const tasks = async (id) => (await query('tasks', 'SELECT * FROM tasks WHERE job_id = $1', [id])).rows;
const task = async (jobId, id) =>
  (await query('task', 'SELECT title FROM tasks WHERE job_id = $1 AND id = $2', [jobId, id])).rows[0];

// Task row and activity row in one statement, which is one transaction.
const recordTaskUpdate = (jobId, update) => query(
  'update',
  `WITH t AS (UPDATE tasks SET status = $3, note = $4, updated_at = $5 WHERE job_id = $1 AND id = $2)
   INSERT INTO job_activity (job_id, task_id, type, data, created_at) VALUES ($1, $2, 'task_update', $6, $5)`,
  [jobId, update.taskId, update.status, update.note ?? null, update.timestamp, JSON.stringify(update)]);

module.exports = { createTables, createJob, job, tasks, task, recordTaskUpdate };
