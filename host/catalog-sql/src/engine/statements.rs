//! Statements that differ in a few words.

/// [`Engine::TAKE_JOB`], with the clause that locks the job's row.
macro_rules! take_job {
    ($lock:literal) => {
        concat!(
            "UPDATE jobs SET status = 'running', attempt = attempt + 1, fence = fence + 1, worker = $2, lease_until = $3, started_at = $4,
                finished_at = NULL
         WHERE id = (SELECT j.id FROM jobs j
             WHERE ((j.status = 'queued' AND j.run_at <= $1) OR (j.status = 'running' AND j.lease_until < $1))
             AND j.type IN ('mpack.index', 'mpack.gc', 'mpack.prune', 'mpack.verify', 'repo.mirror')
             AND NOT EXISTS (SELECT 1 FROM jobs o
               WHERE o.repo = j.repo AND o.type = 'mpack.gc' AND j.type = 'mpack.gc'
                             AND o.status = 'running' AND o.id <> j.id)
             AND NOT EXISTS (SELECT 1 FROM jobs o
               WHERE o.repo = j.repo AND o.type = 'mpack.index' AND j.type = 'mpack.index'
                             AND o.status IN ('queued', 'running') AND o.id < j.id)
             ORDER BY j.run_at, j.id LIMIT 1",
            $lock,
            ") RETURNING id, fence"
        )
    };
}
pub(crate) use take_job;

/// [`Engine::PUT_HEADS`], with the expression that turns the names into rows `j (name, n)`, `n`
/// from 0.
macro_rules! put_heads {
    ($names:literal) => {
        concat!(
            "INSERT INTO branches (repo, name, head)
              SELECT $1, j.name, substr($3, CAST(1 + 33 * j.n AS INT), 33) FROM ",
            $names,
            " WHERE true ON CONFLICT (repo, name) DO UPDATE SET head = excluded.head
              WHERE branches.head <> excluded.head"
        )
    };
}
pub(crate) use put_heads;

/// [`Engine::LEAVE_HEADS`], with the same, and with the join of each of them to its row `b` of
/// `branches`.
macro_rules! leave_heads {
    ($names:literal, $branch:literal) => {
        concat!(
            "INSERT INTO left_heads (repo, branch, head, left_at) SELECT b.repo, b.name, b.head, $4 FROM ",
            $names,
            $branch,
            " WHERE b.head <> substr($3, CAST(1 + 33 * j.n AS INT), 33) ORDER BY j.n"
        )
    };
}
pub(crate) use leave_heads;

/// [`Engine::PUT_GENERATIONS`], with the macro that reads a number, and with the join that gives row
/// `c` of `commits` for each number `n.i` below `$3`. An insertion that always conflicts: an update
/// with a join would be planned by the statistics of the table.
macro_rules! put_generations {
    ($number:ident, $commit:literal) => {
        concat!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
             INSERT INTO commits (repo, id, parent1, parent2, snapshot, generation)
             SELECT c.repo, c.id, c.parent1, c.parent2, c.snapshot, ",
            $number!("$4"),
            " FROM n CROSS JOIN ",
            $commit,
            " AND c.generation < ",
            $number!("$4"),
            " ON CONFLICT (repo, id) DO UPDATE SET generation = excluded.generation"
        )
    };
}
pub(crate) use put_generations;

/// [`Engine::PUT_COMMITS`], with the macro that reads a number.
macro_rules! put_commits {
    ($number:ident) => {
        concat!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
             INSERT INTO commits (repo, id, parent1, parent2, snapshot, generation)
             SELECT $1, substr($2, 1 + 132 * n.i, 33), nullif(substr($2, 34 + 132 * n.i, 33), $4),
                    nullif(substr($2, 67 + 132 * n.i, 33), $4), nullif(substr($2, 100 + 132 * n.i, 33), $4), ",
            $number!("$5"),
            " FROM n"
        )
    };
}
pub(crate) use put_commits;

/// [`Engine::PUT_AWAITED`], with the macro that reads a number.
macro_rules! put_awaited {
    ($number:ident) => {
        concat!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
             INSERT INTO awaited_parents (repo, parent, generation)
             SELECT $1, substr($2, 1 + 33 * n.i, 33), ",
            $number!("$4"),
            " FROM n WHERE true
             ON CONFLICT (repo, parent) DO UPDATE SET generation = excluded.generation
               WHERE excluded.generation < awaited_parents.generation"
        )
    };
}
pub(crate) use put_awaited;

/// [`Engine::PLANNED_SHELVES`], with the macro that reads a number.
macro_rules! planned_shelves {
    ($number:ident) => {
        concat!(
            "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
             SELECT s.id, s.generation, s.pack FROM n CROSS JOIN shelves s
             WHERE s.repo = $1 AND s.id = ",
            $number!("$2"),
            " ORDER BY n.i"
        )
    };
}
pub(crate) use planned_shelves;

