//! The screens of a repo, and of what is inside it.

use super::super::comparison::differing;
use super::super::contents::filled;
use super::super::fake_store::Fake;
use super::super::records::packed;
use super::pictures;

#[tokio::test]
async fn delete_branch() {
    insta::assert_snapshot!("confirm_branch", pictures(Fake::three, &["Enter", "x"]).await);
}

#[tokio::test]
async fn repair() {
    let store = || {
        let store = Fake::three();
        store.put_damage("gabriel/notes", &[3]);
        store
    };
    insta::assert_snapshot!("confirm_repair", pictures(store, &["Enter", "R"]).await);
}

#[tokio::test]
async fn commits() {
    insta::assert_snapshot!("commits", pictures(filled, &["b", "Down"]).await);
}

#[tokio::test]
async fn packs() {
    let store = || {
        let store = Fake::three();
        store.put_damage("gabriel/notes", &[3]);
        store
    };
    insta::assert_snapshot!("packs", pictures(store, &["P"]).await);
}

#[tokio::test]
async fn records_of_a_pack() {
    let keys = ["P", "Enter", "Down", "Down", "Down", "Down", "Down", "Down", "Down"];
    insta::assert_snapshot!("records", pictures(|| packed(1200), &keys).await);
}

#[tokio::test]
async fn comparison_of_packs() {
    let keys = ["P", "Space", "Down", "Space", "d", "Down"];
    insta::assert_snapshot!("comparison", pictures(|| differing(1200), &keys).await);
}

#[tokio::test]
async fn files() {
    insta::assert_snapshot!("files", pictures(filled, &["b", "Enter", "Down"]).await);
}

#[tokio::test]
async fn record_of_a_commit() {
    insta::assert_snapshot!("entity_commit", pictures(filled, &["b", "i"]).await);
}

#[tokio::test]
async fn bytes() {
    let keys = ["f", "0", "e", "0", "e", "Enter", "Enter"];
    insta::assert_snapshot!("entity_bytes", pictures(filled, &keys).await);
}

#[tokio::test]
async fn find() {
    insta::assert_snapshot!("find", pictures(filled, &["6", "0", "b", "0", "b", "Enter"]).await);
}

#[tokio::test]
async fn repo() {
    insta::assert_snapshot!("repo", pictures(Fake::three, &["Enter"]).await);
}
