//! What the core refuses, natively: encodings that differ, lost ids, unknown wants.

use std::collections::BTreeMap;

use packhouse_core::assemble::{Bounds, assemble_within};
use packhouse_core::{Kind, PlanError, Request, assemble, consolidate, index};
use packhouse_host::sample::{
    CommitSpec, Encoding, IdForm, PackBuilder, SnapshotSpec, TagSpec, Value, object_record,
};
use packhouse_tests::memory::{MemoryHost, entity_id};
use packhouse_tests::model;

const AT: &str = "2026-03-02T09:00:00+00:00";

fn id(text: &str) -> String {
    IdForm::Bare.id_of(text.as_bytes())
}

fn commit(parents: [Option<&str>; 2], snapshot: &str) -> CommitSpec {
    CommitSpec::new(IdForm::Bare, parents, snapshot, "bar 1", AT)
}

fn no_packs() -> &'static [Vec<u8>] {
    &[]
}

fn pack_of(kind: Kind, record: Vec<u8>) -> Vec<u8> {
    let mut pack = PackBuilder::new();
    pack.raw(kind, record);
    pack.finish()
}

/// Two encodings of one entity, in one pack, in two packs of one push, and in a push against the
/// store.
fn push_both(kind: Kind, a: &[u8], b: &[u8]) -> [Result<(), PlanError>; 4] {
    let (first, second) = (pack_of(kind, a.to_vec()), pack_of(kind, b.to_vec()));
    let mut one = PackBuilder::new();
    one.raw(kind, a.to_vec()).raw(kind, b.to_vec());
    let none = BTreeMap::new();
    let run = |mut host: MemoryHost, pushed: u32| index(&mut host, pushed, true).map(drop);
    [
        run(MemoryHost::indexing(&[one.finish()], no_packs(), &none), 1),
        run(MemoryHost::indexing(&[&first, &second], no_packs(), &none), 2),
        run(MemoryHost::indexing(&[&first], &[&second], &none), 1),
        run(MemoryHost::indexing(&[&second], &[&first], &none), 1),
    ]
}

fn refused(kind: Kind, a: &Value, b: &Value, word: &str) {
    for (place, outcome) in push_both(kind, &a.encode(), &b.encode()).into_iter().enumerate() {
        match outcome {
            Err(PlanError::Conflicting { kind: found, detail, .. }) => {
                assert_eq!(found, kind);
                assert!(detail.contains(word), "`{detail}` lacks `{word}`");
            }
            other => panic!("{kind}s that differ in {word} passed in place {place}: {other:?}"),
        }
    }
}

#[test]
fn law_7_commits_that_disagree_on_what_they_reach_are_refused() {
    let (p, q, s, t) = (id("p"), id("q"), id("s"), id("t"));
    let a = commit([Some(&p), None], &s);
    let with = |change: &dyn Fn(&mut CommitSpec)| {
        let mut b = a.clone();
        change(&mut b);
        b.value()
    };
    refused(
        Kind::Commit,
        &a.value(),
        &with(&|c| c.parents[0] = Some(q.clone())),
        "parent_commit_id",
    );
    refused(Kind::Commit, &a.value(), &with(&|c| c.parents[0] = None), "parent_commit_id");
    refused(
        Kind::Commit,
        &a.value(),
        &with(&|c| c.parents[1] = Some(q.clone())),
        "parent2_commit_id",
    );
    refused(Kind::Commit, &a.value(), &with(&|c| c.snapshot_id = Some(t.clone())), "snapshot_id");
    refused(Kind::Commit, &a.value(), &with(&|c| c.snapshot_id = None), "snapshot_id");
}

