//! Preparing a push: the component reads its records and decides the heads; the host compares that
//! with the push (law 4), and works out what changes in the index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use packhouse_catalog::{EntityKey, Push, PushedPack, RepoRow, Snapshot, TagRow};
use packhouse_core::record::Tag;
use packhouse_core::{EncodingConflict, Head, Kind};
use packhouse_model::error::{Error, PushError, Result};
use packhouse_model::names::{BranchName, RepoName, in_the_way, same_name};
use packhouse_model::progress::Progress;
use packhouse_model::span::TARGET;
use packhouse_pack::Directory;
use packhouse_run::{Indexed, RunHost, RunPack};
use packhouse_tape::Question;

use super::compare::PushComparison;
use super::complete::check_received;
use super::conflicts::{DifferentEntity, different};
use super::index_check::{check_heads, check_index};
use super::placement::{PushedEntity, choose};
use super::preconditions::PushPreconditions;
use super::prefetch::Reads;
use super::receive::{StagedPack, entities_of};
use super::record::PacksOfRun;
use super::{Store, blocking, placement};

/// A push to prepare: its files, compared with one state of the repo.
pub(super) struct PushInput<'a> {
    pub(super) received: &'a [StagedPack],
    pub(super) comparison: &'a PushComparison,
    pub(super) force: bool,
    pub(super) keeps_heads: bool,
    pub(super) preconditions: Option<&'a PushPreconditions>,
    pub(super) progress: &'a Progress,
}

/// What a push does to the index.
pub(super) struct Prepared {
    pub(super) push: Push,
    /// Which of the received files each pack of the push is.
    pub(super) files: Vec<usize>,
    /// The heads of all branches of the repo afterwards.
    pub(super) heads: Vec<Head>,
}

impl Prepared {
    /// The pack that a received file becomes.
    pub(super) fn pack_of(&self, file: usize) -> Option<&PushedPack> {
        self.files.iter().position(|other| *other == file).map(|at| &self.push.packs[at])
    }
}

/// The run of the component that a push needs.
struct IndexRun {
    /// The repo, as it was when the push was compared with it.
    repo: RepoRow,
    /// The number of the received file that each pushed pack is.
    files: Vec<usize>,
    /// The pushed packs, then those of the repo with other encodings.
    packs: Arc<Vec<RunPack>>,
    /// The heads of the branches that the push names.
    stored_heads: Vec<Head>,
    /// The entities of the packs that are new, each in its preferred encoding.
    chosen: Vec<PushedEntity>,
    different: Vec<DifferentEntity>,
    /// Where the two encodings of each of `different` are.
    conflicts: Vec<EncodingConflict>,
}

impl IndexRun {
    fn pushed(&self) -> &[RunPack] {
        &self.packs[..self.files.len()]
    }
}

impl Store {
    /// Reads the push with the component, and works out the index rows.
    #[tracing::instrument(target = TARGET, name = "prepare", skip_all)]
    pub(super) async fn prepare(
        &self,
        mut snapshot: Box<dyn Snapshot>,
        input: &PushInput<'_>,
    ) -> Result<Prepared> {
        let heads = snapshot.heads().await?;
        let run = self.index_run(snapshot.repo().clone(), &heads, input).await?;
        let mut indexed = self.run_index(&run, snapshot, input).await?;
        if let (true, Some(preconditions)) = (input.force, input.preconditions) {
            force_head(&mut indexed.heads, preconditions);
        }
        let mut indexed = self.check_indexed(&run, indexed, input.force).await?;
        if input.keeps_heads {
            indexed.heads.clear();
        }
        room_for(&run.repo.name, &heads, &indexed.heads)?;
        let mut packs = pushed_packs(&run, &indexed, input);
        if let Some(first) = packs.first_mut() {
            first.tags = self.tags_of_push(&run).await?;
        }
        let mut all: BTreeMap<String, Head> =
            heads.into_iter().map(|head| (head.branch.clone(), head)).collect();
        all.extend(indexed.heads.iter().map(|head| (head.branch.clone(), head.clone())));
        let complete = match (input.received, &input.comparison.fresh[..]) {
            ([one], [_]) if run.repo.sums.mapped.total() == 0 => check_received(one).await?,
            _ => None,
        };
        let push = Push {
            repo: run.repo,
            known: known_entities(input.received, &packs),
            packs,
            edges: indexed.edges,
            heads: indexed.heads,
            broken: input.comparison.broken.iter().copied().collect(),
            complete,
            forced: input.force,
            fence: self.fence,
            now: self.time().await?,
        };
        let files = input.comparison.fresh.clone();
        Ok(Prepared { push, files, heads: all.into_values().collect() })
    }

