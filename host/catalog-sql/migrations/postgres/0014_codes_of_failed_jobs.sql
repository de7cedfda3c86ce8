-- The code of the error with which the last attempt at a job failed, and two indexes: see
-- migrations/sqlite/0016_codes_of_failed_jobs.sql.
ALTER TABLE jobs ADD COLUMN error_code TEXT COLLATE "C";
CREATE INDEX jobs_by_code ON jobs (status, error_code, id, type, repo) WHERE error_code IS NOT NULL;
CREATE INDEX jobs_mirroring ON jobs (repo, id, status) WHERE type = 'repo.mirror';
