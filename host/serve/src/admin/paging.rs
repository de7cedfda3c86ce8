//! The common parameters of lists: limit, start, and search text.

use futures::future::BoxFuture;
use packhouse_model::error::Result;

use super::super::problem::{ApiResult, Problem};

/// Maximum page size.
pub(super) const PAGE: u32 = 1000;

/// Maximum page size of files: to find a page, the whole tree is read.
pub(super) const FILES: u32 = 50_000;

/// Maximum of numbers in queries: the largest integer that JavaScript represents exactly.
pub(super) const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A page of the items that a caller may see, newest first, and the start of the next page. A
/// caller who may see only some items gets full pages of those.
pub(super) async fn page_of<'a, T>(
    limit: u32,
    mut before: Option<i64>,
    list: impl Fn(Option<i64>) -> BoxFuture<'a, Result<Vec<T>>>,
    id: impl Fn(&T) -> i64,
    seen: impl Fn(&T) -> bool,
) -> ApiResult<(Vec<T>, Option<i64>)> {
    let limit = limit as usize;
    let mut all: Vec<T> = Vec::new();
    loop {
        let page = list(before).await?;
        let last = page.len() < limit;
        before = page.last().map(&id).or(before);
        all.extend(page.into_iter().filter(&seen));
        if last || all.len() >= limit {
            let more = !last || all.len() > limit;
            all.truncate(limit);
            let next = all.last().filter(|_| more).map(&id);
            return Ok((all, next));
        }
    }
}

/// The page size.
pub(super) fn limit(given: Option<u32>, else_: u32) -> ApiResult<u32> {
    limit_to(given, else_, PAGE)
}

/// The page size, with another maximum.
pub(super) fn limit_to(given: Option<u32>, else_: u32, most: u32) -> ApiResult<u32> {
    match given.unwrap_or(else_) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        other => Err(Problem::malformed(format!("limit is {other}: expected 1 to {most}"))),
    }
}

/// The id before which to list.
pub(super) fn before(given: Option<i64>) -> ApiResult<Option<i64>> {
    match given {
        Some(other) if !(0..=MAX_SAFE_INTEGER).contains(&other) => {
            Err(Problem::malformed(format!("before is {other}: expected 0 to {MAX_SAFE_INTEGER}")))
        }
        given => Ok(given),
    }
}

/// A number of seconds or packs: a larger value is a mistake or an attack.
pub(super) fn count(what: &str, given: Option<u64>) -> ApiResult<Option<u64>> {
    match given {
        Some(other) if other > MAX_SAFE_INTEGER as u64 => Err(Problem::malformed(format!(
            "{what} is {other}: expected at most {MAX_SAFE_INTEGER}"
        ))),
        given => Ok(given),
    }
}

/// A search text.
pub(super) fn text(given: Option<String>) -> ApiResult<String> {
    let text = given.unwrap_or_default();
    match text.chars().count() > 200 || text.chars().any(|c| c < ' ') {
        true => Err(Problem::malformed(
            "a search text has at most 200 characters, and no control characters",
        )),
        false => Ok(text),
    }
}
