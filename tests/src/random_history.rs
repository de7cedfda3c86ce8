//! Random histories for property tests, with more cases than clients produce: many merges (of two
//! parents), shallow ends, both snapshot forms, both id forms, unreachable records, and several
//! encodings of one entity.

use std::collections::BTreeMap;

use packhouse_core::Kind;
use packhouse_host::sample::{
    CommitSpec, Encoding, IdForm, PackBuilder, Random, SnapshotSpec, TagSpec, Value, object_record,
};

/// A set of records, each in one or more encodings, and heads.
#[derive(Clone, Debug)]
pub struct RandomHistory {
    /// What there is.
    pub records: Vec<Encodings>,
    /// Branch name to commit id.
    pub heads: BTreeMap<String, String>,
    /// Ids of its commits, oldest first.
    pub commits: Vec<String>,
    /// Commit ids that are referred to and given by no record.
    pub beyond: Vec<String>,
}

/// The encodings of one entity; all reach the same.
#[derive(Clone, Debug)]
pub struct Encodings {
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub id: String,
    /// One or more.
    pub encodings: Vec<Vec<u8>>,
}

/// Makes a history of about `size` commits.
pub fn random_history(seed: u64, size: usize) -> RandomHistory {
    let mut random = Random::new(seed);
    let mut maker = Maker { random: Random::stream(seed, 1), records: Vec::new() };
    let mut objects = Vec::new();
    for n in 0..=2 * size {
        let mut content = vec![0; random.below(300)];
        random.fill(&mut content);
        let id = form(&mut random).id_of(&content);
        // One in eight is referred to and never given.
        if n % 8 != 7 {
            maker.object(&id, &content);
        }
        objects.push(id);
    }
    let mut snapshots: Vec<String> = vec![invented(&mut random)];
    for _ in 0..=size {
        let mut entries = BTreeMap::new();
        for _ in 0..random.below(6) {
            entries.insert(path(&mut random), objects[random.below(objects.len())].clone());
        }
        let mut entries: Vec<(String, String)> = entries.into_iter().collect();
        random.shuffle(&mut entries);
        let id = invented(&mut random);
        let spec = if random.below(2) == 0 {
            SnapshotSpec::Whole {
                id: id.clone(),
                manifest: entries,
                created_at: "2026-03-02T09:00:00+00:00".into(),
            }
        } else {
            let parent =
                (random.below(4) > 0).then(|| snapshots[random.below(snapshots.len())].clone());
            let remove = (0..random.below(3)).map(|_| path(&mut random)).collect();
            SnapshotSpec::Delta { id: id.clone(), parent, upsert: entries, remove }
        };
        maker.record(Kind::Snapshot, &id, spec.value());
        snapshots.push(id);
    }
    let mut commits: Vec<String> = Vec::new();
    let mut beyond = Vec::new();
    for n in 0..size {
        let snapshot = snapshots[random.below(snapshots.len())].clone();
        let mut parent = |random: &mut Random| match random.below(10) {
            0 => {
                beyond.push(invented(random));
                beyond.last().cloned()
            }
            1 => None,
            // Mostly young parents, so that histories get deep.
            _ => commits
                .len()
                .checked_sub(1 + random.below(3.min(commits.len().max(1))))
                .map(|at| commits[at].clone()),
        };
        let first = parent(&mut random);
        let second = if random.below(3) == 0 { parent(&mut random) } else { None };
        let parents = [first.as_deref(), second.as_deref()];
        let id_form = form(&mut random);
        let mut spec = CommitSpec::new(
            id_form,
            parents,
            &snapshot,
            &format!("bar {n} of {seed}"),
            "2026-03-02T09:00:00+00:00",
        );
        if random.below(12) == 0 {
            spec.snapshot_id = None;
        }
        maker.record(Kind::Commit, &spec.id, spec.value());
        commits.push(spec.id);
    }
    for n in 0..random.below(4) {
        let commit_id = commits
            .get(random.below(commits.len() + 1))
            .cloned()
            .unwrap_or_else(|| invented(&mut random));
        let id = format!("tag ü {n} of {seed}");
        let spec = TagSpec {
            id: id.clone(),
            commit_id,
            tag: "emotion:sad".into(),
            created_at: "2026-03-02T09:00:00+00:00".into(),
        };
        maker.record(Kind::Tag, &id, spec.value());
    }
    let mut heads = BTreeMap::new();
    for name in ["main", "bridge", "ärger/τ"] {
        if !commits.is_empty() && random.below(3) > 0 {
            heads.insert(name.to_owned(), commits[random.below(commits.len())].clone());
        }
    }
    RandomHistory { records: maker.records, heads, commits, beyond }
}

impl RandomHistory {
    /// What a client could want and have: one or two commits, and up to four, with one now and then
    /// that no pack gives.
    pub fn request(&self, random: &mut Random) -> (Vec<String>, Vec<String>) {
        let some = |random: &mut Random, count: usize| -> Vec<String> {
            (0..count).map(|_| self.commits[random.below(self.commits.len())].clone()).collect()
        };
        let wants = 1 + random.below(2);
        let haves = [0, 1, 1, 1, 2, 4][random.below(6)];
        let (want, mut have) = (some(random, wants), some(random, haves));
        if random.below(5) == 0 {
            have.push(match self.beyond.first() {
                Some(beyond) => beyond.clone(),
                None => invented(random),
            });
        }
        (want, have)
    }

