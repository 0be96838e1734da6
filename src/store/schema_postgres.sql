-- The tables of a joblight database in PostgreSQL, schema version 1 (postgres.h has the number).
--
-- What is said in schema_sqlite.sql about statuses, times and keys holds here too.  They are made in the first
-- schema of the search path.  Ids are compared by their bytes, whatever the collation of the database.

CREATE TABLE joblight (
	one int PRIMARY KEY CHECK (one = 1),
	version int NOT NULL       -- of the schema; negative in a copy that is not finished
);

INSERT INTO joblight VALUES (1, 1);

-- No index names a column that every update changes, such as seq: an update then stays in its page, and no index
-- has to be written (a "HOT" update).  What the pruner looks for is therefore in columns of its own, which are 0
-- until the job has ended.
CREATE TABLE jobs (
	key bigint PRIMARY KEY,
	id text COLLATE "C" NOT NULL,
	epoch text NOT NULL,
	status smallint NOT NULL,
	seq bigint NOT NULL,
	first bigint NOT NULL,
	tasks bigint NOT NULL,
	deliverables bigint NOT NULL,
	heartbeat_ms bigint NOT NULL,
	created bigint NOT NULL,
	updated bigint NOT NULL,
	ended bigint NOT NULL,
	imported bigint NOT NULL,
	bytes bigint NOT NULL,
	pruned bigint NOT NULL,
	kept_since bigint NOT NULL,  -- of an ended job: the later one of ended and imported
	log_events bigint NOT NULL,  -- of an ended job: events in the log besides the last one
	log_bytes bigint NOT NULL,   -- of an ended job: bytes of the events in the log
	creator text COLLATE "C" NOT NULL,
	title text NOT NULL,
	metadata text NOT NULL
) WITH (fillfactor = 60);

CREATE SEQUENCE jobs_key AS bigint;
CREATE UNIQUE INDEX jobs_by_id ON jobs (id);
CREATE INDEX jobs_by_status ON jobs (status, key);
CREATE INDEX jobs_open_by_creator ON jobs (creator) WHERE ended = 0 AND creator <> '';
CREATE INDEX jobs_prunable_by_end ON jobs (kept_since) WHERE log_events > 0;
CREATE INDEX jobs_prunable_by_length ON jobs (log_events) WHERE log_events > 0;
CREATE INDEX jobs_prunable_by_bytes ON jobs (log_bytes) WHERE log_events > 0;
CREATE INDEX jobs_by_end ON jobs (kept_since) WHERE kept_since > 0;

-- The servers that use this database, and the last group of writes of each: a server whose connection broke
-- while it committed finds out here whether it did.
CREATE TABLE nodes (
	id bytea PRIMARY KEY,
	last bytea NOT NULL,
	seen timestamptz NOT NULL
) WITH (fillfactor = 20);

-- Who does what only one node is to do, and until when.
CREATE TABLE lease (
	name text COLLATE "C" PRIMARY KEY,
	holder bytea NOT NULL,     -- the id of a node
	until timestamptz NOT NULL
) WITH (fillfactor = 20);

CREATE TABLE imports (
	key bigint PRIMARY KEY,
	node bytea NOT NULL        -- which is importing it
);

CREATE TABLE job_days (
	day bigint NOT NULL,
	job bigint NOT NULL,
	id text COLLATE "C" NOT NULL,
	status smallint NOT NULL,
	created bigint NOT NULL,
	ended bigint NOT NULL,
	events bigint NOT NULL,
	bytes bigint NOT NULL,
	tasks bigint NOT NULL,
	completed bigint NOT NULL,
	failed bigint NOT NULL,
	cancelled bigint NOT NULL,
	deliverables bigint NOT NULL,
	PRIMARY KEY (day, job)
) WITH (fillfactor = 60);

CREATE TABLE deleted_jobs (
	key bigint PRIMARY KEY
);

CREATE TABLE tasks (
	job bigint NOT NULL,
	position bigint NOT NULL,
	id text COLLATE "C" NOT NULL,
	status smallint NOT NULL,
	progress double precision,
	attempt bigint,
	heartbeat_ms bigint,
	stalled boolean NOT NULL,
	stall_at bigint NOT NULL,  -- of the clock of the database
	created bigint NOT NULL,
	updated bigint NOT NULL,
	started bigint NOT NULL,
	ended bigint NOT NULL,
	title text NOT NULL,
	note text,
	PRIMARY KEY (job, position)
) WITH (fillfactor = 60);

CREATE UNIQUE INDEX tasks_by_id ON tasks (job, id);
CREATE INDEX tasks_by_stall ON tasks (stall_at) WHERE stall_at > 0;

CREATE TABLE job_activity (
	job bigint NOT NULL,
	seq bigint NOT NULL,
	type smallint NOT NULL,
	time bigint NOT NULL,
	json text NOT NULL,
	PRIMARY KEY (job, seq)
);

CREATE TABLE deliverables (
	number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	job bigint NOT NULL,
	id text COLLATE "C" NOT NULL,
	created bigint NOT NULL,
	title text NOT NULL,
	url text,
	media_type text
);

CREATE UNIQUE INDEX deliverables_by_id ON deliverables (job, id);

CREATE TABLE idempotency (
	scope text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	fingerprint bytea NOT NULL,
	time bigint NOT NULL,
	outcome int NOT NULL,
	seq_first bigint NOT NULL,
	seq_last bigint NOT NULL,
	epoch text NOT NULL,
	body text,
	PRIMARY KEY (scope, key)
);

CREATE INDEX idempotency_by_time ON idempotency (time);

CREATE TABLE access_keys (
	number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id text COLLATE "C" NOT NULL UNIQUE,
	hash bytea NOT NULL,
	rights bigint NOT NULL,
	name text NOT NULL,
	jobs text NOT NULL,
	created bigint NOT NULL,
	expires bigint NOT NULL,
	revoked bigint NOT NULL
);

CREATE TABLE signing_key (
	one int PRIMARY KEY CHECK (one = 1),
	id text NOT NULL,
	secret bytea NOT NULL
);

CREATE TABLE revoked_tokens (
	id text COLLATE "C" PRIMARY KEY,
	expires bigint NOT NULL
);

-- It grows with every change of access_keys, signing_key and revoked_tokens.
CREATE TABLE keys_version (
	one int PRIMARY KEY CHECK (one = 1),
	version bigint NOT NULL
) WITH (fillfactor = 20);

INSERT INTO keys_version VALUES (1, 1);

-- The tickets that have opened a stream.
CREATE TABLE used_tickets (
	id text COLLATE "C" PRIMARY KEY,
	kept_until timestamptz NOT NULL
);

CREATE INDEX used_tickets_by_end ON used_tickets (kept_until);

CREATE TABLE clock (
	one int PRIMARY KEY CHECK (one = 1),
	boot text NOT NULL,
	monotonic bigint NOT NULL,
	boottime bigint NOT NULL,
	wall bigint NOT NULL,
	steady bigint NOT NULL,
	trusted bigint NOT NULL
);
