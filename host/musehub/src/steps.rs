//! The new records of a repo, in steps of a pack each: an object before the snapshots that list it, a
//! snapshot before its commits, a commit before its children. However the steps are cut, what was
//! pushed has no holes.

use std::collections::{HashMap, HashSet};

use packhouse_core::{EntityId, Kind};
use packhouse_model::error::Result;

use crate::graph::Graph;
use crate::known::Stored;
use crate::objects::is_empty;
use crate::problem::{Fault, Problem, Problems};
use crate::record::{self, Manifest};
use crate::rows::{ObjectRow, View};

/// Bytes of a step after which it ends.
const ENOUGH_BYTES: u64 = 64 << 20;

/// Objects that are looked up at once.
const BATCH: usize = 1000;

/// An object to bring.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) id: EntityId,
    /// A path at which it is.
    pub(crate) path: String,
    /// Where its bytes may be; none of an empty object.
    pub(crate) row: Option<ObjectRow>,
}

/// Records of a pack. Of objects, their content is elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) commits: Vec<Vec<u8>>,
    pub(crate) snapshots: Vec<Vec<u8>>,
    pub(crate) objects: Vec<Wanted>,
    bytes: u64,
}

impl Step {
    fn records(&self) -> usize {
        self.commits.len() + self.snapshots.len() + self.objects.len()
    }

    fn is_full(&self, max_records: usize) -> bool {
        self.records() >= max_records || self.bytes >= ENOUGH_BYTES
    }
}

/// What was found out about a repo on the first walk, for the second.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Objects and snapshots that are left out: the store has them, or they are holes.
    pub(crate) left_out: HashSet<(Kind, EntityId)>,
    /// Where the bytes of objects are, if not at the first place.
    pub(crate) places: HashMap<EntityId, usize>,
}

/// What is walked.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) graph: &'a Graph,
    /// New commits, parents before children.
    pub(crate) commits: &'a [EntityId],
    /// Private repos of which nothing is taken.
    pub(crate) private: &'a HashSet<String>,
    /// Most records of a step, or one more: a commit comes with its snapshot.
    pub(crate) max_records: usize,
}

/// A walk over new records.
pub(crate) struct Walk<'a> {
    source: Source<'a>,
    /// Asked on the first walk only.
    stored: Option<&'a Stored<'a>>,
    next_commit: usize,
    new: HashSet<EntityId>,
    snapshots: HashSet<EntityId>,
    objects: HashSet<EntityId>,
    current: Option<Current>,
}

/// A commit, while what it needs is brought.
struct Current {
    /// None of a commit that can't be read.
    commit: Option<Vec<u8>>,
    snapshot: Option<Vec<u8>>,
    /// The objects that are left, each with its path.
    objects: Vec<(EntityId, String)>,
}

