//! The import of a repo.

use std::collections::{BTreeMap, HashSet};

use packhouse_core::{EntityId, Kind};
use packhouse_model::client::{Client, PushOptions};
use packhouse_model::error::{Error, HubError, Result};
use packhouse_model::names::{NameError, RepoName, Visibility};
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::ImportReport;

use crate::check::check;
use crate::database::{Hub, HubRepo};
use crate::graph::Graph;
use crate::heads::{candidates, resolve};
use crate::known::{Stored, new_commits};
use crate::pack::{self, Ending};
use crate::pins::{Pin, pins};
use crate::problem::{Fault, Problem, Problems};
use crate::rows::View;
use crate::steps::{Findings, Source, Step, Walk};

/// Most records of a pack, unless the options say otherwise.
const MAX_RECORDS: usize = 4000;

/// How to import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Read and hash everything, and change nothing.
    pub dry_run: bool,
    /// Also take what stands under a private repo of another owner.
    pub allow_private: bool,
    /// Import a repo although commits, snapshots or objects of it are lost.
    pub shallow: bool,
    /// The commit to take, of those that rows of one branch name: by branch.
    pub branches: BTreeMap<String, String>,
    /// Most records of a pack; at least one.
    pub max_records: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        ImportOptions {
            dry_run: false,
            allow_private: false,
            shallow: false,
            branches: BTreeMap::new(),
            max_records: MAX_RECORDS,
        }
    }
}

/// Imports a repo of a MuseHub: what the store does not have yet. Without a client, the store does
/// not exist: only for a dry run.
///
/// A repo with problems is left out, and its report says so.
///
/// # Errors
/// When the database or the objects can't be read, and those of [`Client::push`]: the branches of the
/// repo are as before then, but it may have records that they do not reach. The next import uses
/// them.
pub async fn import(
    hub: &Hub,
    repo: &HubRepo,
    client: Option<&dyn Client>,
    options: &ImportOptions,
    progress: &Progress,
) -> Result<ImportReport> {
    let bad_name =
        |why: NameError| HubError::BadName { repo: repo.to_string(), reason: why.to_string() };
    let name: RepoName = repo.to_string().parse().map_err(bad_name)?;
    let mut problems = Problems::default();
    let stored = Stored::read(client, name.clone()).await?;
    match stored.visibility() {
        None => name.check_new().map_err(bad_name)?,
        Some(here) => check_visibility(repo, here, &mut problems),
    }
    let mut view = hub.view().await?;
    let state = State::read(&mut view, repo, &stored, options, &mut problems).await?;
    let mut report = ImportReport::new(name.clone(), hub.place().to_owned());
    report.dry_run = options.dry_run;
    report.branch_heads =
        state.heads.iter().map(|(name, head)| (name.clone(), head.to_string())).collect();

    let mut import = Import { hub, name: &name, report, findings: Findings::default(), progress };
    import.check(&mut view, &state, &stored, &mut problems).await?;
    if problems.prevent(options.shallow) {
        return Ok(left_out(import.report, problems));
    }
    if let Some(client) = client.filter(|_| !options.dry_run) {
        if stored.visibility().is_none() {
            client.create_repo(&name, repo.visibility).await?;
        }
        import.bring(&mut view, &state, client).await?;
    }
    import.report.problems = problems.into_reports();
    Ok(import.report)
}

/// The report of a repo that is left out: nothing was brought.
fn left_out(report: ImportReport, problems: Problems) -> ImportReport {
    ImportReport {
        dry_run: report.dry_run,
        branch_heads: report.branch_heads,
        left_out: true,
        problems: problems.into_reports(),
        ..ImportReport::new(report.repo, report.source)
    }
}

/// What is private there does not become public here.
fn check_visibility(repo: &HubRepo, here: Visibility, problems: &mut Problems) {
    if (repo.visibility, here) == (Visibility::Private, Visibility::Public) {
        let detail = "the repo of this name in the store is public, and that of the MuseHub is \
             private; delete the one here, or import into another store";
        problems.add(Problem::new(Fault::Visibility, detail));
    }
}

/// A repo of the MuseHub, compared with that of the store.
struct State {
    graph: Graph,
    heads: BTreeMap<String, EntityId>,
    /// New commits, parents before children.
    commits: Vec<EntityId>,
    private: HashSet<String>,
    max_records: usize,
    /// What the last pushes bring: tags, and branch heads that differ.
    endings: Vec<Ending>,
}

impl State {
    async fn read(
        view: &mut View<'_>,
        repo: &HubRepo,
        stored: &Stored<'_>,
        options: &ImportOptions,
        problems: &mut Problems,
    ) -> Result<State> {
        let candidates = candidates(view.branches(repo).await?, problems);
        let pins = pins(&view.tags(repo).await?, problems);
        let private = match options.allow_private {
            true => HashSet::new(),
            false => view.private_to_others(repo).await?,
        };
        let mut roots: BTreeMap<EntityId, String> =
            pins.iter().map(|pin| (pin.commit, format!("tag `{}`", pin.tag))).collect();
        let all: Vec<EntityId> =
            candidates.values().flatten().chain(roots.keys()).copied().collect();
        let mut graph = Graph::read(view, &all, &private).await?;
        let mut heads = resolve(&candidates, &options.branches, &graph, problems);
        roots.extend(heads.iter().map(|(name, head)| (*head, format!("branch `{name}`"))));
        let commits = new_commits(&mut graph, stored, &roots, problems).await?;

        // In a shallow repo, a branch may have lost its head.
        let lost: HashSet<EntityId> = roots
            .into_keys()
            .filter(|id| graph.get(*id).is_none_or(|node| node.is_private))
            .collect();
        let known = stored.has(Kind::Commit, &lost.iter().copied().collect::<Vec<_>>()).await?;
        let is_there = |id: &EntityId| !lost.contains(id) || known.contains(id);
        heads.retain(|_, head| is_there(head));
        let pins = pins.into_iter().filter(|pin| is_there(&pin.commit)).collect();
        let endings = endings(&heads, &repo.default_branch, stored, new_pins(pins, stored).await?);
        let max_records = options.max_records.max(1);
        Ok(State { graph, heads, commits, private, max_records, endings })
    }