    /// All files speak for the heads; those that are new besides become packs. Each is a pack of
    /// the run once.
    async fn index_run(
        &self,
        repo: RepoRow,
        heads: &[Head],
        input: &PushInput<'_>,
    ) -> Result<IndexRun> {
        let PushComparison { fresh, index, .. } = input.comparison;
        let files = distinct_files(input.received);
        let packs = files.iter().map(|file| run_pack(&input.received[*file]));
        let packs = Arc::new(packs.collect::<Result<Vec<_>>>()?);
        let stored_heads = heads_named_by(&packs, heads);

        let counted: Vec<bool> = files.iter().map(|file| fresh.contains(file)).collect();
        let (reader, pushed) = (self.run_packs(&repo.name, packs.clone()), packs.clone());
        let chosen = blocking(move || {
            let mut reader = reader;
            let is_consolidated = vec![false; pushed.len()];
            choose(&mut reader, &pushed, &counted, &is_consolidated)
        })
        .await?;

        let different = different(&chosen, input.comparison);
        let mut packs = Arc::try_unwrap(packs).map_err(|_| Error::Cancelled)?;
        let conflicts =
            self.find_conflicts(&repo.name, &index.shelves, &different, &mut packs).await?;
        let packs = Arc::new(packs);
        Ok(IndexRun { repo, files, packs, stored_heads, chosen, different, conflicts })
    }

    /// Runs the component.
    async fn run_index(
        &self,
        run: &IndexRun,
        snapshot: Box<dyn Snapshot>,
        input: &PushInput<'_>,
    ) -> Result<Indexed> {
        let IndexRun { repo, packs, stored_heads, conflicts, .. } = run;
        let mut reader = self.run_packs(&repo.name, packs.clone());
        self.prefetch(&mut reader, packs, Reads::Conflicts(conflicts), input.progress).await?;
        let host = RunHost::new(reader, stored_heads.clone(), Some(snapshot))
            .with_conflicts(conflicts.clone());
        let of_run = PacksOfRun::from(packs.as_slice());
        let records = of_run.records;
        let (pushed, force) = (run.files.len() as u32, input.force);
        let question = Question::Indexing { pushed, force };
        let answer = self
            .ask("push", &repo.name, question, of_run, host, move |sandbox, host| {
                sandbox.index(host, records, pushed, force)
            })
            .await?;
        match answer {
            Ok(indexed) => Ok(indexed),
            Err(error) => {
                let files: Vec<&StagedPack> =
                    run.files.iter().map(|file| &input.received[*file]).collect();
                Err(self.push_error(&repo.name, &files, packs, error).await)
            }
        }
    }

    /// The new tags of a push. The component has read them: they are sound.
    async fn tags_of_push(&self, run: &IndexRun) -> Result<Vec<TagRow>> {
        let is_tag = |pushed: &&PushedEntity| pushed.row.kind == Kind::Tag;
        let records: Vec<_> = run.chosen.iter().filter(is_tag).copied().collect();
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.run_packs(&run.repo.name, run.packs.clone());
        blocking(move || {
            let mut tags = Vec::with_capacity(records.len());
            for record in records {
                let bytes = reader.read(record.row.span(record.pack))?;
                if let Ok(Tag { text, commit }) = Tag::parse(&bytes) {
                    tags.push(TagRow { entity: record.row.id, text: text.to_owned(), commit });
                }
            }
            Ok(tags)
        })
        .await
    }

    /// Law 4: compares what the component says with the push. The graph is read as it is now.
    async fn check_indexed(
        &self,
        run: &IndexRun,
        indexed: Indexed,
        force: bool,
    ) -> Result<Indexed> {
        let mut reader = self.run_packs(&run.repo.name, run.packs.clone());
        let (packs, pushed) = (run.packs.clone(), run.files.len());
        let conflicts = run.conflicts.clone();
        let (mut checked, indexed) = blocking(move || {
            let checked = check_index(&mut reader, &packs[..pushed], &conflicts, &indexed);
            Ok((checked, indexed))
        })
        .await?;
        if checked.is_ok() {
            let mut now = self.catalog.snapshot(run.repo.id).await?;
            let stored = &run.stored_heads;
            checked = check_heads(now.as_mut(), run.pushed(), stored, &indexed, force).await;
        }
        match checked {
            Ok(()) => Ok(indexed),
            Err(fault) => Err(fault.into_error(self.planner.digest())),
        }
    }
}

/// The numbers of the received files, of equal ones the first.
fn distinct_files(received: &[StagedPack]) -> Vec<usize> {
    let mut met = BTreeSet::new();
    (0..received.len()).filter(|number| met.insert(received[*number].written.key)).collect()
}

