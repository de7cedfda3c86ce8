-- Jobs may be mirrors, of which a repo has one at most: see migrations/sqlite/0014_mirrors.sql.
ALTER TABLE jobs DROP CONSTRAINT jobs_type_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_type_check
    CHECK (type IN ('mpack.index', 'mpack.gc', 'mpack.prune', 'mpack.verify', 'repo.mirror'));
CREATE UNIQUE INDEX jobs_one_mirror ON jobs (repo) WHERE type = 'repo.mirror' AND status IN ('queued', 'running');
