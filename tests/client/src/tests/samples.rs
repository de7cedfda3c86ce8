//! The formulas of the page against packs that the real client wrote.

use bytes::Bytes;

use crate::wire::Fields;
use crate::{Commit, Kind, Local, NewCommit, Pack, commit_id, snapshot_id};

const NAMES: [&str; 7] =
    ["01-main", "02-main", "03-bridge", "04-main", "05-main", "06-main", "07-main"];

fn samples() -> Vec<Bytes> {
    let path = |name| format!("{}/../fixtures/muse-cli/{name}.mpack", env!("CARGO_MANIFEST_DIR"));
    NAMES
        .iter()
        .map(|name| std::fs::read(path(name)).expect("the samples are in the repository").into())
        .collect()
}

fn all() -> Local {
    let mut local = Local::new("reader");
    for bytes in samples() {
        local.take_in(Pack::decode(&bytes).unwrap()).unwrap();
    }
    local
}

#[test]
fn ids_are_those_of_the_real_client() {
    let local = all();
    assert_eq!(
        (local.commits().len(), local.snapshots().len(), local.objects().len()),
        (16, 16, 112)
    );
    for (id, commit) in local.commits() {
        let fields = Fields::of(&commit.record, "commit").unwrap();
        assert_eq!(
            *id,
            commit_id(
                &commit.parents,
                &commit.snapshot,
                fields.text("message").unwrap(),
                &commit.committed_at
            )
        );
        assert_eq!(*id.as_str(), *id.digits());
    }
    for id in local.snapshots().keys() {
        assert_eq!(*id, snapshot_id(&local.tree(id).unwrap()));
    }
    assert!(
        local.commits().values().any(|commit| commit.parents.len() == 2),
        "the samples have a merge"
    );
}

#[test]
fn a_made_commit_is_the_record_that_the_real_client_wrote() {
    let first = Pack::decode(&samples()[0]).unwrap().commits.remove(0);
    let fields = Fields::of(&first.record, "commit").unwrap();
    let made = Commit::make(&NewCommit {
        repo_id: fields.text("repo_id").unwrap(),
        branch: fields.text("branch").unwrap(),
        parents: Vec::new(),
        snapshot: first.snapshot.clone(),
        message: fields.text("message").unwrap(),
        author: fields.text("author").unwrap(),
        committed_at: &first.committed_at,
        odd: false,
    });
    assert_eq!(made, first);
}

#[test]
fn real_packs_come_out_as_they_went_in() {
    for (name, bytes) in NAMES.iter().zip(samples()) {
        assert!(Pack::decode(&bytes).unwrap().encode() == bytes, "{name}");
    }
}

#[test]
fn real_histories_are_whole_and_check_out() {
    let local = all();
    for commit in local.commits().keys() {
        let files = local.files_at(commit).unwrap();
        assert_eq!(files["empty.txt"], Bytes::new());
    }
}

#[test]
fn a_later_pack_alone_lacks_what_earlier_ones_brought() {
    let mut local = Local::new("reader");
    let error = local.take_in(Pack::decode(&samples()[6]).unwrap()).unwrap_err();
    assert!(matches!(error, crate::Error::Missing { kind: Kind::Commit, .. }), "{error}");
    assert!(local.objects().is_empty());
}
