//! A local repository alone.

use bytes::Bytes;

use super::files;
use crate::{Commit, Error, Form, Id, Kind, Local, Object, Pack, Snapshot, Tree};

/// Two branches from one commit, and their merge on `main`.
fn merged(form: Form) -> Local {
    let mut local = Local::new("gabriel").writing(form);
    local.commit("main", files([("a", "one"), ("dir/b", "two"), ("empty", "")]), "begin").unwrap();
    local.branch("side", "main").unwrap();
    local
        .commit("side", files([("a", "one"), ("empty", ""), ("side", "three")]), "on the side")
        .unwrap();
    local
        .commit("main", files([("a", "other"), ("dir/b", "two"), ("empty", "")]), "go on")
        .unwrap();
    local
        .merge("main", "side", files([("a", "other"), ("empty", ""), ("side", "three")]), "merge")
        .unwrap();
    local
}

/// All that a repository holds, as one pack.
fn whole(local: &Local) -> Pack {
    Pack {
        commits: local.commits().values().cloned().collect(),
        snapshots: local.snapshots().values().cloned().collect(),
        objects: local
            .objects()
            .iter()
            .map(|(id, content)| Object { id: id.clone(), content: content.clone() })
            .collect(),
        tags: local.tags().values().cloned().collect(),
        ..Pack::default()
    }
}

#[test]
fn a_checkout_gives_what_was_committed() {
    for form in [Form::Full, Form::Delta] {
        let local = merged(form);
        assert_eq!(
            local.checkout("main").unwrap(),
            files([("a", "other"), ("empty", ""), ("side", "three")])
        );
        assert_eq!(
            local.checkout("side").unwrap(),
            files([("a", "one"), ("empty", ""), ("side", "three")])
        );
        let merge = &local.commits()[local.head("main").unwrap()];
        assert_eq!(
            local.files_at(&merge.parents[0]).unwrap(),
            files([("a", "other"), ("dir/b", "two"), ("empty", "")])
        );
        assert_eq!(merge.parents[1], *local.head("side").unwrap());
    }
}

#[test]
fn both_forms_of_a_tree_have_one_id() {
    let (full, delta) = (merged(Form::Full), merged(Form::Delta));
    assert_eq!(full.branches(), delta.branches());
    assert!(full.snapshots().keys().eq(delta.snapshots().keys()));
    assert!(delta.snapshots().values().all(|snapshot| matches!(snapshot.tree, Tree::Delta { .. })));
    assert!(full.same_history(&delta).unwrap_err().contains("snapshot"));
}

#[test]
fn an_empty_tree_is_a_tree() {
    for form in [Form::Full, Form::Delta] {
        let mut local = Local::new("gabriel").writing(form);
        local.commit("main", files([]), "nothing yet").unwrap();
        assert_eq!(local.checkout("main").unwrap(), files([]));
    }
}

#[test]
fn a_tree_that_comes_back_keeps_its_record() {
    let mut local = Local::new("gabriel").writing(Form::Delta);
    for (content, message) in [("one", "there"), ("two", "away"), ("one", "back")] {
        local.commit("main", files([("a", content)]), message).unwrap();
        assert_eq!(local.checkout("main").unwrap(), files([("a", content)]));
    }
    assert_eq!((local.commits().len(), local.snapshots().len()), (3, 2));
}

#[test]
fn deltas_in_a_ring_are_an_error() {
    let [one, two] = ["one", "two"].map(|text| Id::of(text.as_bytes()));
    let delta = |id: &Id, parent: &Id| {
        Snapshot::make(
            id.clone(),
            Tree::Delta {
                parent: Some(parent.clone()),
                upsert: Default::default(),
                remove: vec![],
            },
            "",
        )
    };
    let mut local = Local::new("gabriel");
    local
        .take_in(Pack { snapshots: vec![delta(&one, &two), delta(&two, &one)], ..Pack::default() })
        .unwrap();
    assert!(matches!(local.tree(&one), Err(Error::Cycle { .. })));
}

