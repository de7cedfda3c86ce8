//! Places of entities: what a `Locator` finds is what whole directories say.

use std::collections::BTreeSet;
use std::sync::Arc;

use packhouse_catalog::{PackRow, Snapshot, entity_of};
use packhouse_core::{EntityId, Form, Kind, Row};
use packhouse_model::error::{DamageError, Error};
use packhouse_model::operation::GcOptions;
use packhouse_model::progress::Progress;
use packhouse_pack::Directory;
use packhouse_run::{DirectoryHeads, LocatedRow, Locator};

use super::Fixture;
use crate::load::distinct_packs;

/// A repo's index with its packs.
struct Index {
    snapshot: Box<dyn Snapshot>,
    packs: Vec<PackRow>,
    entities: Vec<(Kind, EntityId)>,
}

async fn index(fixture: &Fixture) -> Index {
    let row = fixture.store.catalog.repo(&fixture.repo).await.unwrap().unwrap();
    let mut snapshot = fixture.store.catalog.snapshot(row.id).await.unwrap();
    let packs = distinct_packs(&snapshot.shelves().await.unwrap());
    let rows = snapshot.index_page(None, 10_000).await.unwrap();
    let entities = rows.iter().map(|(row, _)| entity_of(&row.entity).unwrap()).collect();
    Index { snapshot, packs, entities }
}

fn locator(fixture: &Fixture, heads: &Arc<DirectoryHeads>, packs: &[PackRow]) -> Locator {
    let vault = fixture.store.vault.clone();
    Locator::new(fixture.repo.clone(), vault, heads.clone(), packs.to_vec())
}

/// Locates all entities of an index, one kind after the other.
async fn locate_all(locator: &mut Locator, index: &mut Index) -> Result<Vec<LocatedRow>, Error> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let of_kind = index.entities.iter().filter(|(found, _)| *found == kind);
        let ids: Vec<EntityId> = of_kind.map(|(_, id)| *id).collect();
        let found = locator.locate(index.snapshot.as_mut(), kind, &ids).await?;
        for (id, found) in ids.iter().zip(found) {
            let found = found.expect("it is in the index");
            assert_eq!((found.row.kind, found.row.id), (kind, *id));
            all.push(found);
        }
    }
    Ok(all)
}

/// Checks places against whole directories.
async fn assert_right(fixture: &Fixture, index: &Index, found: &[LocatedRow]) {
    let directories = fixture.store.directories(&fixture.repo, &index.packs).await.unwrap();
    for LocatedRow { pack, number, row } in found {
        assert_eq!(directories[*pack as usize].directory.row(*number), Some(*row));
    }
}

/// The stored directory of a pack.
async fn stored(fixture: &Fixture, pack: &PackRow) -> Directory {
    let file = fixture.store.vault.directory(&pack.key).await.unwrap().unwrap();
    Directory::read(pack.key, file).unwrap()
}

/// Stores a directory of as many rows, in which every id is another one.
async fn put_wrong(fixture: &Fixture, pack: &PackRow) {
    let wrong = |row: Row| Row { id: EntityId::new(Form::Bare, [9; 32]), ..row };
    let rows: Vec<Row> = stored(fixture, pack).await.rows().map(wrong).collect();
    let file = Directory::new(pack.key, pack.bytes, &rows).to_file();
    fixture.store.vault.put_directory(&pack.key, file).await.unwrap();
}

