-- A database of schema version 1, with data.

CREATE TABLE jobs (
	key INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	epoch TEXT NOT NULL,
	status INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	first INTEGER NOT NULL,
	tasks INTEGER NOT NULL,
	deliverables INTEGER NOT NULL,
	heartbeat_ms INTEGER NOT NULL,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	ended INTEGER NOT NULL,
	title TEXT NOT NULL,
	metadata TEXT NOT NULL
) STRICT;

CREATE INDEX jobs_by_status ON jobs (status, key);

CREATE INDEX jobs_prunable_by_end ON jobs (ended) WHERE ended > 0 AND first < seq;
CREATE INDEX jobs_prunable_by_length ON jobs (seq - first) WHERE ended > 0 AND first < seq;

CREATE TABLE tasks (
	job INTEGER NOT NULL,
	position INTEGER NOT NULL,
	id TEXT NOT NULL,
	status INTEGER NOT NULL,
	progress REAL,
	attempt INTEGER,
	heartbeat_ms INTEGER,
	stalled INTEGER NOT NULL,
	stall_at INTEGER NOT NULL,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	started INTEGER NOT NULL,
	ended INTEGER NOT NULL,
	title TEXT NOT NULL,
	note TEXT,
	PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX tasks_by_id ON tasks (job, id);

CREATE INDEX tasks_by_stall ON tasks (stall_at) WHERE stall_at > 0;

CREATE TABLE job_activity (
	job INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	type INTEGER NOT NULL,
	time INTEGER NOT NULL,
	json TEXT NOT NULL,
	PRIMARY KEY (job, seq)
) STRICT;

CREATE TABLE deliverables (
	number INTEGER PRIMARY KEY,
	job INTEGER NOT NULL,
	id TEXT NOT NULL,
	created INTEGER NOT NULL,
	title TEXT NOT NULL,
	url TEXT,
	media_type TEXT,
	UNIQUE (job, id)
) STRICT;

CREATE TABLE idempotency (
	scope TEXT NOT NULL,
	key TEXT NOT NULL,
	fingerprint BLOB NOT NULL,
	time INTEGER NOT NULL,
	outcome INTEGER NOT NULL,
	seq_first INTEGER NOT NULL,
	seq_last INTEGER NOT NULL,
	epoch TEXT NOT NULL,
	body TEXT,
	PRIMARY KEY (scope, key)
) STRICT;

CREATE INDEX idempotency_by_time ON idempotency (time);

PRAGMA application_id = 1246521204;
PRAGMA user_version = 1;

INSERT INTO jobs (key, id, epoch, status, seq, first, tasks, deliverables, heartbeat_ms, created, updated, ended, title, metadata) VALUES (1, 'open', 'aaaaaaaaaa', 1, 5, 1, 2, 1, 60000, 1770318000000, 1770318004000, 0, 'Q4 — report', '{"a":1}');
INSERT INTO jobs (key, id, epoch, status, seq, first, tasks, deliverables, heartbeat_ms, created, updated, ended, title, metadata) VALUES (2, 'ended', 'bbbbbbbbbb', 4, 4, 3, 1, 0, 0, 1770318000000, 1770318003000, 1770318003000, 'pruned', '{}');
INSERT INTO jobs (key, id, epoch, status, seq, first, tasks, deliverables, heartbeat_ms, created, updated, ended, title, metadata) VALUES (3, 'whole', 'cccccccccc', 5, 2, 1, 0, 0, 0, 1770318000000, 1770318001000, 1770318001000, 'whole', '{}');
UPDATE sqlite_sequence SET seq = 4 WHERE name = 'jobs';
INSERT INTO job_activity (job, seq, type, time, json) VALUES (1, 1, 1, 1770318000000, '{"type":"job_update","jobId":"open","seq":1,"status":"in_progress","title":"Q4 — report","metadata":{"a":1},"created":true,"tasks":[{"id":"t1","status":"pending","title":"Render"}],"timestamp":"2026-02-05T19:00:00.000Z"}');
INSERT INTO job_activity (job, seq, type, time, json) VALUES (1, 2, 0, 1770318001000, '{"type":"task_update","jobId":"open","seq":2,"taskId":"t1","status":"in_progress","title":"Render","note":"page 1","progress":10.5,"attempt":1,"timestamp":"2026-02-05T19:00:01.000Z"}');
INSERT INTO job_activity (job, seq, type, time, json) VALUES (1, 3, 0, 1770318002000, '{"type":"task_update","jobId":"open","seq":3,"taskId":"t2","status":"completed","title":"t2","timestamp":"2026-02-05T19:00:02.000Z"}');
INSERT INTO job_activity (job, seq, type, time, json) VALUES (1, 4, 2, 1770318003000, '{"type":"deliverable","jobId":"open","seq":4,"deliverableId":"d1","title":"report.pdf","url":"https://files.example/1","mediaType":"application/pdf","timestamp":"2026-02-05T19:00:03.000Z"}');
INSERT INTO job_activity (job, seq, type, time, json) VALUES (1, 5, 3, 1770318004000, '{"type":"command","jobId":"open","seq":5,"command":"stop","args":{"n":1},"timestamp":"2026-02-05T19:00:04.000Z"}');
INSERT INTO job_activity (job, seq, type, time, json) VALUES (2, 3, 0, 1770318002000, '{"type":"task_update","jobId":"ended","seq":3,"taskId":"t","status":"completed","title":"t","timestamp":"2026-02-05T19:00:02.000Z"}');
INSERT INTO job_activity (job, seq, type, time, json) VALUES (2, 4, 1, 1770318003000, '{"type":"job_update","jobId":"ended","seq":4,"status":"completed","title":"pruned","timestamp":"2026-02-05T19:00:03.000Z"}');
INSERT INTO job_activity (job, seq, type, time, json) VALUES (3, 1, 1, 1770318000000, '{"type":"job_update","jobId":"whole","seq":1,"status":"pending","title":"whole","metadata":{},"created":true,"tasks":[],"timestamp":"2026-02-05T19:00:00.000Z"}');
INSERT INTO job_activity (job, seq, type, time, json) VALUES (3, 2, 1, 1770318001000, '{"type":"job_update","jobId":"whole","seq":2,"status":"failed","title":"whole","timestamp":"2026-02-05T19:00:01.000Z"}');
INSERT INTO tasks (job, position, id, status, progress, attempt, heartbeat_ms, stalled, stall_at, created, updated, started, ended, title, note) VALUES (1, 0, 't1', 1, 10.5, 1, NULL, 0, 0, 1770318000000, 1770318001000, 1770318001000, 0, 'Render', 'page 1');
INSERT INTO tasks (job, position, id, status, progress, attempt, heartbeat_ms, stalled, stall_at, created, updated, started, ended, title, note) VALUES (1, 1, 't2', 3, NULL, NULL, NULL, 0, 0, 1770318002000, 1770318002000, 0, 1770318002000, 't2', NULL);
INSERT INTO tasks (job, position, id, status, progress, attempt, heartbeat_ms, stalled, stall_at, created, updated, started, ended, title, note) VALUES (2, 0, 't', 3, NULL, NULL, 0, 0, 0, 1770318000000, 1770318002000, 0, 1770318002000, 't', NULL);
INSERT INTO deliverables (number, job, id, created, title, url, media_type) VALUES (1, 1, 'd1', 1770318003000, 'report.pdf', 'https://files.example/1', 'application/pdf');
INSERT INTO idempotency (scope, key, fingerprint, time, outcome, seq_first, seq_last, epoch, body) VALUES ('open', 'k1', x'2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', 1770318001000, 0, 2, 2, 'aaaaaaaaaa', '{"ok":true}
');
INSERT INTO idempotency (scope, key, fingerprint, time, outcome, seq_first, seq_last, epoch, body) VALUES ('', 'k2', x'2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', 1770318000000, 1, 1, 1, 'aaaaaaaaaa', '{}
');
