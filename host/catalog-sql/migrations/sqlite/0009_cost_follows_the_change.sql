-- Fetches that cost what they send: generations of commits, tags by commit, complete packs; and when packs are read to check them.

-- Walks go from high to low: 1 + the greatest of the known parents. 0: not numbered.
ALTER TABLE commits ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
-- No walk may end above this generation: from here up, a child may have no greater one than its parent.
ALTER TABLE repos ADD COLUMN walk_floor INTEGER;
UPDATE repos SET walk_floor = 0 WHERE EXISTS (SELECT 1 FROM commits WHERE commits.repo = repos.id);
-- Parents that commits name and that no push has brought yet, with the least generation of such a commit.
CREATE TABLE awaited_parents (
    repo       INTEGER NOT NULL,
    parent     BLOB NOT NULL CHECK (length(parent) = 33),
    generation INTEGER NOT NULL,
    PRIMARY KEY (repo, parent)
) STRICT, WITHOUT ROWID;

-- The commit that the tag names. NULL: written before this column; read from the tag once.
ALTER TABLE tag_ids ADD COLUMN commit_id BLOB;
CREATE INDEX tag_ids_by_commit ON tag_ids (commit_id, repo);
CREATE INDEX tag_ids_without_commit ON tag_ids (repo) WHERE commit_id IS NULL;

-- A pack that was exactly what all heads reached, in canonical order.
CREATE TABLE complete_packs (
    repo         INTEGER PRIMARY KEY REFERENCES repos (id),
    pack         INTEGER NOT NULL REFERENCES packs (id),
    -- SHA-256 of names and ids of the heads, and the distinct ids, ascending, 33 bytes each.
    heads_digest BLOB NOT NULL CHECK (length(heads_digest) = 32),
    heads        BLOB NOT NULL,
    -- Entities that it reaches and that the repo did not have, 34 bytes each.
    missing      BLOB NOT NULL,
    commits      INTEGER NOT NULL,
    snapshots    INTEGER NOT NULL,
    objects      INTEGER NOT NULL,
    tags         INTEGER NOT NULL
) STRICT;
CREATE INDEX complete_packs_by_pack ON complete_packs (pack);

-- A worker reads the pack to check it, until then (milliseconds since 1970). Times have fractions of any length: without their `Z`,
-- their texts sort as they do.
ALTER TABLE packs ADD COLUMN scrub_until INTEGER;
CREATE INDEX packs_by_verification ON packs (rtrim(coalesce(verified_at, stored_at), 'Z'));
-- Within how many seconds every pack is read, in the policy of all repos. NULL: 30 days. 0: never.
ALTER TABLE policies ADD COLUMN scrub_age_seconds INTEGER;
