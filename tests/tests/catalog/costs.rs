//! What pushes and lookups of many entities cost, measured: `cargo test --release --test catalog costs
//! -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use packhouse_core::{EntityId, Form, Kind};
use packhouse_host::CatalogPlace;
use packhouse_host::catalog::{
    Catalog, EntityKey, IndexRow, NewEntity, PublishOutcome, PushedPack, entity_key,
};
use packhouse_tests::conformance::desk::{Desk, LENGTH, pack};
use packhouse_tests::postgres::cluster;

/// Entities of a push.
const PUSHED: u64 = 50_000;

/// Pushes before the ones that are measured.
const PUSHES: u64 = 20;

/// The key of an object: a hash, as far as the index can tell.
fn key(number: u64) -> EntityKey {
    let mut digest = [0; 32];
    for (at, part) in digest.chunks_exact_mut(8).enumerate() {
        let mixed = (4 * number + at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        part.copy_from_slice(
            &(mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb).to_be_bytes(),
        );
    }
    entity_key(Kind::Object, EntityId::new(Form::Bare, digest))
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}

/// The time that publishing a push takes.
async fn push(desk: &Desk, number: u64) -> Duration {
    let numbers = number * PUSHED..(number + 1) * PUSHED;
    let row = |number| IndexRow { entity: key(number), fingerprint: [0; 16] };
    let mut fresh: Vec<NewEntity> =
        numbers.map(|number| NewEntity { row: row(number), bytes: LENGTH }).collect();
    fresh.sort_unstable_by_key(|new| new.row.entity);
    let push = desk.prepare(vec![PushedPack { fresh, ..pack(number, 0..0) }]).await;
    let begun = now();
    assert!(matches!(desk.publish(&push).await, PublishOutcome::Done { .. }));
    begun.elapsed()
}

/// The time that looking up takes, in a snapshot of its own.
async fn lookup(desk: &Desk, numbers: impl Iterator<Item = u64>) -> Duration {
    let keys: Vec<EntityKey> = numbers.map(key).collect();
    let mut snapshot = desk.snapshot().await;
    let begun = now();
    let found = snapshot.lookup(&keys).await.unwrap();
    let elapsed = begun.elapsed();
    assert_eq!(found.len(), keys.len());
    elapsed
}

async fn measure(what: &str, catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let mut times = Vec::new();
    for number in 0..PUSHES + 12 {
        times.push(push(&desk, number).await);
    }
    let mean = |times: &[Duration]| times.iter().sum::<Duration>() / times.len() as u32;
    let into_many = &times[PUSHES as usize..];
    println!(
        "{what}: push of {PUSHED} into 0: {:?}; into {}: mean {:?}, most {:?}",
        times[0],
        PUSHES * PUSHED,
        mean(into_many),
        into_many.iter().max().unwrap(),
    );
    let all = (PUSHES + 12) * PUSHED;
    println!(
        "{what}: of {all}: {PUSHED} unknown {:?}, 12 unknown {:?}, 12 000 known {:?}, 12 known {:?}",
        lookup(&desk, all..all + PUSHED).await,
        lookup(&desk, all..all + 12).await,
        lookup(&desk, (0..12_000).map(|n| n * 97)).await,
        lookup(&desk, (0..12).map(|n| n * 97)).await,
    );
    let mut snapshot = desk.snapshot().await;
    let (begun, mut last, mut rows) = (now(), None, 0);
    while let page = snapshot.index_page(last.as_ref(), 8192).await.unwrap()
        && let Some((row, _)) = page.last()
    {
        rows += page.len();
        last = Some(row.entity);
    }
    println!("{what}: {rows} rows, page by page: {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, for a minute"]
async fn pushes_and_lookups_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = CatalogPlace::Sqlite(folder.path().join("catalog.db"));
    measure("SQLite", place.open().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, for a minute"]
async fn pushes_and_lookups_in_a_database() {
    let Some(cluster) = cluster() else { return };
    let place = CatalogPlace::Postgres(cluster.database("costs"));
    measure("Postgres", place.open().await.unwrap()).await;
}