    fn source(&self) -> Source<'_> {
        Source {
            graph: &self.graph,
            commits: &self.commits,
            private: &self.private,
            max_records: self.max_records,
        }
    }
}

async fn new_pins(pins: Vec<Pin>, stored: &Stored<'_>) -> Result<Vec<Pin>> {
    let ids: Vec<String> = pins.iter().map(|pin| pin.tag_id.clone()).collect();
    let known = stored.has_texts(Kind::Tag, &ids).await?;
    Ok(pins.into_iter().zip(known).filter(|(_, known)| !known).map(|(pin, _)| pin).collect())
}

/// The first branch that is pushed becomes the default branch; of several at once it is `main`, else
/// the first by name. If the MuseHub's is another one, it is pushed before the others.
fn endings(
    heads: &BTreeMap<String, EntityId>,
    default: &str,
    stored: &Stored<'_>,
    tags: Vec<Pin>,
) -> Vec<Ending> {
    let present = stored.heads();
    let differs = |(name, head): &(&String, &EntityId)| {
        present.get(*name).is_none_or(|stored| *stored != head.to_string())
    };
    let new: BTreeMap<String, EntityId> =
        heads.iter().filter(differs).map(|(name, head)| (name.clone(), *head)).collect();
    if tags.is_empty() && new.is_empty() {
        return Vec::new();
    }
    let chosen = new.keys().find(|name| *name == "main").or(new.keys().next());
    let first = new
        .get(default)
        .filter(|_| present.is_empty() && chosen.is_some_and(|chosen| chosen != default))
        .map(|head| BTreeMap::from([(default.to_owned(), *head)]));
    match first {
        None => vec![Ending { tags, heads: new }],
        Some(first) => {
            vec![Ending { tags: Vec::new(), heads: first }, Ending { tags, heads: new }]
        }
    }
}

/// An import of a repo.
struct Import<'a> {
    hub: &'a Hub,
    name: &'a RepoName,
    report: ImportReport,
    findings: Findings,
    progress: &'a Progress,
}

impl Import<'_> {
    /// Reads and hashes what is to be brought, and counts it.
    async fn check(
        &mut self,
        view: &mut View<'_>,
        state: &State,
        stored: &Stored<'_>,
        problems: &mut Problems,
    ) -> Result<()> {
        let mut walk = Walk::new(state.source(), Some(stored));
        let (mut endings, none) = (state.endings.iter(), Ending::default());
        let mut next = walk.next(view, &mut self.findings, problems).await?;
        let mut done = 0;
        while let Some(mut step) = next {
            let sizes = check(&self.hub.objects, &mut step, &mut self.findings, problems).await?;
            done += sizes.iter().sum::<u64>();
            self.progress.at(&self.name.to_string(), Phase::Verify, done, 0)?;
            next = walk.next(view, &mut self.findings, problems).await?;
            let ending = if next.is_none() { endings.next() } else { None };
            self.count(&step, pack::size(&step, &sizes, ending.unwrap_or(&none)));
        }
        for ending in endings {
            self.count(&Step::default(), pack::size(&Step::default(), &[], ending));
        }
        self.report.tags = state.endings.iter().map(|ending| ending.tags.len() as u64).sum();
        Ok(())
    }

    fn count(&mut self, step: &Step, bytes: u64) {
        self.report.packs += 1;
        self.report.commits += step.commits.len() as u64;
        self.report.snapshots += step.snapshots.len() as u64;
        self.report.objects += step.objects.len() as u64;
        self.report.bytes += bytes;
    }

    /// Writes and pushes the same steps. The last of them moves the branches.
    async fn bring(
        &mut self,
        view: &mut View<'_>,
        state: &State,
        client: &dyn Client,
    ) -> Result<()> {
        let mut walk = Walk::new(state.source(), None);
        // They were reported by the check.
        let mut known = Problems::default();
        let (mut endings, none) = (state.endings.iter(), Ending::default());
        let mut next = walk.next(view, &mut self.findings, &mut known).await?;
        while let Some(step) = next {
            next = walk.next(view, &mut self.findings, &mut known).await?;
            let ending = if next.is_none() { endings.next() } else { None };
            self.push(client, &step, ending.unwrap_or(&none)).await?;
        }
        for ending in endings {
            self.push(client, &Step::default(), ending).await?;
        }
        Ok(())
    }

    async fn push(&mut self, client: &dyn Client, step: &Step, ending: &Ending) -> Result<()> {
        let (repo, objects) = (&self.name.to_string(), &self.hub.objects);
        self.progress.at(repo, Phase::Copy, 0, 0)?;
        let file = pack::write(repo, objects, step, &self.findings, ending).await?;
        let files = [file.path().to_owned()];
        let pushed = client.push(self.name, &files, PushOptions::default(), self.progress).await;
        let heads = pushed?.into_iter().last().map(|pushed| pushed.branch_heads);
        self.report.branch_heads = heads.unwrap_or_default();
        file.close().map_err(Error::io("deleting", &files[0]))
    }
}
