//! All repos of a store, page by page: a store may have a hundred thousand.

use packhouse_host::{Client, RepoName, RepoReport, Result};

/// Repos of a page.
const PAGE: u32 = 500;

/// The names of all repos, in order.
pub(crate) async fn names(client: &dyn Client) -> Result<Vec<RepoName>> {
    let mut names = Vec::new();
    loop {
        let page = client.summaries(names.last(), PAGE).await?;
        if page.is_empty() {
            return Ok(names);
        }
        names.extend(page.into_iter().map(|repo| repo.repo));
    }
}

/// Calls `each` with the report of each repo, by name.
pub(crate) async fn each_report<E: From<packhouse_host::Error>>(
    client: &dyn Client,
    mut each: impl FnMut(RepoReport) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut after = None;
    loop {
        let page = client.reports(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.repo.clone());
        page.into_iter().try_for_each(&mut each)?;
    }
}