    /// Spreads the records over `packs` packs: each record, in each of its encodings, is in at
    /// least one. None names a head, except the last, which names all.
    pub fn spread(&self, seed: u64, packs: usize) -> Vec<Vec<u8>> {
        let mut random = Random::stream(seed, 2);
        let mut builders = vec![PackBuilder::new(); packs];
        let mut all: Vec<(Kind, &Vec<u8>)> =
            self.records.iter().flat_map(|r| r.encodings.iter().map(|e| (r.kind, e))).collect();
        random.shuffle(&mut all);
        for (kind, bytes) in all {
            for _ in 0..=random.below(5) / 3 {
                builders[random.below(packs)].raw(kind, bytes.clone());
            }
        }
        if let Some(last) = builders.last_mut() {
            for (branch, commit) in &self.heads {
                last.branch_head(branch, commit);
            }
        }
        builders.into_iter().map(PackBuilder::finish).collect()
    }

    /// Spreads the records over packs that are pushed in any order, one or two at a time: mostly
    /// what lies together in `records` stays together, up to the next commit, but children may be
    /// pushed before their parents, and snapshots and objects before or after the commits that
    /// need them. The last pack names all heads.
    pub fn in_any_order(&self, seed: u64) -> Vec<Vec<Vec<u8>>> {
        let mut random = Random::stream(seed, 9);
        let mut groups: Vec<Vec<(Kind, &Vec<u8>)>> = self
            .records
            .split_inclusive(|record| record.kind == Kind::Commit)
            .map(|group| {
                group.iter().flat_map(|r| r.encodings.iter().map(|e| (r.kind, e))).collect()
            })
            .collect();
        for at in 0..groups.len() {
            for (kind, bytes) in std::mem::take(&mut groups[at]) {
                let moved = random.below(100) < if kind == Kind::Commit { 4 } else { 12 };
                let to = if moved { random.below(groups.len()) } else { at };
                groups[to].push((kind, bytes));
            }
        }
        match random.below(4) {
            0 => groups.reverse(),
            1 | 2 => random.shuffle(&mut groups),
            _ => {}
        }
        let mut pushes = Vec::new();
        let mut rest = groups.as_slice();
        while !rest.is_empty() || pushes.is_empty() {
            let mut push = Vec::new();
            for _ in 0..=random.below(2) {
                let (group, after) = rest.split_at((1 + random.below(4)).min(rest.len()));
                let mut builder = PackBuilder::new();
                for (kind, bytes) in group.iter().flatten() {
                    builder.raw(*kind, (*bytes).clone());
                }
                if after.is_empty() {
                    for (branch, commit) in &self.heads {
                        builder.branch_head(branch, commit);
                    }
                }
                push.push(builder.finish());
                rest = after;
            }
            pushes.push(push);
        }
        pushes
    }
}

pub(crate) struct Maker {
    pub random: Random,
    pub records: Vec<Encodings>,
}

impl Maker {
    pub(crate) fn record(&mut self, kind: Kind, id: &str, value: Value) {
        let mut encodings = vec![value.encode()];
        if let Value::Map(fields) = value {
            if self.random.below(4) == 0 {
                encodings.push(Value::Map(fields.iter().rev().cloned().collect()).encode());
            }
            if self.random.below(4) == 0 {
                let newer = ("origin".to_owned(), Value::map([("client", Value::text("2026.9"))]));
                encodings.push(Value::Map(fields.into_iter().chain([newer]).collect()).encode());
            }
        }
        self.records.push(Encodings { kind, id: id.to_owned(), encodings });
    }

    pub(crate) fn object(&mut self, id: &str, content: &[u8]) {
        if self.records.iter().any(|r| r.kind == Kind::Object && r.id == id) {
            return;
        }
        let mut encodings = vec![object_record(id, content, Encoding::Client)];
        for other in [Encoding::Reversed, Encoding::Newer] {
            if self.random.below(5) == 0 {
                encodings.push(object_record(id, content, other));
            }
        }
        self.records.push(Encodings { kind: Kind::Object, id: id.to_owned(), encodings });
    }
}

fn form(random: &mut Random) -> IdForm {
    if random.below(3) == 0 { IdForm::Prefixed } else { IdForm::Bare }
}

/// An id of nothing.
pub(crate) fn invented(random: &mut Random) -> String {
    let bytes = random.next().to_le_bytes();
    form(random).id_of(&bytes)
}

fn path(random: &mut Random) -> String {
    // Bytes, not letters, decide the order: `B` < `a` < `ä`, and `a/` < `a0`.
    let parts = ["a", "a/b", "a0", "B", "ä", "part0/sheet_001.md", "part0/sheet_01.md", "日本"];
    format!("{}{}", parts[random.below(parts.len())], random.below(3))
}
