-- Work that is done later or elsewhere, when it is done by itself, and what is kept of a past that was left.

-- Jobs. `lease_until` and `run_at` are milliseconds since 1970, `fence` counts who has taken the job: whoever has an older number may not publish.
CREATE TABLE jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- NULL: the whole store.
    repo        INTEGER REFERENCES repos (id),
    type        TEXT NOT NULL CHECK (type IN ('mpack.index', 'mpack.gc', 'mpack.prune', 'mpack.verify')),
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
CREATE INDEX jobs_due ON jobs (status, run_at, id);
CREATE INDEX jobs_by_repo ON jobs (repo, id);
-- One consolidation of a repo at a time, and one that waits; what prunes waits once.
CREATE UNIQUE INDEX jobs_one_gc_runs ON jobs (repo) WHERE type = 'mpack.gc' AND status = 'running';
CREATE UNIQUE INDEX jobs_one_gc_waits ON jobs (repo) WHERE type = 'mpack.gc' AND status = 'queued';
CREATE UNIQUE INDEX jobs_one_prune_waits ON jobs (type) WHERE type = 'mpack.prune' AND status = 'queued';

-- Packs that are stored and wait for a job to index them: nobody deletes them.
CREATE TABLE job_packs (
    job INTEGER NOT NULL REFERENCES jobs (id),
    key BLOB NOT NULL CHECK (length(key) = 32),
    PRIMARY KEY (job, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_packs_by_key ON job_packs (key);

-- When repos are consolidated by themselves: of one repo, or (repo 0) of all that have none of their own. NULL: not for that reason.
CREATE TABLE policies (
    repo            INTEGER PRIMARY KEY,
    max_packs       INTEGER,
    growth          TEXT,
    max_age_seconds INTEGER
) STRICT;

-- When the push that made the shelf was published. NULL: before this was counted.
ALTER TABLE shelves ADD COLUMN made_at TEXT;

-- Heads that branches left without leading to them: what those reach is kept for a while.
CREATE TABLE left_heads (
    id      INTEGER PRIMARY KEY,
    repo    INTEGER NOT NULL REFERENCES repos (id),
    branch  TEXT NOT NULL,
    head    BLOB NOT NULL CHECK (length(head) = 33),
    left_at TEXT NOT NULL
) STRICT;
CREATE INDEX left_heads_by_repo ON left_heads (repo, id);

-- A deleted repo keeps its row, under a name that nobody can ask for, until its packs are gone.
ALTER TABLE repos ADD COLUMN deleted_at TEXT;

-- 1: the repo has dropped some of what the pack holds, so that pushing the same bytes again is something new.
ALTER TABLE retired ADD COLUMN partial INTEGER NOT NULL DEFAULT 0;
CREATE INDEX retired_by_pack ON retired (pack);
