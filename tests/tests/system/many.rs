//! Many branches, wants and haves: the rows of the commit graph that are read grow in step with
//! them, and no faster.

use packhouse_host::sample::{IdForm, Value};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::{FetchRequest, Progress, PushOptions, RepoName, Store, Visibility};
use packhouse_tests::faulty::{self, Fault};
use packhouse_tests::store::options;
use tempfile::TempDir;

struct Place {
    store: Store,
    fault: Fault,
    repo: RepoName,
    folder: TempDir,
}

impl Place {
    async fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let fault = Fault::never();
        let sandbox = Sandbox::reference(None).unwrap();
        let store =
            faulty::open(options(&folder.path().join("data")), sandbox, &fault).await.unwrap();
        let repo: RepoName = "a/b".parse().unwrap();
        store.create_repo(&repo, Visibility::Public).await.unwrap();
        Place { store, fault, repo, folder }
    }

    /// Pushes a pack, and returns how many rows of the commit graph were read for it.
    async fn push(&self, pack: &[u8]) -> u64 {
        let file = self.folder.path().join("pack.mpack");
        std::fs::write(&file, pack).unwrap();
        self.fault.walked().take();
        self.store
            .push(&self.repo, &[file], PushOptions::default(), &Progress::silent())
            .await
            .unwrap();
        self.fault.walked().take().1
    }

    /// The same of a fetch, with its calls; and how many commits are in the answer.
    async fn fetch(&self, want: &[String], have: &[String]) -> (u64, (u64, u64)) {
        let request =
            FetchRequest { want: want.to_vec(), have: have.to_vec(), ..FetchRequest::default() };
        self.fault.walked().take();
        let report = self.store.fetch(&self.repo, &request, &Progress::silent()).await.unwrap();
        (report.commit_count, self.fault.walked().take())
    }
}

fn id(text: &str) -> String {
    IdForm::Prefixed.id_of(text.as_bytes())
}

fn commit(name: &str, parent: Option<&str>) -> Value {
    Value::map([
        ("commit_id", Value::text(id(name))),
        ("parent_commit_id", Value::text_or_nil(parent.map(id))),
        ("parent2_commit_id", Value::Nil),
        ("snapshot_id", Value::text(id("the snapshot"))),
    ])
}

/// A pack of commits, with branch heads.
fn pack(commits: Vec<Value>, heads: Vec<(String, String)>) -> Vec<u8> {
    let snapshot = Value::map([
        ("snapshot_id", Value::text(id("the snapshot"))),
        ("parent_snapshot_id", Value::Nil),
        ("delta_upsert", Value::map(Vec::<(String, Value)>::new())),
        ("delta_remove", Value::Array(Vec::new())),
    ]);
    let heads = heads.into_iter().map(|(branch, name)| (branch, Value::text(id(&name))));
    Value::map([
        ("commits", Value::Array(commits)),
        ("snapshots", Value::Array(vec![snapshot])),
        ("objects", Value::Array(Vec::new())),
        ("branch_heads", Value::map(heads)),
    ])
    .encode()
}

/// A chain of so many commits, `c0` first, with `main` at its end.
fn chain(length: usize) -> Vec<u8> {
    let commits = (0..length)
        .map(|n| commit(&format!("c{n}"), n.checked_sub(1).map(|n| format!("c{n}")).as_deref()));
    pack(commits.collect(), vec![("main".into(), format!("c{}", length - 1))])
}

/// Branches of one commit each, number `round` of each branch; the first have the parent `c0`.
fn branches(count: usize, round: usize) -> Vec<u8> {
    let name = |n: usize, round: usize| format!("b{n}-{round}");
    let parent = |n: usize| {
        round.checked_sub(1).map_or_else(|| "c1499".to_owned(), |before| name(n, before))
    };
    let commits = (0..count).map(|n| commit(&name(n, round), Some(&parent(n))));
    pack(commits.collect(), (0..count).map(|n| (format!("b{n}"), name(n, round))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_reads_rows_in_step_with_its_wants_and_haves() {
    let place = Place::new().await;
    place.push(&chain(4_000)).await;
    let ids =
        |range: std::ops::Range<usize>| range.map(|n| id(&format!("c{n}"))).collect::<Vec<_>>();
    for count in [1_000, 2_000, 4_000] {
        // All that the client has, and every other commit wanted: most of it is had already.
        let (want, have) = (ids(0..count), ids(0..count / 2));
        let (commits, (calls, rows)) = place.fetch(&want, &have).await;
        assert_eq!(commits, count as u64 / 2);
        assert!(rows <= 4 * count as u64 + 4_000, "{count} wants: {rows} rows");
        assert!(calls <= 50, "{count} wants: {calls} calls");
        // The client has all of it.
        let (commits, (calls, rows)) = place.fetch(&have, &want).await;
        assert_eq!(commits, 0);
        assert!(rows <= 4 * count as u64 + 4_000, "{count} haves: {rows} rows");
        assert!(calls <= 50, "{count} haves: {calls} calls");
    }
}

/// What the client has is on another branch, and no ancestor of what it wants.
#[tokio::test(flavor = "multi_thread")]
async fn a_negotiation_reads_no_commits_that_are_older_than_what_the_client_has() {
    let place = Place::new().await;
    place.push(&chain(4_000)).await;
    let other = pack(vec![commit("other", Some("c3900"))], vec![("other".into(), "other".into())]);
    place.push(&other).await;
    let (want, have) = ([id("c3999")], vec![id("other")]);
    place.fault.walked().take();
    let (ack, base) = place.store.common(&place.repo, &want, have.clone(), false).await.unwrap();
    assert_eq!((ack, base), (have, None));
    let (calls, rows) = place.fault.walked().take();
    assert!(rows <= 300 && calls <= 10, "{rows} rows in {calls} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_reads_rows_in_step_with_the_branches_that_it_names() {
    let place = Place::new().await;
    place.push(&chain(1_500)).await;
    for round in 0..3 {
        let rows = place.push(&branches(300, round)).await;
        assert!(rows <= 300 * 40, "round {round}: {rows} rows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_one_branch_reads_as_much_beside_many_as_beside_few() {
    let rows_beside = async |count: usize| {
        let place = Place::new().await;
        place.push(&chain(1_500)).await;
        place.push(&branches(count, 0)).await;
        place
            .push(&pack(vec![commit("more", Some("c1499"))], vec![("main".into(), "more".into())]))
            .await
    };
    assert_eq!(rows_beside(1_500).await, rows_beside(10).await);
}