impl<'a> Walk<'a> {
    /// The first walk asks the store; the second, without one, knows from the findings.
    pub(crate) fn new(source: Source<'a>, stored: Option<&'a Stored<'a>>) -> Walk<'a> {
        Walk {
            source,
            stored,
            next_commit: 0,
            new: source.commits.iter().copied().collect(),
            snapshots: HashSet::new(),
            objects: HashSet::new(),
            current: None,
        }
    }

    /// The next step; none at the end.
    pub(crate) async fn next(
        &mut self,
        view: &mut View<'_>,
        findings: &mut Findings,
        problems: &mut Problems,
    ) -> Result<Option<Step>> {
        let mut step = Step::default();
        let max_records = self.source.max_records;
        while !step.is_full(max_records) {
            match self.current.take() {
                Some(mut current) if !current.objects.is_empty() => {
                    let room = BATCH.min(max_records - step.records());
                    let rest = current.objects.split_off(room.min(current.objects.len()));
                    let batch = std::mem::replace(&mut current.objects, rest);
                    self.current = Some(current);
                    self.add_objects(&mut step, batch, view, findings, problems).await?;
                }
                Some(current) => {
                    let Current { commit, snapshot, .. } = current;
                    let records = [&snapshot, &commit].into_iter().flatten();
                    step.bytes += records.map(|record| record.len() as u64).sum::<u64>();
                    step.snapshots.extend(snapshot);
                    step.commits.extend(commit);
                }
                None => {
                    let Some(id) = self.source.commits.get(self.next_commit) else { break };
                    self.next_commit += 1;
                    let current = self.start(*id, view, findings, problems).await?;
                    self.current = Some(current);
                }
            }
        }
        Ok((step.records() > 0).then_some(step))
    }

    /// Reads a commit and its snapshot.
    async fn start(
        &mut self,
        id: EntityId,
        view: &mut View<'_>,
        findings: &mut Findings,
        problems: &mut Problems,
    ) -> Result<Current> {
        let text = id.to_string();
        let row = view.commit(&text).await?;
        let record = row.as_ref().map(record::commit).transpose();
        let commit = record.unwrap_or_else(|why| {
            problems.add(Problem::of(Fault::BadRow, &text, why));
            None
        });
        let mut current = Current { commit, snapshot: None, objects: Vec::new() };
        let Some(node) = self.source.graph.get(id) else { return Ok(current) };
        if let Some(snapshot) = node.snapshot {
            self.skip_parents(node.parents, view).await?;
            if self.snapshots.insert(snapshot) && !self.is_left_out(snapshot, findings).await? {
                self.read_snapshot(&text, snapshot, &mut current, view, problems).await?;
            }
        }
        Ok(current)
    }

    /// What the snapshots of parents list that the store has, it has, too.
    async fn skip_parents(
        &mut self,
        parents: [Option<EntityId>; 2],
        view: &mut View<'_>,
    ) -> Result<()> {
        for parent in parents.into_iter().flatten().filter(|id| !self.new.contains(id)) {
            let node = self.source.graph.get(parent).filter(|node| !node.is_private);
            let Some(snapshot) = node.and_then(|node| node.snapshot) else { continue };
            if !self.snapshots.insert(snapshot) {
                continue;
            }
            let row = view.snapshot(&snapshot.to_string()).await?;
            let manifest = row.and_then(|row| Manifest::read(&row).ok());
            let entries = manifest.iter().flat_map(Manifest::entries);
            self.objects.extend(entries.filter_map(|(_, id)| EntityId::parse(id.as_bytes()).ok()));
        }
        Ok(())
    }

    async fn is_left_out(&self, snapshot: EntityId, findings: &mut Findings) -> Result<bool> {
        if let Some(stored) = self.stored {
            let known = stored.has(Kind::Snapshot, &[snapshot]).await?;
            findings.left_out.extend(known.into_iter().map(|id| (Kind::Snapshot, id)));
        }
        Ok(findings.left_out.contains(&(Kind::Snapshot, snapshot)))
    }

    async fn read_snapshot(
        &mut self,
        commit: &str,
        snapshot: EntityId,
        current: &mut Current,
        view: &mut View<'_>,
        problems: &mut Problems,
    ) -> Result<()> {
        let id = snapshot.to_string();
        let bad = |why: String| Problem::of(Fault::BadRow, &id, why);
        let Some(row) = view.snapshot(&id).await? else {
            let detail = format!("commit {commit} names it, and it is not in the database");
            problems.add(Problem::of(Fault::MissingSnapshot, &id, detail));
            return Ok(());
        };
        if self.source.private.contains(&row.repo_id) {
            problems.add(Problem::private(Kind::Snapshot, &id));
            return Ok(());
        }
        let manifest = match Manifest::read(&row) {
            Ok(manifest) => manifest,
            Err(why) => {
                problems.add(bad(why));
                return Ok(());
            }
        };
        let mut are_ids = true;
        for (path, object) in manifest.entries() {
            match EntityId::parse(object.as_bytes()) {
                Ok(id) if self.objects.insert(id) => current.objects.push((id, path.to_owned())),
                Ok(_) => {}
                Err(why) => {
                    are_ids = false;
                    problems.add(Problem::bad_id(Kind::Object, object, why).at(path));
                }
            }
        }
        match manifest.encode() {
            Ok(record) => current.snapshot = Some(record),
            Err(why) if are_ids => problems.add(bad(why)),
            Err(_) => {}
        }
        Ok(())
    }

    /// Adds objects of a snapshot that the store does not have.
    async fn add_objects(
        &self,
        step: &mut Step,
        batch: Vec<(EntityId, String)>,
        view: &mut View<'_>,
        findings: &mut Findings,
        problems: &mut Problems,
    ) -> Result<()> {
        let mut batch = batch;
        if let Some(stored) = self.stored {
            let ids: Vec<EntityId> = batch.iter().map(|(id, _)| *id).collect();
            let known = stored.has(Kind::Object, &ids).await?;
            findings.left_out.extend(known.into_iter().map(|id| (Kind::Object, id)));
        }
        batch.retain(|(id, _)| !findings.left_out.contains(&(Kind::Object, *id)));
        let texts: Vec<String> = batch.iter().map(|(id, _)| id.to_string()).collect();
        let rows = view.objects(&texts).await?;
        let mut rows: HashMap<String, ObjectRow> =
            rows.into_iter().map(|row| (row.object_id.clone(), row)).collect();
        for ((id, path), text) in batch.into_iter().zip(texts) {
            let row = rows.remove(&text);
            if is_empty(id) {
                step.objects.push(Wanted { id, path, row: None });
                continue;
            }
            let problem = match row {
                Some(row) if self.source.private.contains(&row.repo_id) => {
                    Problem::private(Kind::Object, &text)
                }
                Some(row) => {
                    step.bytes += u64::try_from(row.size_bytes).unwrap_or(0);
                    step.objects.push(Wanted { id, path, row: Some(row) });
                    continue;
                }
                None => {
                    let detail = "a snapshot lists it, and it is not in the database";
                    Problem::of(Fault::MissingObject, &text, detail)
                }
            };
            problems.add(problem.at(&path));
        }
        Ok(())
    }
}
