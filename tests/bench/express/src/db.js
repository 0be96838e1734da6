// The database as its users run it: WAL and synchronous NORMAL, statements prepared once.
const Database = require('better-sqlite3');

const db = new Database(process.env.DB || ':memory:');
db.pragma('journal_mode = WAL');
db.pragma('synchronous = NORMAL');

db.exec(`
  CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS tasks (
    id TEXT NOT NULL,
    job_id TEXT NOT NULL REFERENCES jobs(id),
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    note TEXT,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (job_id, id)
  );
  CREATE TABLE IF NOT EXISTS job_activity (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    task_id TEXT,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS job_activity_by_job ON job_activity (job_id, created_at);
`);

const statements = {
  insertJob: db.prepare(
    'INSERT INTO jobs (id, title, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?)'),
  job: db.prepare('SELECT * FROM jobs WHERE id = ?'),
  insertTask: db.prepare(
    'INSERT INTO tasks (id, job_id, title, status, updated_at) VALUES (?, ?, ?, ?, ?)'),
  task: db.prepare('SELECT * FROM tasks WHERE job_id = ? AND id = ?'),
  tasks: db.prepare('SELECT * FROM tasks WHERE job_id = ? ORDER BY rowid'),
  updateTask: db.prepare(
    'UPDATE tasks SET status = ?, note = ?, updated_at = ? WHERE job_id = ? AND id = ?'),
  insertActivity: db.prepare(
    'INSERT INTO job_activity (job_id, task_id, type, data, created_at) VALUES (?, ?, ?, ?, ?)'),
  activitySince: db.prepare(
    'SELECT * FROM job_activity WHERE job_id = ? AND created_at >= ? ORDER BY id LIMIT 500'),
};

const createJob = db.transaction((job) => {
  const now = new Date().toISOString();
  statements.insertJob.run(job.id, job.title, job.status, now, now);
  for (const task of job.tasks) {
    statements.insertTask.run(task.id, job.id, task.title, task.status || 'pending', now);
  }
});

// Task row and activity row in one transaction: half the commits of two statements on their own.
const recordTaskUpdate = db.transaction((jobId, update) => {
  const { taskId, status, note, timestamp } = update;
  statements.updateTask.run(status, note ?? null, timestamp, jobId, taskId);
  statements.insertActivity.run(jobId, taskId, 'task_update', JSON.stringify(update), timestamp);
});

module.exports = { statements, createJob, recordTaskUpdate };