/// [`Engine::PUT_ON_SHELVES`], with the macro that reads a number.
macro_rules! put_on_shelves {
    ($number:ident) => {
        concat!(
            "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
             UPDATE shelves SET pack = $4, generation = generation + 1
             WHERE repo = $1 AND id IN (SELECT ",
            $number!("$2"),
            " FROM n)"
        )
    };
}
pub(crate) use put_on_shelves;

/// [`Engine::RETIRE_PACKS`], with the macro that reads a number.
macro_rules! retire_packs {
    ($number:ident) => {
        concat!(
            "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
             INSERT INTO retired (repo, pack, retired_at)
             SELECT $1, p.id, $4 FROM n CROSS JOIN packs p WHERE p.id = ",
            $number!("$2"),
            " AND NOT EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id AND s.repo = $1)
             ON CONFLICT (repo, pack) DO UPDATE SET retired_at = excluded.retired_at"
        )
    };
}
pub(crate) use retire_packs;

/// Of a list of repos, the columns with a repo's last consolidation, and the number of findings of
/// damage.
macro_rules! repo_state {
    () => {
        "g.finished_at, g.outcome, g.packs_before, g.packs_after, g.consolidated_key, g.bytes_before,
         g.bytes_after, g.elapsed_ms, g.component, g.error, g.error_code,
         (SELECT count(*) FROM damaged_packs d
          WHERE EXISTS (SELECT 1 FROM shelves s WHERE s.pack = d.pack AND s.repo = r.id))
         + (SELECT count(*) FROM damaged_repos d WHERE d.repo = r.id) AS damaged"
    };
}
pub(crate) use repo_state;

/// The repos `r` of a list that are not deleted, with their last consolidations `g`.
macro_rules! from_repos {
    () => {
        " FROM repos r LEFT JOIN gc_runs g ON g.id = (SELECT max(id) FROM gc_runs WHERE repo = r.id)
         WHERE r.deleted_at IS NULL AND "
    };
}
pub(crate) use from_repos;

/// The repos after owner `$1` and slug `$2`, by these, at most `$3`.
macro_rules! page_of_repos {
    () => {
        "(r.owner, r.slug) > ($1, $2) ORDER BY r.owner, r.slug LIMIT $3"
    };
}
pub(crate) use page_of_repos;

/// [`Engine::LISTED`], with the expressions that join the keys of mapped packs `p` on shelves `s`,
/// in hex, with commas; and the heads of branches `b`, as lines.
macro_rules! listed {
    ($keys:literal, $heads:literal) => {
        concat!(
            "SELECT ",
            $crate::columns::repo_columns!("r."),
            ", (SELECT coalesce(",
            $keys,
            ", '') || ':' || coalesce(min(rtrim(coalesce(p.verified_at, p.stored_at), 'Z')) || 'Z', '')
                       FROM shelves s JOIN packs p ON p.id = s.pack WHERE s.repo = r.id) AS listed_packs,
                    (SELECT ",
            $heads,
            " FROM branches b WHERE b.repo = r.id) AS listed_heads, ",
            $crate::engine::repo_state!(),
            $crate::engine::from_repos!(),
            $crate::engine::page_of_repos!(),
        )
    };
}
pub(crate) use listed;

/// [`Engine::MAPPED_PACKS`], with the macro that reads a number. Counted, not EXISTS: Postgres would
/// turn that into a join over all shelves of the repo as soon as its statistics say that there are
/// few.
macro_rules! mapped_packs {
    ($number:ident) => {
        concat!(
            "WITH RECURSIVE n (i) AS (SELECT 0 WHERE $3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
             SELECT count(*) AS packs, CAST(coalesce(sum(p.bytes), 0) AS BIGINT) AS bytes FROM packs p
             WHERE p.id IN (SELECT touched.pack FROM n CROSS JOIN shelves touched WHERE touched.id = ",
            $number!("$2"),
            ") AND (SELECT count(*) FROM shelves s WHERE s.pack = p.id AND s.repo = $1
                  AND s.commits + s.snapshots + s.objects + s.tags > 0) > 0"
        )
    };
}
pub(crate) use mapped_packs;

/// [`Engine::TAKE_SCRUB`], with the clause that locks the pack's row.
macro_rules! take_scrub {
    ($lock:literal) => {
        concat!(
            "UPDATE packs SET scrub_until = $3 WHERE id = (SELECT p.id FROM packs p
               WHERE rtrim(coalesce(p.verified_at, p.stored_at), 'Z') < rtrim($2, 'Z')
               AND (p.scrub_until IS NULL OR p.scrub_until < $1)
               AND NOT EXISTS (SELECT 1 FROM damaged_packs d WHERE d.pack = p.id)
               AND EXISTS (SELECT 1 FROM shelves s
                 JOIN repos r ON r.id = s.repo AND r.deleted_at IS NULL WHERE s.pack = p.id)
               ORDER BY rtrim(coalesce(p.verified_at, p.stored_at), 'Z'), p.id LIMIT 1",
            $lock,
            ") RETURNING id AS pack_id, key, bytes, records, consolidated, stored_at, verified_at"
        )
    };
}
pub(crate) use take_scrub;
