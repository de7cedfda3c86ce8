//! The commit graph of a push: what its commits reach, and where its branches are.

use packhouse_catalog::Push;
use packhouse_core::EntityId;

use super::engine::{BATCH, Engine, SqlResult, Writing, args};

/// Records what the commits of a push reach.
pub(super) async fn put_edges<E: Engine>(tx: &mut Writing<E>, push: &Push) -> SqlResult<u64> {
    const NONE: [u8; EntityId::BYTES] = [0xff; EntityId::BYTES];
    let mut changed = 0;
    for chunk in push.edges.chunks(BATCH / 4) {
        let mut bytes = Vec::with_capacity(chunk.len() * 4 * EntityId::BYTES);
        for edges in chunk {
            for id in [Some(edges.commit), edges.parents[0], edges.parents[1], edges.snapshot] {
                bytes.extend_from_slice(&id.map_or(NONE, EntityId::to_bytes));
            }
        }
        changed += tx
            .run(
                "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
                 INSERT INTO commits (repo, id, parent1, parent2, snapshot)
                 SELECT $1, substr($2, 1 + 132 * i, 33), nullif(substr($2, 34 + 132 * i, 33), $4),
                        nullif(substr($2, 67 + 132 * i, 33), $4), nullif(substr($2, 100 + 132 * i, 33), $4)
                 FROM n WHERE true ON CONFLICT DO NOTHING",
                args![push.repo.id, &bytes, chunk.len(), &NONE[..]],
            )
            .await?;
    }
    Ok(changed)
}

/// Moves the branches of a push, and sets the default branch of a new repo.
pub(super) async fn put_heads<E: Engine>(
    tx: &mut Writing<E>,
    push: &Push,
    now: &str,
) -> SqlResult<u64> {
    let repo = push.repo.id;
    let mut changed = 0;
    for chunk in push.heads.chunks(BATCH) {
        let names: Vec<&str> = chunk.iter().map(|head| head.branch.as_str()).collect();
        let names = serde_json::to_string(&names).map_err(|e| sqlx::Error::Encode(e.into()))?;
        let commits: Vec<u8> = chunk.iter().flat_map(|head| head.commit.to_bytes()).collect();
        if push.forced {
            // Nothing else may reach the abandoned head: the time is recorded.
            tx.run(E::LEAVE_HEADS, args![repo, &names, &commits, now]).await?;
        }
        changed += tx.run(E::PUT_HEADS, args![repo, &names, &commits]).await?;
    }
    // The first branch that is pushed is the default; of several at once `main`, otherwise the
    // first by name.
    let first = push.heads.iter().find(|h| h.branch == "main").or(push.heads.first());
    if let (None, Some(first)) = (&push.repo.default_branch, first) {
        changed += tx
            .run(
                "UPDATE repos SET default_branch = $2 WHERE id = $1 AND default_branch IS NULL",
                args![repo, &first.branch],
            )
            .await?;
    }
    Ok(changed)
}