#[tokio::test]
async fn every_entity_of_the_index_is_located_before_and_after_gc() {
    let fixture = Fixture::with_history().await;
    let heads = Arc::default();
    for packs in [4, 1] {
        let mut index = index(&fixture).await;
        assert_eq!(index.packs.len(), packs);
        let mut locator = locator(&fixture, &heads, &index.packs);
        let found = locate_all(&mut locator, &mut index).await.unwrap();
        assert_right(&fixture, &index, &found).await;
        assert_eq!(found.iter().map(|found| found.pack).collect::<BTreeSet<_>>().len(), packs);
        // Mixed with one that is not there, repeated, and in another order.
        let (kind, id) = index.entities[0];
        let other = EntityId::new(Form::Bare, [9; 32]);
        let mixed = locator.locate(index.snapshot.as_mut(), kind, &[id, other, id]).await.unwrap();
        assert!(mixed[0].is_some() && mixed[0] == mixed[2] && mixed[1].is_none(), "{mixed:?}");
        fixture.store.gc(&fixture.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    }
}

#[tokio::test]
async fn the_wrong_encoding_is_not_located() {
    let fixture = Fixture::with_history().await;
    let mut index = index(&fixture).await;
    let found = locate_all(&mut locator(&fixture, &Arc::default(), &index.packs), &mut index).await;
    let LocatedRow { pack, number, row } = found.unwrap()[0];
    // The directory of its pack has it with another fingerprint than the index.
    let pack = index.packs[pack as usize].clone();
    let mut rows: Vec<Row> = stored(&fixture, &pack).await.rows().collect();
    rows[number as usize].fingerprint[0] ^= 1;
    let file = Directory::new(pack.key, pack.bytes, &rows).to_file();
    fixture.store.vault.put_directory(&pack.key, file).await.unwrap();
    let found = locate_all(&mut locator(&fixture, &Arc::default(), &index.packs), &mut index).await;
    assert_eq!(found.unwrap()[0].row, row);
    assert_eq!(stored(&fixture, &pack).await.row(number), Some(row), "it was rebuilt");
}

#[tokio::test]
async fn a_directory_that_misses_an_entity_of_the_index_is_rebuilt_once() {
    let fixture = Fixture::with_history().await;
    let mut index = index(&fixture).await;
    let heads: Arc<DirectoryHeads> = Arc::default();
    let packs = index.packs.clone();
    put_wrong(&fixture, &packs[0]).await;
    fixture.store.vault.put_directory(&packs[1].key, "PACKDIR2 and nonsense").await.unwrap();
    std::fs::remove_file(fixture.store.vault.file_of(&packs[2].key).unwrap().with_extension("dir"))
        .unwrap();
    let found = locate_all(&mut locator(&fixture, &heads, &packs), &mut index).await.unwrap();
    assert_right(&fixture, &index, &found).await;
    for pack in &packs {
        let rows = stored(&fixture, pack).await;
        assert!(rows.rows().all(|row| *row.id.digest() != [9; 32]), "it was stored again");
    }
    // Another time, a run of this process does not read the pack for it.
    put_wrong(&fixture, &packs[0]).await;
    let error = locate_all(&mut locator(&fixture, &Arc::default(), &packs[..1]), &mut index).await;
    assert!(matches!(error, Err(Error::Damage(DamageError::Lost { .. }))), "{error:?}");
    put_wrong(&fixture, &packs[0]).await;
    let error = locate_all(&mut locator(&fixture, &heads, &packs), &mut index).await;
    assert!(matches!(error, Err(Error::Damage(DamageError::Lost { .. }))), "{error:?}");
    assert_eq!(stored(&fixture, &packs[0]).await.row(0).unwrap().id.digest(), &[9; 32]);
}

#[tokio::test]
async fn an_entity_of_the_index_that_no_pack_has_is_an_error_that_names_it() {
    let fixture = Fixture::with_history().await;
    let mut index = index(&fixture).await;
    let (kind, id) = index.entities[0];
    let mut without = locator(&fixture, &Arc::default(), &[]);
    let error = without.locate(index.snapshot.as_mut(), kind, &[id]).await.unwrap_err();
    let Error::Damage(DamageError::Lost { kind: named_kind, id: named, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!((*named_kind, *named), (kind, id));
    assert!(error.to_string().contains("law/test"), "{error}");
}

#[tokio::test]
async fn a_record_that_another_pack_has_too_is_found_there() {
    let fixture = Fixture::with_history().await;
    let mut index = index(&fixture).await;
    let mut owners = Vec::new();
    for pack in &index.packs {
        owners.push(stored(&fixture, pack).await);
    }
    let found = locate_all(&mut locator(&fixture, &Arc::default(), &index.packs), &mut index)
        .await
        .unwrap();
    let has = |directory: &Directory, sought: &Row| {
        directory.rows().any(|row| (row.id, row.fingerprint) == (sought.id, sought.fingerprint))
    };
    let shared = found
        .iter()
        .find(|found| owners.iter().filter(|owner| has(owner, &found.row)).count() > 1)
        .expect("the packs overlap");
    let mut others = index.packs.clone();
    others.remove(shared.pack as usize);
    let mut without = locator(&fixture, &Arc::default(), &others);
    let (kind, id) = (shared.row.kind, shared.row.id);
    let elsewhere = without.locate(index.snapshot.as_mut(), kind, &[id]).await.unwrap();
    assert_eq!(elsewhere[0].unwrap().row.fingerprint, shared.row.fingerprint);
}

#[tokio::test]
async fn a_lookup_reads_no_pack_and_rewrites_what_is_old() {
    let fixture = Fixture::with_history().await;
    let mut index = index(&fixture).await;
    for pack in &index.packs {
        let old = super::leftovers::version_1(&stored(&fixture, pack).await);
        fixture.store.vault.put_directory(&pack.key, old).await.unwrap();
        std::fs::remove_file(fixture.store.vault.file_of(&pack.key).unwrap()).unwrap();
    }
    let found = locate_all(&mut locator(&fixture, &Arc::default(), &index.packs), &mut index).await;
    assert_right(&fixture, &index, &found.unwrap()).await;
    for pack in &index.packs {
        let file = fixture.store.vault.directory(&pack.key).await.unwrap().unwrap();
        assert!(Directory::is_current(&file));
    }
}