#[test]
fn law_7_snapshots_and_tags_that_disagree_are_refused() {
    let entry = |path: &str, object: &str| (path.to_owned(), id(object));
    let whole = |manifest: Vec<(String, String)>| {
        SnapshotSpec::Whole { id: id("s"), manifest, created_at: AT.into() }.value()
    };
    let delta = |parent: Option<&str>, upsert: Vec<(String, String)>, remove: &[&str]| {
        let remove = remove.iter().map(|r| (*r).to_owned()).collect();
        SnapshotSpec::Delta { id: id("s"), parent: parent.map(id), upsert, remove }.value()
    };
    let a = whole(vec![entry("x", "1"), entry("y", "2")]);
    refused(Kind::Snapshot, &a, &whole(vec![entry("x", "1"), entry("y", "3")]), "y");
    refused(Kind::Snapshot, &a, &whole(vec![entry("x", "1")]), "y");
    refused(Kind::Snapshot, &a, &whole(vec![entry("x", "2"), entry("y", "1")]), "x");
    refused(Kind::Snapshot, &a, &delta(None, vec![entry("x", "1"), entry("y", "2")], &[]), "delta");
    let b = delta(Some("p"), vec![entry("x", "1")], &["gone"]);
    refused(
        Kind::Snapshot,
        &b,
        &delta(Some("q"), vec![entry("x", "1")], &["gone"]),
        "parent_snapshot_id",
    );
    refused(
        Kind::Snapshot,
        &b,
        &delta(None, vec![entry("x", "1")], &["gone"]),
        "parent_snapshot_id",
    );
    refused(Kind::Snapshot, &b, &delta(Some("p"), vec![], &["gone"]), "x");
    refused(Kind::Snapshot, &b, &delta(Some("p"), vec![entry("x", "1")], &[]), "delta_remove");

    let tag = |commit: &str| {
        TagSpec { id: "v1".into(), commit_id: id(commit), tag: "v1".into(), created_at: AT.into() }
            .value()
    };
    refused(Kind::Tag, &tag("a"), &tag("b"), "commit_id");
}

#[test]
fn law_7_encodings_that_agree_pass_and_the_longer_is_preferred() {
    let spec = commit([Some(&id("p")), None], &id("s"));
    let Value::Map(fields) = spec.value() else { panic!("a commit is a map") };
    let reversed = Value::Map(fields.iter().rev().cloned().collect()).encode();
    let plain = spec.value().encode();
    let longer =
        Value::Map(fields.into_iter().chain([("new".to_owned(), Value::Int(1))]).collect())
            .encode();
    for (a, b) in [(&plain, &reversed), (&plain, &longer), (&reversed, &longer), (&plain, &plain)] {
        assert!(push_both(Kind::Commit, a, b).iter().all(Result::is_ok));
    }
    let content = b"one content";
    let objects = [Encoding::Client, Encoding::Reversed, Encoding::Newer]
        .map(|e| object_record(&id("one content"), content, e));
    assert!(push_both(Kind::Object, &objects[0], &objects[2]).iter().all(Result::is_ok));

    // A pushed encoding is preferred exactly when it is the longer, or as long and the greater by bytes.
    for (kind, encodings) in [(Kind::Commit, [plain, reversed, longer]), (Kind::Object, objects)] {
        for stored in &encodings {
            for pushed in encodings.iter().filter(|e| *e != stored) {
                let (pushed_pack, stored_pack) =
                    (pack_of(kind, pushed.clone()), pack_of(kind, stored.clone()));
                let mut host =
                    MemoryHost::indexing(&[pushed_pack], &[stored_pack], &BTreeMap::new());
                let preferred = index(&mut host, 1, false).unwrap().preferred;
                let better = (pushed.len(), pushed) > (stored.len(), stored);
                assert_eq!(preferred, if better { vec![0] } else { vec![] }, "{kind}");
            }
        }
    }
}

