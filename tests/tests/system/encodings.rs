//! Several encodings of one entity, pushed in every order and grouping: the index maps the
//! preferred one, and the repo can always be consolidated (law 7).

use packhouse_core::Kind;
use packhouse_host::sample::{
    CommitSpec, Encoding, IdForm, PackBuilder, SnapshotSpec, TagSpec, object_record,
};
use packhouse_tests::model;
use packhouse_tests::store::TestStore;

const AT: &str = "2026-03-02T09:00:00+00:00";
const ALL: [Encoding; 3] = [Encoding::Client, Encoding::Reversed, Encoding::Newer];

/// A pack with one commit, snapshot, object and tag in each of some encodings, in that order.
fn pack(encodings: &[Encoding]) -> Vec<u8> {
    let object = IdForm::Bare.id_of(b"content");
    let tree = [("a".to_owned(), object.clone())];
    let snapshot = SnapshotSpec::Whole {
        id: IdForm::Bare.id_of(b"s"),
        manifest: tree.to_vec(),
        created_at: AT.into(),
    };
    let commit = CommitSpec::new(IdForm::Bare, [None, None], snapshot.id(), "bar 1", AT);
    let tag = TagSpec {
        id: "v1".into(),
        commit_id: commit.id.clone(),
        tag: "v1".into(),
        created_at: AT.into(),
    };
    let mut pack = PackBuilder::new();
    // Commits are written newest first; for one and the same commit that would turn the order
    // round.
    for encoding in encodings.iter().rev() {
        pack.commit_as(&commit, *encoding);
    }
    for encoding in encodings {
        pack.snapshot_as(&snapshot, *encoding).tag_as(&tag, *encoding);
        pack.raw(Kind::Object, object_record(&object, b"content", *encoding));
    }
    pack.finish()
}

/// Pushes groups one after the other; the index must stay sound, and what is consolidated must be
/// what the model says.
async fn consolidates(pushes: &[&[Vec<u8>]]) {
    let store = TestStore::new().await;
    for group in pushes {
        store.push(group).await.unwrap();
        store.sound().await;
    }
    let all: Vec<Vec<u8>> = pushes.concat();
    let expected = model::consolidate(&all, &Default::default());
    let report = store.gc().await.unwrap();
    let packs = store.packs().await;
    assert_eq!(packs.len(), 1);
    if !report.skipped {
        assert_eq!(packs[0], expected);
    }
    store.sound().await;
}

#[tokio::test]
async fn law_7_one_encoding_a_pack_in_every_order() {
    for first in ALL {
        for second in ALL {
            for third in ALL {
                let packs = [first, second, third].map(|e| vec![pack(&[e])]);
                consolidates(&packs.each_ref().map(Vec::as_slice)).await;
                consolidates(&[&packs.concat()]).await;
            }
        }
    }
}

#[tokio::test]
async fn law_7_several_encodings_in_one_pack_and_another_in_the_next() {
    for first in ALL {
        for second in ALL.into_iter().filter(|e| *e != first) {
            for other in ALL {
                consolidates(&[&[pack(&[first, second])], &[pack(&[other])]]).await;
                consolidates(&[&[pack(&[other])], &[pack(&[first, second])]]).await;
                consolidates(&[&[pack(&[first, second]), pack(&[other])]]).await;
            }
        }
    }
}
