-- Fetches that cost what they send: see migrations/sqlite/0009_cost_follows_the_change.sql.

ALTER TABLE commits ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE repos ADD COLUMN walk_floor BIGINT;
UPDATE repos SET walk_floor = 0 WHERE EXISTS (SELECT 1 FROM commits WHERE commits.repo = repos.id);
CREATE TABLE awaited_parents (
    repo       BIGINT NOT NULL,
    parent     BYTEA NOT NULL CHECK (length(parent) = 33),
    generation BIGINT NOT NULL,
    PRIMARY KEY (repo, parent)
);

ALTER TABLE tag_ids ADD COLUMN commit_id BYTEA;
CREATE INDEX tag_ids_by_commit ON tag_ids (commit_id, repo);
CREATE INDEX tag_ids_without_commit ON tag_ids (repo) WHERE commit_id IS NULL;

CREATE TABLE complete_packs (
    repo         BIGINT PRIMARY KEY REFERENCES repos (id),
    pack         BIGINT NOT NULL REFERENCES packs (id),
    heads_digest BYTEA NOT NULL CHECK (length(heads_digest) = 32),
    heads        BYTEA NOT NULL,
    missing      BYTEA NOT NULL,
    commits      BIGINT NOT NULL,
    snapshots    BIGINT NOT NULL,
    objects      BIGINT NOT NULL,
    tags         BIGINT NOT NULL
);
CREATE INDEX complete_packs_by_pack ON complete_packs (pack);

ALTER TABLE packs ADD COLUMN scrub_until BIGINT;
CREATE INDEX packs_by_verification ON packs (rtrim(coalesce(verified_at, stored_at), 'Z'));
ALTER TABLE policies ADD COLUMN scrub_age_seconds BIGINT;
