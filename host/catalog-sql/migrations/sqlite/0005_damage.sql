-- Damage is remembered until it is found mended; and when each pack was last read and hashed whole.

ALTER TABLE packs ADD COLUMN verified_at TEXT;

-- Packs whose file is missing, or is not what the key names.
CREATE TABLE damaged_packs (
    pack     INTEGER PRIMARY KEY REFERENCES packs (id),
    since    TEXT NOT NULL,
    -- The verb that found it.
    found_by TEXT NOT NULL,
    detail   TEXT NOT NULL
) STRICT;

-- Repos whose index, graph or counts do not agree with their packs.
CREATE TABLE damaged_repos (
    repo     INTEGER PRIMARY KEY REFERENCES repos (id),
    since    TEXT NOT NULL,
    found_by TEXT NOT NULL,
    detail   TEXT NOT NULL
) STRICT;
