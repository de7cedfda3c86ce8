//! Where branches stand after a push.

use std::collections::{BTreeMap, BTreeSet};

use super::fetch::closure;
use super::{Kind, read, union};

/// Branch heads after packs have been pushed together to an empty repo.
///
/// # Panics
/// When that is a conflict.
pub fn heads_of(packs: &[impl AsRef<[u8]>]) -> BTreeMap<String, String> {
    heads(&[] as &[&[u8]], &BTreeMap::new(), packs)
        .expect("the heads of these packs lead to each other")
}

/// Branch heads after a push: for every branch that it names, the candidate that descends from all
/// the others.
///
/// # Errors
/// The branches that have none.
pub fn heads(
    stored: &[impl AsRef<[u8]>],
    before: &BTreeMap<String, String>,
    pushed: &[impl AsRef<[u8]>],
) -> Result<BTreeMap<String, String>, Vec<String>> {
    let mut all = union(stored);
    all.extend(union(pushed));
    let named: Vec<(String, String)> =
        pushed.iter().flat_map(|pack| read(pack.as_ref()).heads).collect();
    let branches: BTreeSet<&String> = named.iter().map(|(branch, _)| branch).collect();
    let mut after = before.clone();
    let mut conflicts = Vec::new();
    for branch in branches {
        let given = named.iter().filter(|(b, _)| b == branch).map(|(_, commit)| commit);
        let candidates: BTreeSet<String> = given.chain(before.get(branch)).cloned().collect();
        let leads = |head: &&String| {
            let reached = closure(&all, &[(*head).clone()]);
            candidates.iter().all(|other| reached.contains(&(Kind::Commit, other.clone())))
        };
        match candidates.iter().find(leads) {
            Some(head) => drop(after.insert(branch.clone(), head.clone())),
            None => conflicts.push(branch.clone()),
        }
    }
    if conflicts.is_empty() { Ok(after) } else { Err(conflicts) }
}
