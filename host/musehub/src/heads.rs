//! The branch heads of a repo.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use packhouse_core::{EntityId, Kind};
use packhouse_model::names::unusable;
use packhouse_model::text::escaped;

use crate::graph::Graph;
use crate::problem::{Fault, Problem, Problems};

/// The heads of branches by name: of a name that has several rows, those of all.
pub(crate) type Candidates = BTreeMap<String, BTreeSet<EntityId>>;

/// Collects the rows by name.
pub(crate) fn candidates(rows: Vec<(String, String)>, problems: &mut Problems) -> Candidates {
    let mut found = Candidates::new();
    for (name, head) in rows {
        match EntityId::parse(head.as_bytes()) {
            Ok(id) => drop(found.entry(name).or_default().insert(id)),
            Err(why) => problems.add(Problem::bad_id(Kind::Commit, &head, why)),
        }
    }
    for (name, fault) in unusable(found.keys().map(String::as_str), None) {
        problems.add(Problem::new(Fault::BadName, fault).at(name));
    }
    found
}

/// The head of each branch: the one that was chosen, else the one that leads to all others.
pub(crate) fn resolve(
    candidates: &Candidates,
    chosen: &BTreeMap<String, String>,
    graph: &Graph,
    problems: &mut Problems,
) -> BTreeMap<String, EntityId> {
    let mut heads = BTreeMap::new();
    for (name, found) in candidates {
        let all: HashSet<EntityId> = found.iter().copied().collect();
        let chosen = chosen.get(name).and_then(|id| EntityId::parse(id.as_bytes()).ok());
        let head = match chosen.filter(|id| found.contains(id)) {
            Some(chosen) => Some(chosen),
            None => found.iter().copied().find(|head| graph.leads_to_all(*head, &all)),
        };
        match head {
            Some(head) => drop(heads.insert(name.clone(), head)),
            None => problems.add(ambiguous(name, found)),
        }
    }
    heads
}

fn ambiguous(name: &str, found: &BTreeSet<EntityId>) -> Problem {
    let ids: Vec<String> = found.iter().map(ToString::to_string).collect();
    let detail = format!(
        "the branch has several rows, and their heads don't lead to each other: {}. Choose one with --branch '{}=COMMIT'",
        ids.join(", "),
        escaped(name)
    );
    Problem::new(Fault::TwoHeads, detail).at(name)
}
