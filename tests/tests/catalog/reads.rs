//! What statements read of a repo with much of everything is what they were given the keys of, also
//! where the statistics of the server say that the repo has next to nothing.

use packhouse_core::Kind;
use packhouse_host::catalog::{Consolidation, EntityKey, PublishOutcome, PushedPack};
use packhouse_tests::conformance::desk::{self, Desk};
use packhouse_tests::postgres::cluster;

use super::plans::{rows_read, with_stale_statistics};
use super::postgres_only::open;

const OBJECTS: u64 = 6000;
const BRANCHES: u64 = 2000;

fn objects(numbers: std::ops::Range<u64>) -> Vec<EntityKey> {
    numbers.map(|number| desk::row(Kind::Object, number).entity).collect()
}

/// How many rows something reads.
async fn reads(url: &str, act: impl AsyncFnOnce(&Desk)) -> i64 {
    let before = rows_read(url, open(url).await).await;
    let catalog = open(url).await;
    let name = desk::name("new/repo");
    let repo = catalog.repo(&name).await.unwrap().unwrap().id;
    let desk = Desk { catalog: catalog.clone(), name, repo };
    act(&desk).await;
    drop(desk);
    rows_read(url, catalog).await - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recent_entities_branches_and_packs_are_read_by_key_even_where_statistics_are_of_others() {
    let Some(cluster) = cluster() else { return };
    let url = with_stale_statistics(cluster, "stale_keys").await;
    let catalog = open(&url).await;
    let desk = Desk::named(&catalog, "new/repo").await;
    let fresh = desk::fresh(Kind::Object, 0..OBJECTS);
    let mut push = desk.prepare(vec![PushedPack { fresh, ..desk::pack(999, 0..0) }]).await;
    push.heads = (0..BRANCHES).map(|n| desk::head(&format!("b{n}"), n)).collect();
    desk.done(&push).await;
    let told = catalog.freshen(&desk.row().await, &objects(0..OBJECTS), desk::at(10)).await;
    assert!(told.unwrap());
    drop((desk, catalog, push));

    // Who may push is told of 300 objects that they are there: all were recent before.
    let told = reads(&url, async |desk| {
        let row = desk.row().await;
        assert!(desk.catalog.freshen(&row, &objects(0..300), desk::at(20)).await.unwrap());
        assert_eq!(desk.row().await.freshenings, row.freshenings, "nothing was written");
    });
    let read = told.await;
    assert!(read <= 500, "to tell of 300 has read {read} rows");

    let dropped = reads(&url, async |desk| {
        let dropped = desk.drops(Kind::Object, 0..300).await;
        let plan = Consolidation { dropped, ..desk.plan(1000).await };
        let published = desk.catalog.publish_consolidation(&plan, &desk.publishing().await).await;
        assert!(matches!(published.unwrap(), PublishOutcome::Done { .. }));
    });
    let read = dropped.await;
    assert!(read <= 3000, "to drop 300 has read {read} rows");

    let catalog = open(&url).await;
    let repo = catalog.repo(&desk::name("new/repo")).await.unwrap().unwrap().id;
    let many = Desk { catalog: catalog.clone(), name: desk::name("new/repo"), repo };
    many.push((0..300).map(|n| desk::pack(10_000 + n, 100_000 + n..100_001 + n)).collect()).await;
    drop((many, catalog));
    let pushed = reads(&url, async |desk| {
        let mut push = desk.prepare(vec![desk::pack(20_000, 200_000..200_001)]).await;
        push.forced = true;
        push.heads = vec![desk::head("b7", 9_999)];
        assert!(matches!(desk.publish(&push).await, PublishOutcome::Done { .. }));
        let left = desk.snapshot().await.left_heads(desk::at(0)).await.unwrap();
        assert_eq!(left, [desk::id(7)]);
    });
    let read = pushed.await;
    assert!(read <= 100, "to push to a branch has read {read} rows");
}
