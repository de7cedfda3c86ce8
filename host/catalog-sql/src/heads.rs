//! Where the branches of a push are.

use packhouse_catalog::Push;

use super::engine::{BATCH, Engine, SqlResult, Writing, args};

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
