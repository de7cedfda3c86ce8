-- Deleted repos that can be restored, and what clients were told that the store has: see migrations/sqlite/0006_retention.sql.

ALTER TABLE repos ADD COLUMN pruned_at TEXT COLLATE "C";
ALTER TABLE repos ADD COLUMN drops BIGINT NOT NULL DEFAULT 0;
ALTER TABLE repos ADD COLUMN freshenings BIGINT NOT NULL DEFAULT 0;
CREATE INDEX repos_deleted ON repos (id) WHERE deleted_at IS NOT NULL;

CREATE TABLE pruned_repos (
    owner      TEXT COLLATE "C" NOT NULL,
    slug       TEXT COLLATE "C" NOT NULL,
    deleted_at TEXT COLLATE "C" NOT NULL,
    pruned_at  TEXT COLLATE "C" NOT NULL,
    pack       BYTEA,
    PRIMARY KEY (owner, slug)
);

UPDATE repos SET pruned_at = deleted_at WHERE deleted_at IS NOT NULL;
INSERT INTO pruned_repos (owner, slug, deleted_at, pruned_at)
    SELECT owner, split_part(slug, '~', 1), max(deleted_at), max(deleted_at) FROM repos
    WHERE deleted_at IS NOT NULL GROUP BY 1, 2;

CREATE TABLE freshened (
    repo   BIGINT NOT NULL,
    entity BYTEA NOT NULL,
    at     BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (repo, entity)
);
