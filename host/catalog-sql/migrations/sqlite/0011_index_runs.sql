-- The index in immutable runs: docs/decisions/0028-an-index-in-runs.md. host/index says what is in their blocks.

-- What older versions wrote: older than every run, and only read from now on.
ALTER TABLE entities RENAME TO old_entities;
-- 1: the repo has rows in `old_entities`.
ALTER TABLE repos ADD COLUMN old_index INTEGER NOT NULL DEFAULT 0;
UPDATE repos SET old_index = 1 WHERE EXISTS (SELECT 1 FROM old_entities WHERE old_entities.repo = repos.id);

CREATE TABLE index_runs (
    -- Never given twice: blocks are found by it.
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    repo INTEGER NOT NULL,
    -- The revision of the repo that its newest rows made. Of two runs with the same entity, the greater one counts.
    age  INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    root BLOB NOT NULL,
    UNIQUE (repo, age)
) STRICT;

CREATE TABLE index_blocks (
    -- Number of the run, shifted by 24 bits, plus the number of the block.
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL CHECK (length(data) = 4032)
) STRICT;