#[test]
fn law_12_what_the_index_knows_and_no_pack_gives_is_named() {
    let object = id("lost content");
    let snapshot = SnapshotSpec::Whole {
        id: id("s"),
        manifest: vec![("a".into(), object.clone())],
        created_at: AT.into(),
    };
    let tip = commit([Some(&id("lost parent")), None], &id("s"));
    let mut pack = PackBuilder::new();
    pack.snapshot(&snapshot).commit(&tip);
    let pack = pack.finish();
    let request = Request { want: vec![entity_id(Kind::Commit, &tip.id)], ..Request::default() };

    // Unknown to the index, they are missing; known to it, they are lost.
    let mut host = MemoryHost::planning(&[&pack], &BTreeMap::new());
    assert_eq!(assemble(&mut host, &request).unwrap().missing, 2);
    for (kind, lost) in [(Kind::Object, &object), (Kind::Commit, &id("lost parent"))] {
        let mut host = MemoryHost::planning(&[&pack], &BTreeMap::new());
        host.remember(kind, lost);
        match assemble(&mut host, &request) {
            Err(PlanError::Other(reason)) => {
                assert!(reason.contains(&format!("{kind} {lost}")), "{reason}");
            }
            other => panic!("a lost {kind} passed: {other:?}"),
        }
        // The same where pack-indexes are read instead of locating one by one.
        match assemble_within(&mut host, &request, &Bounds { located: 0, ..Bounds::default() }) {
            Err(PlanError::Lost { kind: found, id, .. }) => {
                assert_eq!((found, id), (kind, entity_id(kind, lost)));
            }
            other => panic!("a lost {kind} passed: {other:?}"),
        }
    }
}

#[test]
fn a_want_that_nobody_knows_is_refused_and_a_have_is_ignored() {
    let tip = commit([None, None], &id("s"));
    let mut pack = PackBuilder::new();
    pack.commit(&tip);
    let pack = pack.finish();
    let known = entity_id(Kind::Commit, &tip.id);
    let unknown = entity_id(Kind::Commit, &id("nobody"));
    let ask = |want, want_if_known, have| {
        assemble(
            &mut MemoryHost::planning(&[&pack], &BTreeMap::new()),
            &Request { want, want_if_known, have },
        )
    };
    assert_eq!(
        ask(vec![known, unknown], vec![], vec![]),
        Err(PlanError::UnknownWant(vec![unknown]))
    );
    let answer = ask(vec![known], vec![], vec![unknown]).unwrap();
    assert_eq!((answer.plan.records.commits, answer.missing), (1, 1));
    let answer = ask(vec![], vec![known, unknown], vec![]).unwrap();
    assert_eq!((answer.plan.records.commits, answer.missing), (1, 2));
}

#[test]
fn an_unknown_have_is_ignored_also_where_history_ends_at_it() {
    let beyond = id("beyond");
    let tip = commit([Some(&beyond), None], &id("s"));
    let mut pack = PackBuilder::new();
    pack.commit(&tip);
    let pack = pack.finish();
    let (want, have) = (vec![tip.id.clone()], vec![beyond.clone()]);
    let expected = model::reach(&[&pack], &want, &have).unwrap();
    assert_eq!(expected.missing, 2, "its parent and its snapshot");
    let request = Request {
        want: vec![entity_id(Kind::Commit, &tip.id)],
        want_if_known: Vec::new(),
        have: vec![entity_id(Kind::Commit, &beyond)],
    };
    let mut host = MemoryHost::planning(&[&pack], &BTreeMap::new());
    assert_eq!(assemble(&mut host, &request).unwrap().missing, expected.missing);
}

#[test]
fn a_cycle_ends() {
    let (a, b) = (id("a"), id("b"));
    let cyclic = |id: &str, parent: &str| {
        let mut commit = commit([Some(parent), None], &self::id("s"));
        commit.id = id.into();
        commit
    };
    let mut pack = PackBuilder::new();
    pack.commit(&cyclic(&a, &b)).commit(&cyclic(&b, &a)).commit(&cyclic(&id("c"), &a));
    let delta = |id: &str, parent: &str| SnapshotSpec::Delta {
        id: id.into(),
        parent: Some(parent.into()),
        upsert: vec![],
        remove: vec![],
    };
    pack.snapshot(&delta(&id("s"), &id("t"))).snapshot(&delta(&id("t"), &id("s")));
    let pack = pack.finish();
    let mut host = MemoryHost::planning(&[&pack], &BTreeMap::new());
    let plan = consolidate(&mut host).unwrap();
    let made = model::union(&[host.execute(&plan)]);
    assert_eq!(model::counts(made.keys()), [3, 2, 0, 0]);
    let request = Request { want: vec![entity_id(Kind::Commit, &a)], ..Request::default() };
    let answer = assemble(&mut MemoryHost::planning(&[&pack], &BTreeMap::new()), &request).unwrap();
    assert_eq!((answer.plan.records.commits, answer.plan.records.snapshots), (2, 2));
}
