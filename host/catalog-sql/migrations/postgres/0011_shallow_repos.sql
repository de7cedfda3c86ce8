-- Repos that take pushes with holes: see migrations/sqlite/0013_shallow_repos.sql.
ALTER TABLE repos ADD COLUMN accepts_shallow BIGINT NOT NULL DEFAULT 0 CHECK (accepts_shallow IN (0, 1));
