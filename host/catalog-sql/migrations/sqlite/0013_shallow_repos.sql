-- Repos that take pushes of clients with holes: what is left out counts as missing.
ALTER TABLE repos ADD COLUMN accepts_shallow INTEGER NOT NULL DEFAULT 0 CHECK (accepts_shallow IN (0, 1));
