-- The catalog of a store, on SQLite. Ids of commits and other entities are fixed-width bytes: see
-- host/src/catalog/mod.rs. Times are RFC 3339 UTC.

CREATE TABLE repos (
    id             INTEGER PRIMARY KEY,
    repo_id        TEXT NOT NULL UNIQUE,
    owner          TEXT NOT NULL,
    slug           TEXT NOT NULL,
    visibility     TEXT NOT NULL CHECK (visibility IN ('public', 'private')),
    default_branch TEXT,
    created_at     TEXT NOT NULL,
    -- Counts pushes: a push that was prepared on another revision is prepared again.
    revision       INTEGER NOT NULL DEFAULT 0,
    UNIQUE (owner, slug)
) STRICT;

CREATE TABLE branches (
    repo INTEGER NOT NULL REFERENCES repos (id),
    name TEXT NOT NULL,
    head BLOB NOT NULL CHECK (length(head) = 33),
    PRIMARY KEY (repo, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE packs (
    id           INTEGER PRIMARY KEY,
    key          BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    bytes        INTEGER NOT NULL,
    -- Records, those that it repeats included.
    records      INTEGER NOT NULL,
    -- 1 for a pack that packhouse made.
    consolidated INTEGER NOT NULL,
    stored_at    TEXT NOT NULL
) STRICT;

-- A place in a repo's index that holds one pack at a time. Consolidation changes `pack`, never an entity.
CREATE TABLE shelves (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    repo       INTEGER NOT NULL REFERENCES repos (id),
    pack       INTEGER NOT NULL REFERENCES packs (id),
    generation INTEGER NOT NULL DEFAULT 0,
    -- How many entities the index maps to this shelf.
    commits    INTEGER NOT NULL,
    snapshots  INTEGER NOT NULL,
    objects    INTEGER NOT NULL,
    tags       INTEGER NOT NULL
) STRICT;
CREATE INDEX shelves_by_repo ON shelves (repo, id);
CREATE INDEX shelves_by_pack ON shelves (pack);

-- The index: one row an entity of a repo.
CREATE TABLE entities (
    repo   INTEGER NOT NULL,
    -- Kind, form of the id, digest.
    entity BLOB NOT NULL,
    shelf  INTEGER NOT NULL,
    -- Which encoding; NULL for an object's standard one.
    print  BLOB,
    PRIMARY KEY (repo, entity)
) STRICT, WITHOUT ROWID;

-- What commits reach, for walks over the graph.
CREATE TABLE commits (
    repo     INTEGER NOT NULL,
    id       BLOB NOT NULL,
    parent1  BLOB,
    parent2  BLOB,
    snapshot BLOB,
    PRIMARY KEY (repo, id)
) STRICT, WITHOUT ROWID;

-- The texts that tags' digests stand for.
CREATE TABLE tag_ids (
    repo   INTEGER NOT NULL,
    entity BLOB NOT NULL,
    tag_id TEXT NOT NULL,
    PRIMARY KEY (repo, entity)
) STRICT, WITHOUT ROWID;

-- Packs that a repo's shelves held once, and that only wait for deletion.
CREATE TABLE retired (
    repo       INTEGER NOT NULL REFERENCES repos (id),
    pack       INTEGER NOT NULL REFERENCES packs (id),
    retired_at TEXT NOT NULL,
    PRIMARY KEY (repo, pack)
) STRICT, WITHOUT ROWID;

CREATE TABLE gc_runs (
    id               INTEGER PRIMARY KEY,
    repo             INTEGER NOT NULL REFERENCES repos (id),
    finished_at      TEXT NOT NULL,
    outcome          TEXT NOT NULL CHECK (outcome IN ('consolidated', 'skipped', 'failed')),
    packs_before     INTEGER NOT NULL,
    packs_after      INTEGER NOT NULL,
    consolidated_key TEXT,
    bytes_before     INTEGER NOT NULL,
    bytes_after      INTEGER NOT NULL,
    elapsed_ms       INTEGER NOT NULL,
    component        TEXT NOT NULL,
    error            TEXT
) STRICT;
CREATE INDEX gc_runs_by_repo ON gc_runs (repo, id);

-- Packs that were assembled to answer fetches. Files of answers that have expired may go.
CREATE TABLE answers (
    repo       INTEGER NOT NULL REFERENCES repos (id),
    key        BLOB NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (repo, key)
) STRICT, WITHOUT ROWID;
