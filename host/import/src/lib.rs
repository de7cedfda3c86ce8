//! Imports a repo from a Muse server: another packhouse, or a MuseHub.
//!
//! ```text
//! refs ─▶ the heads that are new here ─▶ for some branches at a time:
//!         fetch what they reach and this repo lacks ─▶ a pack in a temporary folder
//!         ─▶ with these branches, and no others, as its heads ([`pack`]) ─▶ push
//! ```
//!
//! Everything goes through the push of a [`Client`], so all that is checked for pushes is checked
//! here, and a repo behind a server can be imported into as well. The default branch comes first,
//! then the others in groups: no response needs to be huge, and an import that was stopped goes on
//! with the next group.

mod pack;

use std::collections::{BTreeMap, BTreeSet};

use packhouse_core::{EntityId, Kind};
use packhouse_model::client::{Client, PushOptions};
use packhouse_model::error::{Class, Error, Result};
use packhouse_model::names::{BranchName, RepoName, Visibility};
use packhouse_model::progress::Progress;
use packhouse_model::report::{ImportProblem, ImportReport, LogQuery, PushReport, PushStatus};
use packhouse_model::text::escaped;
use packhouse_remote::{BranchHeads, MuseRemote};

/// Branches after the default one that are fetched at once.
const GROUP: usize = 256;
/// Rounds of negotiation, after which everything is fetched that the last one left open.
const ROUNDS: usize = 64;

/// Commits and snapshots of a response that are looked up here, at most.
const LOOKED_UP: usize = 4096;

/// How to import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Creates the repo with this visibility if there is none; none: it must be there.
    pub create: Option<Visibility>,
    /// Move branches even where the heads here and there have diverged.
    pub force: bool,
}

/// Imports all branches of a repo. What it has already is not fetched. Tags come with the commits
/// that they name, from servers that send them.
///
/// # Errors
/// Those of [`MuseRemote::fetch`] and of [`Client::push`]. Groups of branches before the error are
/// imported.
pub async fn import(
    source: &MuseRemote,
    heads: BranchHeads,
    client: &dyn Client,
    repo: &RepoName,
    options: &ImportOptions,
    progress: &Progress,
) -> Result<ImportReport> {
    let mut report = ImportReport::new(repo.clone(), source.url().to_owned());
    report.branch_heads = match client.repo(repo).await {
        Ok(known) => known.branch_heads,
        Err(error) => match options.create {
            Some(visibility) if error.is_unknown_repo(repo) => {
                client.create_repo(repo, visibility).await?.branch_heads
            }
            _ => return Err(error),
        },
    };
    let groups = groups(heads, &report.branch_heads, &mut report.problems);
    let all: Vec<String> = distinct(groups.iter().flat_map(BTreeMap::values));
    let mut known = unless_cancelled(progress, known_there(source, client, &report, &all)).await?;
    let folder =
        tempfile::tempdir().map_err(Error::io("creating a folder in", std::env::temp_dir()))?;
    let mut missing = 0;
    for (number, group) in groups.into_iter().enumerate() {
        let want = distinct(group.values());
        let fetched = folder.path().join(format!("{number}.fetched"));
        unless_cancelled(progress, source.fetch(repo, &want, &known, &fetched, progress)).await?;
        let prepared =
            pack::with_heads(fetched, source.url().to_owned(), group, progress.clone()).await?;
        let is_first = known.is_empty() && report.packs == 0;
        missing += count_missing(client, repo, &prepared.named, is_first).await?;
        for (branch, head) in prepared.outside {
            if client.find(repo, &head).await?.is_empty() {
                let message = format!(
                    "{} did not send commit {head}, the head of branch `{}`; that branch was not imported",
                    source.url(),
                    escaped(&branch)
                );
                return Err(Error::Remote { class: Class::Refused, message });
            }
        }
        let file = prepared.file;
        let push = PushOptions { force: options.force };
        let pushed = client.push(repo, std::slice::from_ref(&file), push, progress).await?;
        add(&mut report, pushed);
        std::fs::remove_file(&file).map_err(Error::io("removing", &file))?;
        known = want.into_iter().chain(known).take(MuseRemote::MAX_IDS).collect();
    }
    report.problems.extend(missing_problem(missing));
    Ok(report)
}

