-- Deleted repos that can be restored, and what clients were told that the store has.

-- A deleted repo keeps all its rows until prune removes it. Then this is when; what is left are its row and its retired packs, until those
-- are deleted too.
ALTER TABLE repos ADD COLUMN pruned_at TEXT;
-- Counts the consolidations that dropped entities: what was looked up before one of them may be gone.
ALTER TABLE repos ADD COLUMN drops INTEGER NOT NULL DEFAULT 0;
-- Counts the writes to `freshened`: a consolidation that was planned before one of them may not drop what that one names.
ALTER TABLE repos ADD COLUMN freshenings INTEGER NOT NULL DEFAULT 0;
CREATE INDEX repos_deleted ON repos (id) WHERE deleted_at IS NOT NULL;

-- Repos that prune has removed, the last one of each name: so that `repo restore` can say what became of it.
CREATE TABLE pruned_repos (
    owner      TEXT NOT NULL,
    slug       TEXT NOT NULL,
    deleted_at TEXT NOT NULL,
    pruned_at  TEXT NOT NULL,
    -- A pack of it that no other repo held. NULL: there was none, or an older packhouse deleted the repo.
    pack       BLOB,
    PRIMARY KEY (owner, slug)
) STRICT, WITHOUT ROWID;

-- Older versions removed the index at once.
UPDATE repos SET pruned_at = deleted_at WHERE deleted_at IS NOT NULL;
INSERT INTO pruned_repos (owner, slug, deleted_at, pruned_at)
    SELECT owner, substr(slug, 1, instr(slug, '~') - 1), max(deleted_at), max(deleted_at) FROM repos
    WHERE deleted_at IS NOT NULL GROUP BY 1, 2;

-- When a client was last told that the repo has an entity which came earlier: from then on the entity is as recent as one that is pushed. At
-- most one row an entity. An empty `entity` stands for all that the repo had then.
CREATE TABLE freshened (
    repo   INTEGER NOT NULL,
    entity BLOB NOT NULL,
    -- Milliseconds since 1970.
    at     INTEGER NOT NULL,
    -- `repos.freshenings` when it was written.
    number INTEGER NOT NULL,
    PRIMARY KEY (repo, entity)
) STRICT, WITHOUT ROWID;
