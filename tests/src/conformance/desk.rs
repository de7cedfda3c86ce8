//! A repo of a catalog, and shorthands to publish to it and to read it. Entities, commits and packs
//! have numbers.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use packhouse_core::row::Fingerprint;
use packhouse_core::{Ancestor, Counts, Edges, EntityId, Form, Head, Kind};
use packhouse_host::catalog::{
    Catalog, CompletePack, Consolidation, DroppedEntity, EntityKey, IndexRow, LockGuard, LockMode,
    MovedEntity, NewEntity, PublishOutcome, Push, PushedPack, RepoRow, Shelf, Snapshot, Sums,
    TagRow, entity_key,
};
use packhouse_host::{MpackKey, RepoId, RepoName, ShelfId, Visibility};

/// Length of every record, in bytes.
pub const LENGTH: u64 = 10;

/// So many seconds after the day began.
pub fn at(seconds: i64) -> Timestamp {
    let morning: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
    morning + SignedDuration::from_secs(seconds)
}

pub fn name(text: &str) -> RepoName {
    text.parse().unwrap()
}

/// A pack's key. They order as their numbers do.
pub fn key(number: u64) -> MpackKey {
    MpackKey::new(digest(number))
}

/// An id. They order as their numbers do.
pub fn id(number: u64) -> EntityId {
    EntityId::new(Form::Bare, digest(number))
}

