//! All repos of a store, page by page: a store may have a hundred thousand.

use packhouse_host::{Client, RepoName, RepoReport, RepoSummary, Result};

/// Repos of a page.
const PAGE: u32 = 500;

/// The names of all repos, in order.
pub(crate) async fn names(client: &dyn Client) -> Result<Vec<RepoName>> {
    let mut names = Vec::new();
    each_summary(client, |repo| names.push(repo.repo)).await?;
    Ok(names)
}

/// Hands out the summaries of all repos, by name.
pub(crate) async fn each_summary(
    client: &dyn Client,
    mut each: impl FnMut(RepoSummary),
) -> Result<()> {
    let mut after = None;
    loop {
        let page = client.summaries(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.repo.clone());
        page.into_iter().for_each(&mut each);
    }
}

/// Hands out the reports of all repos, by name.
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
