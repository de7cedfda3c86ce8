-- The code of the error with which the last attempt at a job failed. NULL: it did not fail, or an older version
-- recorded it; such a job is never healed.
ALTER TABLE jobs ADD COLUMN error_code TEXT;
-- Those that met damage: which of them are healed is counted with each look at the store.
CREATE INDEX jobs_by_code ON jobs (status, error_code, id, type, repo) WHERE error_code IS NOT NULL;
-- Mirrors, which may do what a failed one left undone.
CREATE INDEX jobs_mirroring ON jobs (repo, id, status) WHERE type = 'repo.mirror';
