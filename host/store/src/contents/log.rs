//! Commits of a repo, each before its parents.

use std::collections::{BinaryHeap, HashMap, HashSet};

use packhouse_catalog::Snapshot;
use packhouse_core::ports::Ancestor;
use packhouse_core::{EntityId, Head, Kind};
use packhouse_model::error::{Error, Result};
use packhouse_model::report::{LogPage, LogQuery, LoggedCommit};
use serde_json::Value;

use super::Inside;
use super::value::fields_of;
use crate::branch::named;

/// Commits whose edges are read at once.
const EDGES: u32 = 512;

/// Commits of a page whose records are read at once.
const RECORDS: usize = 512;

impl Inside {
    pub(super) async fn log(&mut self, query: &LogQuery) -> Result<LogPage> {
        let heads = self.snapshot.heads().await?;
        let start = self.start(query, &heads)?;
        let (edges, next) = self.walk(&start, query.limit as usize).await?;
        let mut commits = Vec::with_capacity(edges.len());
        for page in edges.chunks(RECORDS) {
            commits.extend(self.logged(page, &heads).await?);
        }
        Ok(LogPage { commits, next: next.iter().map(ToString::to_string).collect() })
    }

    fn start(&self, query: &LogQuery, heads: &[Head]) -> Result<Vec<EntityId>> {
        let repo = &self.repo.name;
        if !query.from.is_empty() {
            let parse = |id: &String| {
                let unknown =
                    |_| Error::UnknownRecord { repo: repo.clone(), what: "commit", id: id.clone() };
                EntityId::parse(id.as_bytes()).map_err(unknown)
            };
            return query.from.iter().map(parse).collect();
        }
        match &query.branch {
            Some(branch) => match named(heads, branch) {
                Some(head) => Ok(vec![head.commit]),
                None => Err(Error::UnknownBranch { repo: repo.clone(), branch: branch.clone() }),
            },
            None => {
                let default = self.repo.default_branch.as_deref().unwrap_or("main");
                let head = heads.iter().find(|head| head.branch == default).or(heads.first());
                Ok(head.map(|head| head.commit).into_iter().collect())
            }
        }
    }

    /// Commits from these on, by generation: each before its parents. What is left in the end is where
    /// the next page starts. Those that the catalog has not numbered in order are never left: a
    /// damaged history may have cycles there, and only this walk knows what it has seen.
    async fn walk(
        &mut self,
        start: &[EntityId],
        limit: usize,
    ) -> Result<(Vec<Ancestor>, Vec<EntityId>)> {
        let mut known = Known::default();
        if let Some(floor) = self.snapshot.walk_floor().await? {
            known.number_from(floor, start, self.snapshot.as_mut()).await?;
        }
        let mut seen: HashSet<EntityId> = HashSet::new();
        let mut waiting: BinaryHeap<(u64, EntityId)> = BinaryHeap::new();
        let mut reached: Vec<EntityId> = start.to_vec();
        let mut walked = Vec::new();
        loop {
            reached.retain(|id| seen.insert(*id));
            known.read(&reached, self.snapshot.as_mut()).await?;
            // A shallow history ends where the repo has no commit.
            waiting.extend(reached.drain(..).filter_map(|id| Some((known.generation(id)?, id))));
            if walked.len() >= limit
                && waiting.iter().all(|(_, id)| !known.numbered.contains_key(id))
            {
                break;
            }
            let Some((_, id)) = waiting.pop() else { break };
            if let Some(commit) = known.commits.remove(&id) {
                reached.extend(commit.edges.parents());
                walked.push(commit);
            }
        }
        Ok((walked, waiting.into_sorted_vec().into_iter().rev().map(|(_, id)| id).collect()))
    }