fn run_pack(one: &StagedPack) -> Result<RunPack> {
    let written = &one.written;
    let directory = Directory::of(written.key, written.bytes, &written.scanned);
    let file = one.bytes.try_clone().map_err(Error::io("opening", &one.file))?;
    Ok(RunPack::staged(directory, file, one.file.clone(), written.scanned.heads.clone()))
}

/// Of the repo's heads those of branches that packs name: beside many other branches a push costs
/// as much as beside few.
fn heads_named_by(packs: &[RunPack], heads: &[Head]) -> Vec<Head> {
    let named: BTreeSet<&str> =
        packs.iter().flat_map(RunPack::heads).map(|head| head.branch.as_str()).collect();
    heads.iter().filter(|head| named.contains(head.branch.as_str())).cloned().collect()
}

/// By force a branch goes where it shall, be it back to where it came from.
fn force_head(heads: &mut [Head], preconditions: &PushPreconditions) {
    let forced = heads.iter_mut().filter(|head| head.branch == preconditions.branch);
    forced.for_each(|head| head.commit = preconditions.head);
}

/// The packs of the push, and what each changes in the index.
fn pushed_packs(run: &IndexRun, indexed: &Indexed, input: &PushInput<'_>) -> Vec<PushedPack> {
    let PushComparison { fresh, broken, index, .. } = input.comparison;
    // With the length of the stored encoding that has lost.
    let won: BTreeMap<EntityKey, u64> = indexed
        .preferred
        .iter()
        .filter_map(|number| usize::try_from(*number).ok())
        .filter_map(|number| {
            let (pushed, ..) = run.different.get(number)?;
            Some((pushed.entity, run.conflicts.get(number)?.stored.length))
        })
        .collect();
    let mut packs: Vec<PushedPack> =
        fresh.iter().map(|file| placement::unplaced(&input.received[*file].written)).collect();
    // Where each pack of the run is among those: one that the repo has already is not.
    let places: Vec<Option<usize>> =
        run.files.iter().map(|file| fresh.iter().position(|new| new == file)).collect();
    for pushed in &run.chosen {
        let place = places[pushed.pack as usize];
        let Some(pack) = place.and_then(|at| packs.get_mut(at)) else { continue };
        let known = index.place(&pushed.entity);
        let stored = known.and_then(|(shelf, fingerprint)| {
            index.shelves.get(&shelf).map(|stored| (shelf, fingerprint, stored))
        });
        let is_broken = known.is_some_and(|(shelf, _)| broken.contains(&shelf));
        placement::place(pack, pushed, stored, won.get(&pushed.entity).copied(), is_broken);
    }
    packs
}

/// Refuses new branches beside which another can't be: one name would be a folder of the other, or
/// the same name to many file systems.
fn room_for(repo: &RepoName, stored: &[Head], decided: &[Head]) -> Result<()> {
    let there: BTreeSet<&str> = stored.iter().map(|head| head.branch.as_str()).collect();
    let new: Vec<&str> = decided
        .iter()
        .map(|head| head.branch.as_str())
        .filter(|branch| !there.contains(branch))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let usable = there.iter().copied().filter(|branch| BranchName::fault(branch).is_none());
    let all: BTreeSet<&str> =
        usable.chain(decided.iter().map(|head| head.branch.as_str())).collect();
    if let Some((branch, other)) = same_name(&new, &all) {
        return Err(Error::Push(PushError::SameBranch {
            repo: repo.clone(),
            branch: branch.to_owned(),
            other: other.to_owned(),
        }));
    }
    let mut met = new.into_iter().filter_map(|branch| Some((branch, in_the_way(branch, &all)?)));
    met.next().map_or(Ok(()), |(branch, other)| {
        Err(Error::Push(PushError::BranchInTheWay {
            repo: repo.clone(),
            branch: branch.to_owned(),
            other: other.to_owned(),
        }))
    })
}

/// Entities of files that the repo had, and that packs of the push don't take over.
fn known_entities(received: &[StagedPack], packs: &[PushedPack]) -> Vec<EntityKey> {
    let taken = |pack: &PushedPack| -> Vec<EntityKey> {
        let fresh = pack.fresh.iter().map(|fresh| fresh.row.entity);
        fresh.chain(pack.moved.iter().map(|moved| moved.row.entity)).collect()
    };
    let mut taken: Vec<EntityKey> = packs.iter().flat_map(taken).collect();
    taken.sort_unstable();
    let mut known = entities_of(received);
    known.retain(|entity| taken.binary_search(entity).is_err());
    known
}
