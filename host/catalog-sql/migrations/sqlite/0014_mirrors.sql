-- Jobs may be mirrors, of which a repo has one at most. SQLite can't change a CHECK, so the table is
-- rebuilt, with its jobs, their numbers and their packs.
CREATE TABLE new_jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- NULL: the whole store.
    repo        INTEGER REFERENCES repos (id),
    type        TEXT NOT NULL CHECK (type IN ('mpack.index', 'mpack.gc', 'mpack.prune', 'mpack.verify', 'repo.mirror')),
    -- JSON, by type.
    payload     TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    attempt     INTEGER NOT NULL DEFAULT 0,
    created_at  TEXT NOT NULL,
    run_at      INTEGER NOT NULL,
    started_at  TEXT,
    finished_at TEXT,
    worker      TEXT,
    fence       INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    -- Why it failed, or why it waits for another attempt.
    reason      TEXT,
    -- JSON: what the verb reported.
    result      TEXT
) STRICT;
INSERT INTO new_jobs SELECT * FROM jobs;
DELETE FROM sqlite_sequence WHERE name = 'new_jobs';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_jobs', seq FROM sqlite_sequence WHERE name = 'jobs';
-- Its rows reference jobs: they are in another table while that one is replaced.
CREATE TABLE old_job_packs AS SELECT job, key FROM job_packs;
DROP TABLE job_packs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;
CREATE INDEX jobs_due ON jobs (status, run_at, id);
CREATE INDEX jobs_by_repo ON jobs (repo, id);
CREATE UNIQUE INDEX jobs_one_gc_runs ON jobs (repo) WHERE type = 'mpack.gc' AND status = 'running';
CREATE UNIQUE INDEX jobs_one_gc_waits ON jobs (repo) WHERE type = 'mpack.gc' AND status = 'queued';
CREATE UNIQUE INDEX jobs_one_prune_waits ON jobs (type) WHERE type = 'mpack.prune' AND status = 'queued';
CREATE UNIQUE INDEX jobs_one_mirror ON jobs (repo) WHERE type = 'repo.mirror' AND status IN ('queued', 'running');
CREATE TABLE job_packs (
    job INTEGER NOT NULL REFERENCES jobs (id),
    key BLOB NOT NULL CHECK (length(key) = 32),
    PRIMARY KEY (job, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_packs_by_key ON job_packs (key);
INSERT INTO job_packs SELECT job, key FROM old_job_packs;
DROP TABLE old_job_packs;