fn digest(number: u64) -> [u8; 32] {
    let mut digest = [0xab; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    digest
}

/// A row of the index. Every other one is in the encoding that is not written down.
pub fn row(kind: Kind, number: u64) -> IndexRow {
    let mut row = IndexRow { entity: entity_key(kind, id(number)), fingerprint: [0; 16] };
    if number % 2 == 1 {
        row.fingerprint[..8].copy_from_slice(&number.to_be_bytes());
    }
    row
}

pub fn fresh(kind: Kind, numbers: Range<u64>) -> Vec<NewEntity> {
    numbers.map(|number| NewEntity { row: row(kind, number), bytes: LENGTH }).collect()
}

/// Objects that move to another shelf, where they are in another encoding and longer by one.
pub fn moved(numbers: Range<u64>, from: ShelfId) -> Vec<MovedEntity> {
    let other = |number| IndexRow { fingerprint: [7; 16], ..row(Kind::Object, number) };
    numbers
        .map(|number| MovedEntity {
            row: other(number),
            bytes: LENGTH + 1,
            from,
            bytes_there: LENGTH,
        })
        .collect()
}

/// A pack with some new objects.
pub fn pack(number: u64, objects: Range<u64>) -> PushedPack {
    let fresh = fresh(Kind::Object, objects);
    let records = fresh.len() as u64;
    PushedPack {
        key: key(number),
        bytes: 1000 + number,
        records,
        fresh,
        moved: Vec::new(),
        tags: Vec::new(),
    }
}

pub fn edges(commit: u64, parents: &[u64]) -> Edges {
    let parent = |n: usize| parents.get(n).copied().map(id);
    Edges {
        commit: id(commit),
        parents: [parent(0), parent(1)],
        snapshot: Some(id(commit + 1_000_000)),
    }
}

/// The edges of commits that a catalog returned.
pub fn edges_of(found: &[Ancestor]) -> Vec<Edges> {
    found.iter().map(|one| one.edges).collect()
}

/// A tag of a commit. Its text names its number.
pub fn tag(number: u64, commit: u64) -> TagRow {
    TagRow { entity: id(number), text: format!("tag {number}"), commit: id(commit) }
}

/// What may be found out about a complete pack, of so many objects.
pub fn complete(objects: u64) -> CompletePack {
    CompletePack {
        heads_digest: digest(objects),
        heads: vec![id(1), id(2)],
        missing: vec![row(Kind::Snapshot, 1).entity, row(Kind::Object, 7).entity],
        counts: Counts { commits: 2, snapshots: 2, objects, tags: 1 },
    }
}

pub fn head(branch: &str, commit: u64) -> Head {
    Head { branch: branch.to_owned(), commit: id(commit) }
}

/// A repo of a catalog.
#[derive(Clone, Debug)]
pub struct Desk {
    pub catalog: Arc<dyn Catalog>,
    pub name: RepoName,
    /// The catalog's number of it.
    pub repo: i64,
}

impl Desk {
    /// The new repo `a/b`.
    pub async fn new(catalog: &Arc<dyn Catalog>) -> Desk {
        Desk::named(catalog, "a/b").await
    }

    pub async fn named(catalog: &Arc<dyn Catalog>, text: &str) -> Desk {
        let made =
            catalog.create_repo(&name(text), unused_id(), Visibility::Public, at(0)).await.unwrap();
        Desk {
            catalog: catalog.clone(),
            name: name(text),
            repo: made.expect("the name is free").id,
        }
    }

    pub async fn snapshot(&self) -> Box<dyn Snapshot> {
        self.catalog.snapshot(self.repo).await.unwrap()
    }

    pub async fn row(&self) -> RepoRow {
        self.snapshot().await.repo().clone()
    }

    pub async fn shelves(&self) -> Vec<Shelf> {
        self.snapshot().await.shelves().await.unwrap()
    }

    pub async fn shelf(&self, at: usize) -> ShelfId {
        self.shelves().await[at].id
    }

    /// Keys of the packs on its shelves, in their order.
    pub async fn on_shelves(&self) -> Vec<MpackKey> {
        self.shelves().await.iter().map(|shelf| shelf.pack.key).collect()
    }

    /// Keys of its retired packs.
    pub async fn retired(&self) -> Vec<MpackKey> {
        self.snapshot()
            .await
            .retired()
            .await
            .unwrap()
            .iter()
            .map(|retired| retired.pack.key)
            .collect()
    }

    /// All of its index.
    pub async fn index(&self) -> Vec<(IndexRow, ShelfId)> {
        let (mut snapshot, mut index) = (self.snapshot().await, Vec::new());
        loop {
            let after = index.last().map(|(row, _): &(IndexRow, ShelfId)| row.entity);
            let page = snapshot.index_page(after.as_ref(), u32::MAX).await.unwrap();
            if page.is_empty() {
                return index;
            }
            index.extend(page);
        }
    }

    /// A push on the repo as it is now.
    pub async fn prepare(&self, packs: Vec<PushedPack>) -> Push {
        let (known, edges, heads) = (Vec::new(), Vec::new(), Vec::new());
        let broken = Vec::new();
        Push {
            repo: self.row().await,
            packs,
            known,
            edges,
            heads,
            broken,
            complete: None,
            forced: false,
            fence: None,
            now: at(1),
        }
    }

    pub async fn publishing(&self) -> LockGuard {
        self.catalog.lock(LockMode::Publishing).await.unwrap()
    }

    pub async fn publish(&self, push: &Push) -> PublishOutcome {
        self.catalog.publish_push(push, &self.publishing().await).await.unwrap()
    }

    /// Pushes.
    pub async fn push(&self, packs: Vec<PushedPack>) {
        let push = self.prepare(packs).await;
        self.done(&push).await;
    }

    /// Publishes a push that nothing is in the way of.
    pub async fn done(&self, push: &Push) {
        let published = self.publish(push).await;
        assert!(matches!(published, PublishOutcome::Done { rows } if rows > 0), "{published:?}");
        self.adds_up().await;
    }

    /// A consolidation of all that the repo has now, into a pack.
    pub async fn plan(&self, number: u64) -> Consolidation {
        let shelves = self.shelves().await;
        Consolidation {
            repo: self.row().await,
            planned: shelves.iter().map(|shelf| (shelf.id, shelf.generation)).collect(),
            key: key(number),
            bytes: 1000 + number,
            records: shelves.iter().map(|shelf| shelf.mapped.total()).sum(),
            dropped: Vec::new(),
            complete: None,
            fence: None,
            now: at(2),
        }
    }

    pub async fn apply(&self, plan: &Consolidation) -> PublishOutcome {
        let published =
            self.catalog.publish_consolidation(plan, &self.publishing().await).await.unwrap();
        self.adds_up().await;
        published
    }

    /// Consolidates; gives how many rows that changed.
    pub async fn consolidate(&self, number: u64) -> u64 {
        match self.apply(&self.plan(number).await).await {
            PublishOutcome::Done { rows } => rows,
            other => panic!("{other:?}"),
        }
    }

    /// What a consolidation drops, where the index maps it to.
    pub async fn drops(&self, kind: Kind, numbers: Range<u64>) -> Vec<DroppedEntity> {
        let entities: Vec<EntityKey> = numbers.map(|number| row(kind, number).entity).collect();
        let places = self.snapshot().await.lookup(&entities).await.unwrap();
        let dropped = |(entity, place): (&EntityKey, &Option<(ShelfId, Fingerprint)>)| {
            DroppedEntity { entity: *entity, shelf: place.unwrap().0, bytes: LENGTH }
        };
        entities.iter().zip(&places).map(dropped).collect()
    }

    /// A repo's sums are those of its shelves; what its index maps to a shelf is what the shelf
    /// counts; and what was published to it adds up.
    pub async fn adds_up(&self) {
        let mut snapshot = self.snapshot().await;
        let (shelves, retired) =
            (snapshot.shelves().await.unwrap(), snapshot.retired().await.unwrap());
        let sums = snapshot.repo().sums;
        assert_eq!(sums, Sums::of(&shelves, &retired));
        assert!(
            retired
                .iter()
                .all(|retired| shelves.iter().all(|shelf| shelf.pack.key != retired.pack.key)),
            "held, and retired"
        );
        let changes = snapshot.changes(u32::MAX).await.unwrap();
        let added = (
            changes.iter().map(|c| c.packs).sum::<i64>(),
            changes.iter().map(|c| c.bytes).sum::<i64>(),
        );
        assert_eq!(added, (sums.packs as i64, sums.bytes as i64), "{changes:?}");
        let line = self.catalog.repo(&self.name).await.unwrap().unwrap();
        assert_eq!((line.sums, line.revision), (sums, snapshot.repo().revision));
        drop(snapshot);
        self.is_listed_as_it_is().await;
    }

    /// A list of repos says of it what its snapshot shows.
    pub async fn is_listed_as_it_is(&self) {
        let all = self.catalog.listed(None, 99).await.unwrap();
        let listed = all.into_iter().find(|repo| repo.row.id == self.repo).unwrap();
        let mut snapshot = self.snapshot().await;
        assert_eq!(format!("{:?}", listed.row), format!("{:?}", snapshot.repo()));
        let shelves = snapshot.shelves().await.unwrap();
        let mapped = shelves.iter().filter(|shelf| shelf.mapped.total() > 0);
        let keys: BTreeSet<MpackKey> = mapped.map(|shelf| shelf.pack.key).collect();
        assert!(listed.pack_keys.iter().eq(&keys), "{:?} {keys:?}", listed.pack_keys);
        assert_eq!(listed.heads, snapshot.heads().await.unwrap());
        let oldest = shelves.iter().map(|shelf| shelf.pack.last_check()).min();
        assert_eq!(listed.oldest_check, oldest);
        assert_eq!(listed.damaged, snapshot.damage().await.unwrap().len() as u64);
        drop(snapshot);
        let last = self.catalog.gc_history(self.repo, 1).await.unwrap().pop();
        assert_eq!(listed.last_gc, last);
    }
}

/// A public id that no repo has.
pub fn unused_id() -> RepoId {
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    RepoId(format!("{:032x}", DRAWN.fetch_add(1, Ordering::SeqCst)))
}
