-- What operators ask of a store: how much its packs repeat, what became of its repos, what was proven.

-- Bytes of the records that the index maps to the shelf. NULL: the shelf is older than this column, and nobody counted.
ALTER TABLE shelves ADD COLUMN mapped_bytes INTEGER;

-- Asked for one repo: a pack may be on shelves of many.
DROP INDEX shelves_by_pack;
CREATE INDEX shelves_by_pack ON shelves (pack, repo);

-- The shelves of a repo, added up by whoever changes them: there may be so many repos that a list can't. `packs` and `bytes` are of
-- the packs that the index maps something to; `needed_bytes` adds up `mapped_bytes` (NULL where one is); `stored_bytes` is of the packs on
-- shelves and the retired ones, each once.
ALTER TABLE repos ADD COLUMN packs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE repos ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE repos ADD COLUMN snapshots INTEGER NOT NULL DEFAULT 0;
ALTER TABLE repos ADD COLUMN objects INTEGER NOT NULL DEFAULT 0;
ALTER TABLE repos ADD COLUMN tags INTEGER NOT NULL DEFAULT 0;
ALTER TABLE repos ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE repos ADD COLUMN needed_bytes INTEGER DEFAULT 0;
ALTER TABLE repos ADD COLUMN stored_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE repos SET
    (packs, commits, snapshots, objects, tags, bytes, needed_bytes, stored_bytes) = (
        SELECT coalesce(sum(mapped), 0), coalesce(sum(commits), 0), coalesce(sum(snapshots), 0), coalesce(sum(objects), 0),
               coalesce(sum(tags), 0), coalesce(sum(bytes * mapped), 0), CASE count(*) WHEN 0 THEN 0 END, coalesce(sum(bytes), 0)
        FROM (SELECT p.bytes, sum(s.commits) AS commits, sum(s.snapshots) AS snapshots, sum(s.objects) AS objects,
                     sum(s.tags) AS tags, sum(s.commits + s.snapshots + s.objects + s.tags) > 0 AS mapped
              FROM shelves s JOIN packs p ON p.id = s.pack WHERE s.repo = repos.id GROUP BY s.pack));
UPDATE repos SET stored_bytes = stored_bytes + (
    SELECT coalesce(sum(p.bytes), 0) FROM retired t JOIN packs p ON p.id = t.pack WHERE t.repo = repos.id
    AND NOT EXISTS (SELECT 1 FROM shelves s WHERE s.pack = t.pack AND s.repo = repos.id));

-- What was published to a repo, in order, and by how much it changed the packs that the index maps something to. Either
-- number may be negative: a push may take the last entity from a pack.
CREATE TABLE changes (
    id    INTEGER PRIMARY KEY,
    repo  INTEGER NOT NULL REFERENCES repos (id),
    at    TEXT NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('push', 'consolidation')),
    packs INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX changes_by_repo ON changes (repo, id);

-- All that a consolidation reported, as JSON, if it published something. Apart from `gc_runs`: lists of repos read those rows.
CREATE TABLE gc_reports (
    run    INTEGER PRIMARY KEY REFERENCES gc_runs (id),
    report TEXT NOT NULL
) STRICT;
CREATE INDEX gc_runs_consolidated ON gc_runs (id) WHERE outcome = 'consolidated';
