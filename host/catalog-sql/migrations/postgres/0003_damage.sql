-- Damage is remembered until it is found mended: see migrations/sqlite/0005_damage.sql.

ALTER TABLE packs ADD COLUMN verified_at TEXT COLLATE "C";

CREATE TABLE damaged_packs (
    pack     BIGINT PRIMARY KEY REFERENCES packs (id),
    since    TEXT COLLATE "C" NOT NULL,
    found_by TEXT COLLATE "C" NOT NULL,
    detail   TEXT COLLATE "C" NOT NULL
);

CREATE TABLE damaged_repos (
    repo     BIGINT PRIMARY KEY REFERENCES repos (id),
    since    TEXT COLLATE "C" NOT NULL,
    found_by TEXT COLLATE "C" NOT NULL,
    detail   TEXT COLLATE "C" NOT NULL
);
