-- Releases: what clients publish with `muse release push`. Each pins its commit, as a tag does.
CREATE TABLE releases (
    -- Newer releases have greater numbers.
    id         INTEGER PRIMARY KEY,
    repo       INTEGER NOT NULL REFERENCES repos (id),
    tag        TEXT NOT NULL,
    -- The client's id of it.
    release_id TEXT NOT NULL,
    -- What lists are filtered by; empty: none.
    channel    TEXT NOT NULL,
    is_draft   INTEGER NOT NULL CHECK (is_draft IN (0, 1)),
    commit_id  BLOB NOT NULL CHECK (length(commit_id) = 33),
    -- The JSON object that the client sent, as it was sent.
    body       TEXT NOT NULL,
    UNIQUE (repo, tag),
    UNIQUE (repo, release_id)
) STRICT;
