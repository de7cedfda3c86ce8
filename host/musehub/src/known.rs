//! What the store already has of a repo.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use packhouse_core::{EntityId, Kind};
use packhouse_model::client::Client;
use packhouse_model::error::{Class, Result};
use packhouse_model::names::{RepoName, Visibility};
use packhouse_model::report::RepoReport;

use crate::graph::Graph;
use crate::problem::{Fault, Problem, Problems};

/// Questions that are asked at once.
const AT_ONCE: usize = 16;

/// A repo in the store.
pub(crate) struct Stored<'a> {
    client: Option<&'a dyn Client>,
    name: RepoName,
    report: Option<RepoReport>,
}

impl<'a> Stored<'a> {
    /// Looks for a repo; there may be no store yet.
    pub(crate) async fn read(client: Option<&'a dyn Client>, name: RepoName) -> Result<Stored<'a>> {
        let report = match client {
            None => None,
            Some(client) => match client.repo(&name).await {
                Ok(report) => Some(report),
                Err(error) if error.is_unknown_repo(&name) => None,
                Err(error) => return Err(error),
            },
        };
        Ok(Stored { client, name, report })
    }

    /// Who may read it; none if there is no such repo.
    pub(crate) fn visibility(&self) -> Option<Visibility> {
        self.report.as_ref().map(|report| report.visibility)
    }

    /// Its branch heads.
    pub(crate) fn heads(&self) -> BTreeMap<String, String> {
        self.report.as_ref().map(|report| report.branch_heads.clone()).unwrap_or_default()
    }

    /// Whether it has nothing: then there is nothing to ask.
    pub(crate) fn is_empty(&self) -> bool {
        self.report.as_ref().is_none_or(|r| r.commits + r.snapshots + r.objects + r.tags == 0)
    }

    /// Those of some records that it has.
    pub(crate) async fn has(&self, kind: Kind, ids: &[EntityId]) -> Result<HashSet<EntityId>> {
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let has = self.has_texts(kind, &texts).await?;
        Ok(ids.iter().zip(has).filter(|(_, has)| *has).map(|(id, _)| *id).collect())
    }

    /// Which of some records it has.
    pub(crate) async fn has_texts(&self, kind: Kind, ids: &[String]) -> Result<Vec<bool>> {
        let Some(client) = self.client.filter(|_| !self.is_empty()) else {
            return Ok(vec![false; ids.len()]);
        };
        let asked = ids.iter().map(|id| self.asked(client, kind, id));
        stream::iter(asked).buffered(AT_ONCE).try_collect().await
    }

    async fn asked(&self, client: &dyn Client, kind: Kind, id: &str) -> Result<bool> {
        match client.find(&self.name, id).await {
            Ok(found) => Ok(found.iter().any(|record| record.kind == kind && record.id == id)),
            // What is damaged is pushed again: that restores it.
            Err(error) if error.class() == Class::Damage => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The commits that the store does not have, parents before children. What the store has of a
/// commit it has of all that the commit reaches: the walk ends there.
pub(crate) async fn new_commits(
    graph: &mut Graph,
    stored: &Stored<'_>,
    roots: &BTreeMap<EntityId, String>,
    problems: &mut Problems,
) -> Result<Vec<EntityId>> {
    let mut named_by: HashMap<EntityId, String> =
        roots.iter().map(|(id, by)| (*id, by.clone())).collect();
    let (mut new, mut seen) = (HashSet::new(), HashSet::new());
    let mut frontier: Vec<EntityId> = roots.keys().copied().collect();
    while !frontier.is_empty() {
        frontier.retain(|id| seen.insert(*id));
        let known = stored.has(Kind::Commit, &frontier).await?;
        let mut next = Vec::new();
        for id in frontier.drain(..).filter(|id| !known.contains(id)) {
            let by = named_by.remove(&id);
            match graph.get(id) {
                None => {
                    let by = by.unwrap_or_default();
                    let detail = format!("{by} names it, and it is not in the database");
                    let kind = Fault::MissingCommit;
                    problems.add(Problem::of(kind, id.to_string(), detail));
                }
                Some(node) if node.is_private => {
                    problems.add(Problem::private(Kind::Commit, &id.to_string()));
                }
                Some(node) => {
                    let parents = node.parents.into_iter().flatten();
                    // Only for a message: most parents are there.
                    for parent in parents.clone().filter(|parent| graph.get(*parent).is_none()) {
                        named_by.insert(parent, format!("commit {id}"));
                    }
                    next.extend(parents);
                    new.insert(id);
                }
            }
            graph.add_faults(id, problems);
        }
        frontier = next;
    }
    let roots: Vec<EntityId> = roots.keys().copied().collect();
    Ok(graph.ordered(&roots, &new))
}
