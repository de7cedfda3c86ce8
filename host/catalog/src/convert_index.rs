//! Converts indexes that an older packhouse wrote. They are read as they are; what is pushed to them
//! lies above.

use packhouse_model::error::Result;

use super::Catalog;

/// Repos that a page of the catalog holds.
const PAGE: u32 = 1000;

/// Converts all indexes of a catalog that an older packhouse wrote, in transactions of some 65 000
/// rows. One that ends anywhere is continued by the next. Returns the number of rows.
///
/// # Errors
/// When the catalog can't be written.
pub async fn convert_indexes(catalog: &dyn Catalog) -> Result<u64> {
    let (mut converted, mut last) = (0, 0);
    loop {
        let repos = catalog.old_indexes(last, PAGE).await?;
        let Some(repo) = repos.last() else { return Ok(converted) };
        last = *repo;
        for repo in repos {
            converted += convert_index(catalog, repo).await?;
        }
    }
}

/// The number of repos whose indexes are not converted, or not to the end.
///
/// # Errors
/// When the catalog can't be read.
pub async fn old_indexes(catalog: &dyn Catalog) -> Result<u64> {
    let (mut count, mut last) = (0, 0);
    loop {
        let repos = catalog.old_indexes(last, PAGE).await?;
        let Some(repo) = repos.last() else { return Ok(count) };
        (count, last) = (count + repos.len() as u64, *repo);
    }
}

/// Converts the index of one repo. Returns the number of rows.
///
/// # Errors
/// When the catalog can't be written.
pub async fn convert_index(catalog: &dyn Catalog, repo: i64) -> Result<u64> {
    let mut converted = 0;
    loop {
        match catalog.convert_index(repo).await? {
            0 => return Ok(converted),
            rows => converted += rows,
        }
    }
}