#[test]
fn a_push_sends_children_before_parents_and_only_what_is_new() {
    let local = merged(Form::Delta);
    let (bundle, uploads) = local.bundle("main", local.head("main").unwrap(), []).unwrap();
    let ids: Vec<&Id> = bundle.commits.iter().map(|commit| &commit.id).collect();
    for (i, commit) in bundle.commits.iter().enumerate() {
        assert!(
            commit.parents.iter().all(|parent| ids.iter().position(|id| *id == parent) > Some(i))
        );
    }
    assert_eq!((bundle.commits.len(), bundle.snapshots.len(), uploads.len()), (4, 4, 5));

    let (bundle, uploads) =
        local.bundle("main", local.head("main").unwrap(), [local.head("side").unwrap()]).unwrap();
    assert_eq!((bundle.commits.len(), bundle.snapshots.len(), uploads.len()), (2, 2, 2));
}

#[test]
fn what_is_taken_in_is_what_was_there() {
    let mut local = merged(Form::Delta).writing_oddly();
    local.set_time("2026-04-01T12:00:00+02:00");
    let head = local.commit("main", files([("a", "last")]), "last").unwrap();
    local.tag("v1", &head).unwrap();
    let mut copy = Local::new("somebody else");
    copy.take_in(Pack::decode(&whole(&local).encode()).unwrap()).unwrap();
    copy.branches = local.branches.clone();
    copy.same_history(&local).unwrap();
    assert_eq!(copy.commits()[&head].committed_at, "2026-04-01T12:00:00+02:00");
    copy.branches.clear();
    assert!(copy.same_history(&local).unwrap_err().contains("branch"));
}

#[test]
fn two_authors_make_two_commits() {
    let (mut one, mut two) = (merged(Form::Full), merged(Form::Full).used_by("somebody else"));
    assert_ne!(
        one.commit("main", files([]), "same").unwrap(),
        two.commit("main", files([]), "same").unwrap()
    );
}

#[test]
fn what_is_missing_is_named_and_nothing_taken_in() {
    let pack = whole(&merged(Form::Delta));
    let mut broken = vec![];
    broken.push((
        Kind::Object,
        pack.objects[0].id.clone(),
        Pack { objects: pack.objects[1..].to_vec(), ..pack.clone() },
    ));
    let root = pack.commits.iter().position(|commit| commit.parents.is_empty()).unwrap();
    let (mut commits, mut snapshots) = (pack.commits.clone(), pack.snapshots.clone());
    broken.push((Kind::Commit, commits.remove(root).id, Pack { commits, ..pack.clone() }));
    broken.push((Kind::Snapshot, snapshots.remove(0).id, Pack { snapshots, ..pack.clone() }));
    for (lost, lost_id, pack) in broken {
        let mut local = Local::new("reader");
        match local.take_in(pack) {
            Err(Error::Missing { kind, id, .. }) => assert_eq!((kind, id), (lost, lost_id)),
            other => panic!("{other:?}"),
        }
        assert!(
            local.commits().is_empty()
                && local.snapshots().is_empty()
                && local.objects().is_empty()
        );
    }
}

#[test]
fn content_is_what_its_id_says() {
    let content = Bytes::from_static(b"something");
    let good = Object { id: format!("sha256:{}", Id::of(&content)).into(), content };
    good.check().unwrap();
    let bad = Object { content: Bytes::from_static(b"something else"), ..good };
    let taken = Local::new("reader").take_in(Pack { objects: vec![bad], ..Pack::default() });
    assert!(matches!(taken, Err(Error::WrongContent { .. })));
}

#[test]
fn a_record_without_an_id_is_no_commit() {
    assert!(
        Commit::read(Bytes::from_static(&[0x80])).unwrap_err().to_string().contains("commit_id")
    );
}