    async fn logged(&mut self, page: &[Ancestor], heads: &[Head]) -> Result<Vec<LoggedCommit>> {
        let ids: Vec<EntityId> = page.iter().map(|one| one.edges.commit).collect();
        let records = self.read(Kind::Commit, &ids).await?;
        let mut tags: HashMap<EntityId, Vec<String>> = HashMap::new();
        for tag in self.snapshot.tags_of(&ids).await? {
            tags.entry(tag.commit).or_default().push(tag.text);
        }
        let mut branches: HashMap<EntityId, Vec<String>> = HashMap::new();
        for head in heads {
            branches.entry(head.commit).or_default().push(head.branch.clone());
        }
        let logged = page.iter().zip(records).map(|(one, record)| {
            let id = one.edges.commit;
            let fields = record.and_then(|bytes| fields_of(&bytes).ok()).unwrap_or_default();
            let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
            LoggedCommit {
                repo: self.repo.name.clone(),
                commit: id.to_string(),
                parents: one.edges.parents().map(|id| id.to_string()).collect(),
                snapshot: one.edges.snapshot.map(|id| id.to_string()),
                branches: branches.remove(&id).unwrap_or_default(),
                tags: tags.remove(&id).unwrap_or_default(),
                message: text("message"),
                author: text("author"),
                committed_at: text("committed_at"),
            }
        });
        Ok(logged.collect())
    }
}

/// Commits whose edges were read.
#[derive(Default)]
struct Known {
    commits: HashMap<EntityId, Ancestor>,
    /// Generations of commits that the catalog has not numbered in order yet.
    numbered: HashMap<EntityId, u64>,
}

impl Known {
    fn generation(&self, id: EntityId) -> Option<u64> {
        let stored = self.commits.get(&id)?.generation;
        Some(self.numbered.get(&id).copied().unwrap_or(stored))
    }

    /// Reads commits, and some of their ancestors.
    async fn read(&mut self, ids: &[EntityId], index: &mut dyn Snapshot) -> Result<()> {
        let unknown: Vec<EntityId> =
            ids.iter().filter(|id| !self.commits.contains_key(id)).copied().collect();
        if !unknown.is_empty() {
            let most = EDGES.max(unknown.len() as u32);
            let read = index.history(&unknown, most).await?;
            self.commits.extend(read.into_iter().map(|one| (one.edges.commit, one)));
        }
        Ok(())
    }

    /// Numbers the ancestors whose generation in the catalog is this one or higher: it may not be
    /// above those of their parents, until the next consolidation.
    async fn number_from(
        &mut self,
        floor: u64,
        start: &[EntityId],
        index: &mut dyn Snapshot,
    ) -> Result<()> {
        let mut above: HashSet<EntityId> = HashSet::new();
        let mut seen: HashSet<EntityId> = HashSet::new();
        let mut reached: Vec<EntityId> = start.to_vec();
        while !reached.is_empty() {
            reached.retain(|id| seen.insert(*id));
            self.read(&reached, index).await?;
            let mut next = Vec::new();
            for id in reached.drain(..) {
                if let Some(commit) = self.commits.get(&id).filter(|one| one.generation >= floor) {
                    above.insert(id);
                    next.extend(commit.edges.parents());
                }
            }
            reached = next;
        }
        let mut begun: HashSet<EntityId> = HashSet::new();
        let mut open: Vec<EntityId> = start.iter().rev().copied().collect();
        while let Some(id) = open.last().copied() {
            let Some(commit) = self.commits.get(&id).filter(|_| above.contains(&id)) else {
                open.pop();
                continue;
            };
            if begun.insert(id) {
                let parents = commit.edges.parents().filter(|parent| above.contains(parent));
                open.extend(parents.filter(|parent| !begun.contains(parent)));
                continue;
            }
            open.pop();
            let parents = commit.edges.parents().filter_map(|parent| {
                let is_numbered = self.numbered.contains_key(&parent) || !above.contains(&parent);
                self.generation(parent).filter(|_| is_numbered)
            });
            let generation = 1 + parents.max().unwrap_or(0);
            self.numbered.entry(id).or_insert(generation);
        }
        Ok(())
    }
}
