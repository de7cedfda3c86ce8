//! Times that were written by a clock that was ahead.

use jiff::Timestamp;

use super::engine::{Engine, SqlResult, Writing, args};

/// Sets times in the future to the present. Times have fractions of any length: without their `Z`,
/// their texts sort as they do.
pub(super) async fn settle<E: Engine>(
    tx: &mut Writing<E>,
    params: &(Timestamp, Option<i64>),
) -> SqlResult<u64> {
    let (now, text) = (params.0, params.0.to_string());
    let Some(repo) = params.1 else {
        let mut settled = 0;
        for statement in [
            "UPDATE retired SET retired_at = $1 WHERE rtrim(retired_at, 'Z') > rtrim($1, 'Z')",
            "UPDATE repos SET deleted_at = $1
              WHERE deleted_at IS NOT NULL AND rtrim(deleted_at, 'Z') > rtrim($1, 'Z')",
        ] {
            settled += tx.run(statement, args![&text]).await?;
        }
        return Ok(settled);
    };
    let mut settled = tx
        .run(
            "UPDATE freshened SET at = $2 WHERE repo = $1 AND at > $2",
            args![repo, now.as_millisecond()],
        )
        .await?;
    for statement in [
        "UPDATE shelves SET made_at = $2 WHERE repo = $1 AND rtrim(made_at, 'Z') > rtrim($2, 'Z')",
        "UPDATE left_heads SET left_at = $2 WHERE repo = $1 AND rtrim(left_at, 'Z') > rtrim($2, 'Z')",
    ] {
        settled += tx.run(statement, args![repo, &text]).await?;
    }
    Ok(settled)
}
