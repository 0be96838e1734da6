-- The tables of a joblight database, schema version 6 (sqlite.h has the number).
--
-- Statuses and event types are the numbers of model.h.  Times are Unix milliseconds; 0 means "not yet".
-- The rows of a job refer to its `key`, which increases with each new job and is never reused, so that rows
-- of a deleted job can never be mistaken for those of a later job with the same id.  Only joblight writes
-- here, so foreign keys are not declared.

-- Long texts come last: an update that changes only numbers then does not touch their overflow pages.
CREATE TABLE jobs (
	key INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	epoch TEXT NOT NULL,
	status INTEGER NOT NULL,
	seq INTEGER NOT NULL,      -- of the last event
	first INTEGER NOT NULL,    -- of the first event still in job_activity
	tasks INTEGER NOT NULL,    -- how many
	deliverables INTEGER NOT NULL,
	heartbeat_ms INTEGER NOT NULL, -- how long its tasks may be silent; 0: forever
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	ended INTEGER NOT NULL,
	imported INTEGER NOT NULL,
	bytes INTEGER NOT NULL,    -- of all its events, pruned ones included
	pruned INTEGER NOT NULL,   -- of the pruned ones
	creator TEXT NOT NULL,     -- the id of the access key that created it; '' for none
	title TEXT NOT NULL,
	metadata TEXT NOT NULL     -- JSON object
) STRICT;

CREATE INDEX jobs_by_status ON jobs (status, key);

-- For the limit of jobs of a key.
CREATE INDEX jobs_open_by_creator ON jobs (creator) WHERE ended = 0 AND creator <> '';

-- For the pruner: ended jobs that hold more than their last event, by age, by length and by bytes.
CREATE INDEX jobs_prunable_by_end ON jobs (max(ended, imported)) WHERE ended > 0 AND first < seq;
CREATE INDEX jobs_prunable_by_length ON jobs (seq - first) WHERE ended > 0 AND first < seq;
CREATE INDEX jobs_prunable_by_bytes ON jobs (bytes - pruned) WHERE ended > 0 AND first < seq;

-- For removing ended jobs.
CREATE INDEX jobs_by_end ON jobs (max(ended, imported)) WHERE ended > 0;

-- Keys of jobs that are being imported: their rows are there, but not yet in `jobs`.
CREATE TABLE imports (
	key INTEGER PRIMARY KEY
) STRICT;

-- What is known of each job on each day on which it changed.  It outlives the log and the job.
CREATE TABLE job_days (
	day INTEGER NOT NULL,      -- since 1970-01-01, UTC
	job INTEGER NOT NULL,      -- the key of the job
	id TEXT NOT NULL,
	status INTEGER NOT NULL,   -- at the end of the day, like what follows
	created INTEGER NOT NULL,
	ended INTEGER NOT NULL,
	events INTEGER NOT NULL,   -- since the job was created
	bytes INTEGER NOT NULL,    -- of these events
	tasks INTEGER NOT NULL,
	completed INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	cancelled INTEGER NOT NULL,
	deliverables INTEGER NOT NULL,
	PRIMARY KEY (day, job)
) STRICT, WITHOUT ROWID;

-- Deleted jobs of which some rows are still to be removed, which takes many steps.
CREATE TABLE deleted_jobs (
	key INTEGER PRIMARY KEY
) STRICT;

-- By position, because a snapshot lists the tasks in this order.
CREATE TABLE tasks (
	job INTEGER NOT NULL,
	position INTEGER NOT NULL,
	id TEXT NOT NULL,
	status INTEGER NOT NULL,
	progress REAL,             -- 0 .. 100
	attempt INTEGER,
	heartbeat_ms INTEGER,      -- how long it may be silent; 0: forever, NULL: as its job says
	stalled INTEGER NOT NULL,  -- it was silent for longer
	stall_at INTEGER NOT NULL, -- when it will have been, in steady time (timeline.h); 0: never
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	started INTEGER NOT NULL,
	ended INTEGER NOT NULL,
	title TEXT NOT NULL,
	note TEXT,
	PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX tasks_by_id ON tasks (job, id);

-- Tasks with a deadline.  Few tasks have one, and only while they are in progress.
CREATE INDEX tasks_by_stall ON tasks (stall_at) WHERE stall_at > 0;

-- The event log.  It keeps its rowid: rows are then appended in the order of the commits, for all jobs, and
-- only the small index entries are inserted next to those of their job.  Without a rowid each event would split
-- pages in the middle of the rows of its job, which halves the write rate with a hundred active jobs.
CREATE TABLE job_activity (
	job INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	type INTEGER NOT NULL,
	time INTEGER NOT NULL,
	json TEXT NOT NULL,        -- the bytes that every transport sends
	PRIMARY KEY (job, seq)
) STRICT;

CREATE TABLE deliverables (
	number INTEGER PRIMARY KEY, -- order of insertion
	job INTEGER NOT NULL,
	id TEXT NOT NULL,
	created INTEGER NOT NULL,
	title TEXT NOT NULL,
	url TEXT,
	media_type TEXT,
	UNIQUE (job, id)
) STRICT;

-- Remembered answers, appended in order of time for the same reason.
CREATE TABLE idempotency (
	scope TEXT NOT NULL,       -- '#' and the job's key; its id for a deletion, which outlives it; '' for creations
	key TEXT NOT NULL,
	fingerprint BLOB NOT NULL, -- SHA-256 of the request
	time INTEGER NOT NULL,
	outcome INTEGER NOT NULL,
	seq_first INTEGER NOT NULL,
	seq_last INTEGER NOT NULL,
	epoch TEXT NOT NULL,
	body TEXT,
	PRIMARY KEY (scope, key)
) STRICT;

CREATE INDEX idempotency_by_time ON idempotency (time);

-- What clients may do: rights are the bits of right.h, jobs are patterns of ids, separated by spaces.
CREATE TABLE access_keys (
	id TEXT NOT NULL UNIQUE,
	hash BLOB NOT NULL,        -- SHA-256 of the whole key
	rights INTEGER NOT NULL,
	name TEXT NOT NULL,
	jobs TEXT NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	revoked INTEGER NOT NULL
) STRICT;

-- One row: the secret that signs the tokens of this server.
CREATE TABLE signing_key (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	id TEXT NOT NULL,
	secret BLOB NOT NULL
) STRICT;

-- Tokens that were revoked, or used up, before their end.
CREATE TABLE revoked_tokens (
	id TEXT PRIMARY KEY,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: the readings of the clocks when they were last compared; see timeline.h.
CREATE TABLE clock (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	boot TEXT NOT NULL,
	monotonic INTEGER NOT NULL,
	boottime INTEGER NOT NULL,
	wall INTEGER NOT NULL,
	steady INTEGER NOT NULL,
	trusted INTEGER NOT NULL
) STRICT;
