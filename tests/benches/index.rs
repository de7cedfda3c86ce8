//! What pushes and lookups of many entities cost in the catalog, on SQLite and on Postgres: in index
//! runs, and beside them lookups in the table that came before (`old_entities`).
//!
//! ```text
//! cargo bench -p packhouse-tests --bench index             1.6 million entities
//! cargo bench -p packhouse-tests --bench index -- 1e7      so many
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use packhouse_core::{EntityId, Form, Kind};
use packhouse_host::CatalogPlace;
use packhouse_host::catalog::merge_index::merge_index;
use packhouse_host::catalog::{
    Catalog, EntityKey, IndexRow, NewEntity, PublishOutcome, PushedPack, RunsToMerge, entity_key,
};
use packhouse_tests::conformance::desk::{Desk, LENGTH, at, pack};
use packhouse_tests::place::sql_in;
use packhouse_tests::postgres::cluster;

/// Entities of a push.
const PUSHED: u64 = 50_000;

/// Rows that a statement writes into the table.
const INSERTED: u64 = 5000;

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

/// The time that publishing a push takes.
async fn push(desk: &Desk, number: u64) -> Duration {
    let numbers = number * PUSHED..(number + 1) * PUSHED;
    let row = |number| IndexRow { entity: key(number), fingerprint: [0; 16] };
    let mut fresh: Vec<NewEntity> =
        numbers.map(|number| NewEntity { row: row(number), bytes: LENGTH }).collect();
    fresh.sort_unstable_by_key(|new| new.row.entity);
    let push = desk.prepare(vec![PushedPack { fresh, ..pack(number, 0..0) }]).await;
    let begun = Instant::now();
    assert!(matches!(desk.publish(&push).await, PublishOutcome::Done { .. }));
    begun.elapsed()
}

/// The time that merges of a repo take.
async fn merge(catalog: &Arc<dyn Catalog>, desk: &Desk, runs: RunsToMerge) -> Duration {
    let begun = Instant::now();
    merge_index(catalog.as_ref(), desk.repo, runs, &|| at(0)).await.unwrap();
    begun.elapsed()
}

/// A repo whose entities are rows of the table.
async fn with_table(place: &CatalogPlace, catalog: &Arc<dyn Catalog>, entities: u64) -> Desk {
    let desk = Desk::named(catalog, "old/table").await;
    let push = desk.prepare(vec![pack(entities, 0..0)]).await;
    assert!(matches!(desk.publish(&push).await, PublishOutcome::Done { .. }));
    let shelf = desk.snapshot().await.shelves().await.unwrap()[0].id.0;
    let (opens, closes) = match place {
        CatalogPlace::Sqlite(_) => ("X'", "'"),
        CatalogPlace::Postgres(_) => ("'\\x", "'"),
    };
    for first in (0..entities).step_by(INSERTED as usize) {
        let mut insert = "INSERT INTO old_entities (repo, entity, shelf) VALUES ".to_owned();
        for number in first..entities.min(first + INSERTED) {
            let comma = if number == first { "" } else { "," };
            let entity = hex::encode(key(number));
            write!(insert, "{comma}({}, {opens}{entity}{closes}, {shelf})", desk.repo).unwrap();
        }
        sql_in(place, insert).await;
    }
    sql_in(place, format!("UPDATE repos SET old_index = 1 WHERE id = {}", desk.repo)).await;
    desk
}

/// The median time of looking up, each time in a snapshot of its own.
async fn lookup(desk: &Desk, numbers: impl Iterator<Item = u64>) -> Duration {
    let keys: Vec<EntityKey> = numbers.map(key).collect();
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut snapshot = desk.snapshot().await;
        let begun = Instant::now();
        let found = snapshot.lookup(&keys).await.unwrap();
        times.push(begun.elapsed());
        assert_eq!(found.len(), keys.len());
    }
    times.sort_unstable();
    times[2]
}

async fn measure(what: &str, place: CatalogPlace, entities: u64) {
    let catalog = place.open().await.unwrap();
    let desk = Desk::new(&catalog).await;
    let pushes = entities / PUSHED;
    let (mut times, mut merges) = (Vec::new(), Vec::new());
    for number in 0..pushes {
        times.push(push(&desk, number).await);
        // As a worker does.
        merges.push(merge(&catalog, &desk, RunsToMerge::Due).await);
    }
    let into_many = &times[times.len().saturating_sub(12)..];
    let mean = into_many.iter().sum::<Duration>() / into_many.len() as u32;
    let ratio = |time: &Duration| time.as_secs_f64() / times[0].as_secs_f64();
    println!(
        "{what}: {PUSHED} into 0: {:?}; the last 12, into up to {entities}: mean {:.2}, most {:.2} of that",
        times[0],
        ratio(&mean),
        ratio(into_many.iter().max().unwrap()),
    );
    println!(
        "{what}: merges beside them: {:.2} of the pushes, the longest {:.2} of the push into 0",
        merges.iter().sum::<Duration>().as_secs_f64()
            / times.iter().sum::<Duration>().as_secs_f64(),
        ratio(merges.iter().max().unwrap()),
    );
    let entities = pushes * PUSHED;
    let table = with_table(&place, &catalog, entities).await;
    let step = entities / 12_000;
    let lookups = [
        ("50 000 unknown", (entities..entities + 50_000).collect::<Vec<_>>()),
        ("12 unknown", (entities..entities + 12).collect()),
        ("12 000 known", (0..12_000).map(|n| n * step).collect()),
        ("12 000 known, of one push", (0..12_000).map(|n| PUSHED + n).collect()),
        ("12 known", (0..12).map(|n| n * step).collect()),
    ];
    for runs in ["runs", "one run"] {
        for (asked, numbers) in &lookups {
            let in_runs = lookup(&desk, numbers.iter().copied()).await;
            let in_table = lookup(&table, numbers.iter().copied()).await;
            println!(
                "{what}: {asked} of {entities}: table {in_table:?}, {runs} {in_runs:?}: {:.2}",
                in_runs.as_secs_f64() / in_table.as_secs_f64()
            );
        }
        // As a full consolidation does.
        let merged = merge(&catalog, &desk, RunsToMerge::All).await;
        println!("{what}: all runs into one: {:.2} of the push into 0", ratio(&merged));
    }
    let mut rates = Vec::new();
    for desk in [&table, &desk] {
        let mut snapshot = desk.snapshot().await;
        let (begun, mut last, mut rows) = (Instant::now(), None, 0);
        while let page = snapshot.index_page(last.as_ref(), 8192).await.unwrap()
            && let Some((row, _)) = page.last()
        {
            rows += page.len();
            last = Some(row.entity);
        }
        assert_eq!(rows as u64, entities);
        rates.push(begun.elapsed());
    }
    let ratio = rates[1].as_secs_f64() / rates[0].as_secs_f64();
    println!("{what}: all rows in pages: table {:?}, runs {:?}: {ratio:.2}", rates[0], rates[1]);
}

fn main() {
    let asked = std::env::args().skip(1).find_map(|arg| arg.parse::<f64>().ok());
    let entities = asked.map_or(1_600_000, |number| number as u64).max(PUSHED);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        measure("SQLite", CatalogPlace::Sqlite(folder.path().join("catalog.db")), entities).await;
        let Some(cluster) = cluster() else { return };
        measure("Postgres", CatalogPlace::Postgres(cluster.database("index")), entities).await;
    });
}
