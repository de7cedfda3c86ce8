//! Statements that differ in a few words.

/// [`Engine::TAKE_JOB`], with the clause that locks the job's row.
macro_rules! take_job {
    ($lock:literal) => {
        concat!(
            "UPDATE jobs SET status = 'running', attempt = attempt + 1, fence = fence + 1, worker = $2, lease_until = $3, started_at = $4,
                finished_at = NULL
         WHERE id = (SELECT j.id FROM jobs j
             WHERE ((j.status = 'queued' AND j.run_at <= $1) OR (j.status = 'running' AND j.lease_until < $1))
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