/// Waits for the source, until the work is cancelled: a source may take long to answer, and requests
/// to it change nothing here.
///
/// # Errors
/// [`Error::Cancelled`], and those of the requests.
pub async fn unless_cancelled<T>(
    progress: &Progress,
    requests: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        done = requests => done,
        () = progress.cancelled() => Err(Error::Cancelled),
    }
}

/// Of the records that a pack names and does not hold, those that the repo lacks, too. A first
/// response holds all of them. For later ones commits and snapshots are looked up, which are few;
/// objects are not: each snapshot names thousands that are here.
async fn count_missing(
    client: &dyn Client,
    repo: &RepoName,
    named: &BTreeSet<(Kind, EntityId)>,
    is_first: bool,
) -> Result<u64> {
    if is_first {
        return Ok(named.len() as u64);
    }
    let mut missing = 0;
    for (_, id) in named.iter().filter(|(kind, _)| *kind != Kind::Object).take(LOOKED_UP) {
        missing += u64::from(client.find(repo, &id.to_string()).await?.is_empty());
    }
    Ok(missing)
}

fn missing_problem(missing: u64) -> Option<ImportProblem> {
    (missing > 0).then(|| ImportProblem {
        kind: "missing".to_owned(),
        path: None,
        id: None,
        detail: format!(
            "{missing} records that the history names are not at the source; what it has is imported. Push them from a client that has them"
        ),
    })
}

/// The branches whose heads are not those of the branches here: the default one, then the others in
/// groups. Names that no branch here may have are problems.
fn groups(
    heads: BranchHeads,
    here: &BTreeMap<String, String>,
    problems: &mut Vec<ImportProblem>,
) -> Vec<BTreeMap<String, String>> {
    let default = heads.default_branch.unwrap_or_default();
    let mut first = BTreeMap::new();
    let mut others = Vec::new();
    for (branch, head) in heads.branch_heads {
        let Some(head) = head.filter(|head| !head.is_empty()) else { continue };
        if here.get(&branch) == Some(&head) {
            continue;
        }
        if let Err(error) = branch.parse::<BranchName>() {
            problems.push(ImportProblem {
                kind: "branch".to_owned(),
                path: Some(branch),
                id: Some(head),
                detail: format!("{error}; rename the branch at the source, and import again"),
            });
            continue;
        }
        match branch == default {
            true => drop(first.insert(branch, head)),
            false => others.push((branch, head)),
        }
    }
    let mut groups: Vec<_> = Some(first).filter(|first| !first.is_empty()).into_iter().collect();
    groups.extend(others.chunks(GROUP).map(|group| group.iter().cloned().collect()));
    groups
}

/// Commits here that the source has, too: it need not send what they reach.
async fn known_there(
    source: &MuseRemote,
    client: &dyn Client,
    report: &ImportReport,
    want: &[String],
) -> Result<Vec<String>> {
    let mut known = Vec::new();
    let mut next = distinct(report.branch_heads.values());
    if want.is_empty() || next.is_empty() {
        return Ok(known);
    }
    for _ in 0..ROUNDS {
        let limit = MuseRemote::MAX_NEGOTIATED as u32;
        let query = LogQuery { branch: None, from: next, limit };
        let page = client.log(&report.repo, &query).await?;
        let ours: Vec<String> = page.commits.into_iter().map(|commit| commit.commit).collect();
        let mut ready = false;
        for part in ours.chunks(MuseRemote::MAX_NEGOTIATED) {
            let (acknowledged, enough) = source.known(want, part).await?;
            known.extend(acknowledged);
            ready |= enough;
        }
        next = page.next;
        if ready || next.is_empty() || known.len() >= MuseRemote::MAX_IDS {
            break;
        }
    }
    known.truncate(MuseRemote::MAX_IDS);
    Ok(known)
}

fn add(report: &mut ImportReport, pushed: Vec<PushReport>) {
    for pushed in pushed {
        report.branch_heads = pushed.branch_heads;
        let records = pushed.commits + pushed.snapshots + pushed.objects + pushed.tags;
        // A pack without records only moves branches.
        if pushed.status == PushStatus::Unchanged || records == 0 {
            continue;
        }
        report.packs += 1;
        report.commits += pushed.commits;
        report.snapshots += pushed.snapshots;
        report.objects += pushed.new_objects;
        report.tags += pushed.new_tags;
        report.bytes += pushed.bytes;
    }
}

fn distinct<'a>(ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    ids.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}
