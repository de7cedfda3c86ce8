//! What hosts answer to a component, by the rules of the WIT: pages, limits, places, refusals; and
//! which components a host runs.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use packhouse_core::ports::{MAX_IDS, MAX_ITEMS, MAX_ROWS};
use packhouse_core::{
    AccessError, Database, EntityId, Head, Kind, Limits, PackInfo, Page, PlanError, ROW_BYTES, Row,
    Span, Storage, consolidate,
};
use packhouse_host::pack::Directory;
use packhouse_host::run::{FetchHost, Loan, Locator, PackReader, PacksOnly, RunHost, RunPack};
use packhouse_host::sample::{HistoryOptions, PackBuilder, Value, history};
use packhouse_host::sandbox::{Planner, RunError, Sandbox, SandboxLimits};
use packhouse_host::vault::Vault;
use packhouse_tests::hostile::reworded;
use packhouse_tests::memory::{MemoryHost, entity_id};
use packhouse_tests::model;
use packhouse_tests::store::{TestStore, options};

/// The last released component: see `components/artifact/tests/artifact.rs`.
const RELEASED: &[u8] = include_bytes!("../../../components/artifact/tests/released.wasm");

const COMMITS: usize = 5000;
const BRANCHES: usize = 1030;

fn commit(number: usize) -> String {
    format!("{number:064x}")
}

fn id(number: usize) -> EntityId {
    entity_id(Kind::Commit, &commit(number))
}

/// More than a page of commits, branches and tags.
fn large_pack() -> Vec<u8> {
    let mut pack = PackBuilder::new();
    for number in 0..COMMITS {
        let parent = Value::text_or_nil(number.checked_sub(1).map(commit));
        let fields = [("commit_id", Value::text(commit(number))), ("parent_commit_id", parent)];
        pack.raw(Kind::Commit, Value::map(fields).encode());
    }
    for number in 0..BRANCHES {
        pack.branch_head(format!("b{number:04}"), commit(number));
        let fields = [
            ("tag_id", Value::text(format!("t{number:04}"))),
            ("commit_id", Value::text(commit(7))),
        ];
        pack.raw(Kind::Tag, Value::map(fields).encode());
    }
    pack.finish()
}

/// A run over the packs of a store, as a fetch has it.
async fn fetching(store: &TestStore) -> FetchHost {
    let catalog = options(&store.data()).catalog.open().await.unwrap();
    let row = catalog.repo(&store.repo).await.unwrap().unwrap();
    let mut snapshot = catalog.snapshot(row.id).await.unwrap();
    let heads = snapshot.heads().await.unwrap();
    let mut packs: Vec<_> =
        snapshot.shelves().await.unwrap().into_iter().map(|shelf| shelf.pack).collect();
    packs.sort_by_key(|pack| (std::cmp::Reverse(pack.records), pack.key));
    packs.dedup_by_key(|pack| pack.key);
    let vault = Vault::local(&store.data()).unwrap();
    let locator = Locator::new(store.repo.clone(), vault, Arc::default(), packs);
    FetchHost::new(locator, heads, snapshot, &Loan::default())
}

fn size<T>(page: Result<Page<T>, AccessError>) -> (usize, bool) {
    let page = page.unwrap();
    (page.items.len(), page.done)
}

/// Checks a list whose pages start at a number.
fn check_numbered(
    name: &str,
    count: usize,
    most: u32,
    mut page: impl FnMut(u64, u32) -> (usize, bool),
) {
    let all = count as u64;
    let whole = (count.min(most as usize), count <= most as usize);
    assert_eq!(page(0, 0), whole, "{name}: 0 means the host's maximum");
    assert_eq!(page(0, most + 1), whole, "{name}: so does more than that");
    assert_eq!(page(all, 0), (0, true), "{name}: the end");
    assert_eq!(page(all + 9, 1), (0, true), "{name}: beyond the end");
    if count > 1 {
        assert_eq!(page(all - 2, 1), (1, false), "{name}: something follows");
        assert_eq!(page(all - 1, 1), (1, true), "{name}: nothing follows");
        assert_eq!(page(all - 1, 0), (1, true), "{name}: nothing follows");
    }
}

/// Checks a list whose pages start after a name: `names` are its first, last but one, and last.
fn check_named(
    name: &str,
    count: usize,
    [first, before, last]: [&str; 3],
    mut page: impl FnMut(Option<&str>, u32) -> (usize, bool),
) {
    let most = MAX_ITEMS as usize;
    assert!(count > most, "{name}: there is more than a page");
    for limit in [0, MAX_ITEMS + 1] {
        assert_eq!(page(None, limit), (most, false), "{name}");
    }
    assert_eq!(page(Some(first), 0), ((count - 1).min(most), count - 1 <= most), "{name}");
    assert_eq!(page(Some(before), 1), (1, true), "{name}: nothing follows");
    assert_eq!(page(Some(last), 1), (0, true), "{name}: the end");
    assert_eq!(page(Some("z"), 0), (0, true), "{name}: beyond the end");
}

fn check_lists<H: Storage + Database>(host: &mut H, given: usize) {
    assert_eq!(host.limits(), Limits::default());
    let rows = COMMITS + BRANCHES;
    check_numbered("pack-index", rows, MAX_ROWS, |first, limit| {
        let (bytes, done) = size(host.pack_index(0, first, limit));
        assert_eq!(bytes % ROW_BYTES, 0);
        (bytes / ROW_BYTES, done)
    });
    check_numbered("packs", 1, MAX_ITEMS, |first, limit| size(host.packs(first as u32, limit)));
    check_numbered("branch-heads", given, MAX_ITEMS, |first, limit| {
        size(host.branch_heads(0, first as u32, limit))
    });
    check_numbered("conflicts", 0, MAX_ITEMS, |first, limit| size(host.conflicts(first, limit)));
}

fn check_index<H: Storage + Database>(host: &mut H) {
    check_named("heads", BRANCHES, ["b0000", "b1028", "b1029"], |after, limit| {
        size(host.heads(after, limit))
    });
    let tagged = [id(3), id(7)];
    check_named("tags", BRANCHES, ["t0000", "t1028", "t1029"], |after, limit| {
        size(host.tags(&tagged, after, limit))
    });
    assert_eq!(size(host.tags(&[id(3)], None, 0)), (0, true));

    // A history has no start to go on from; its page is cut, and says so.
    let unknown = id(COMMITS + 1);
    let most = MAX_ITEMS as usize;
    assert_eq!(size(host.history(&[id(COMMITS - 1)], 0)), (most, false));
    assert_eq!(size(host.history(&[id(most)], 0)), (most, false));
    assert_eq!(size(host.history(&[id(most - 1)], 0)), (most, true));
    assert_eq!(size(host.history(&[unknown], 0)), (0, true));
    // Those that are known are always there, whatever is left out.
    let mut many: Vec<EntityId> = (0..most - 1).map(|n| id(COMMITS - 1 - 2 * n)).collect();
    many.push(unknown);
    let page = host.history(&many, 0).unwrap();
    assert_eq!((page.items.len(), page.done), (most, false));
    assert!(many[..most - 1].iter().zip(&page.items).all(|(id, a)| *id == a.edges.commit));

    let too_many = vec![unknown; MAX_IDS as usize + 1];
    let refused = AccessError::TooMany(MAX_IDS);
    assert_eq!(host.history(&too_many, 0).unwrap_err(), AccessError::TooMany(MAX_ITEMS));
    assert_eq!(host.history(&too_many[..8], 7).unwrap_err(), AccessError::TooMany(7));
    assert_eq!(host.known(Kind::Commit, &too_many).unwrap_err(), refused);
    assert_eq!(host.locate(Kind::Commit, &too_many).unwrap_err(), refused);
    assert_eq!(host.tags(&too_many, None, 0).unwrap_err(), refused);
    assert_eq!(host.known(Kind::Commit, &too_many[1..]).unwrap(), [false; MAX_IDS as usize]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_paged_by_one_rule() {
    let pack = large_pack();
    let heads = model::heads_of(&[&pack]);
    let store = TestStore::new().await;
    store.push(&[&pack]).await.unwrap();
    let stored = fetching(&store).await;
    let (key, rows, path) =
        (model::key(&pack).parse().unwrap(), stored_rows(&pack), store.file(&pack));
    tokio::task::spawn_blocking(move || {
        let mut planning = MemoryHost::planning(&[&pack], &heads);
        check_lists(&mut planning, 0);
        check_index(&mut planning);
        let mut stored = stored;
        check_lists(&mut stored, 0);
        check_index(&mut stored);

        // A push shows the heads that its packs give.
        let given = given_heads(&pack);
        let none: [&[u8]; 0] = [];
        check_lists(&mut MemoryHost::indexing(&[&pack], &none, &BTreeMap::new()), BRANCHES);
        let directory = Directory::new(key, pack.len() as u64, &rows);
        let info =
            PackInfo { key: key.to_string(), bytes: pack.len() as u64, rows: rows.len() as u64 };
        let staged =
            RunPack::staged(directory, std::fs::File::open(&path).unwrap(), path, given.clone());
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::local(folder.path()).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let reader =
            PackReader::new("a/b".parse().unwrap(), vault, runtime, Arc::new(vec![staged]));
        let pushed = RunHost::new(reader, Vec::new(), None);
        check_lists(
            &mut PacksOnly { storage: pushed, packs: vec![info], heads: Vec::new() },
            BRANCHES,
        );
    })
    .await
    .unwrap();
}

fn stored_rows(pack: &[u8]) -> Vec<Row> {
    MemoryHost::planning(&[pack], &BTreeMap::new()).rows(0).to_vec()
}

fn given_heads(pack: &[u8]) -> Vec<Head> {
    let head = |(branch, commit): (&String, &String)| Head {
        branch: branch.clone(),
        commit: entity_id(Kind::Commit, commit),
    };
    model::read(pack).heads.iter().map(head).collect()
}

/// What is located is the record that the index has: the preferred encoding of the entity.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_located_is_what_the_index_has() {
    let packs = history(&HistoryOptions {
        pushes: 4,
        tags: true,
        overlap: true,
        ..HistoryOptions::default()
    });
    let store = TestStore::new().await;
    store.push_each(&packs).await;
    for _ in 0..2 {
        let mut stored = fetching(&store).await;
        let packs = packs.clone();
        tokio::task::spawn_blocking(move || {
            let mut memory = MemoryHost::planning(&packs, &BTreeMap::new());
            let infos = stored.packs(0, 0).unwrap().items;
            let rows: Vec<Page<u8>> =
                (0..infos.len() as u32).map(|n| stored.pack_index(n, 0, 0).unwrap()).collect();
            for record in model::union(&packs).values() {
                let (ours, theirs) = match record.kind {
                    model::Kind::Tag => {
                        let tag = [record.id.as_str()];
                        (stored.locate_tags(&tag), memory.locate_tags(&tag))
                    }
                    kind => {
                        let kind = Kind::ALL[kind as usize];
                        let id = [entity_id(kind, &record.id)];
                        (stored.locate(kind, &id), memory.locate(kind, &id))
                    }
                };
                let (ours, theirs) = (ours.unwrap()[0].unwrap(), theirs.unwrap()[0].unwrap());
                let at = ours.row as usize * ROW_BYTES;
                let row =
                    Row::decode(&rows[ours.at.pack as usize].items[at..at + ROW_BYTES]).unwrap();
                assert_eq!(row.span(ours.at.pack), ours.at, "the row is that of the record");
                let expected = memory.rows(theirs.at.pack)[theirs.row as usize];
                assert_eq!(
                    (row.kind, row.id, row.length, row.fingerprint),
                    (expected.kind, expected.id, expected.length, expected.fingerprint)
                );
            }
            assert_eq!(stored.locate(Kind::Object, &[id(1)]).unwrap(), [None]);
            assert_eq!(stored.locate_tags(&["no such tag"]).unwrap(), [None]);
        })
        .await
        .unwrap();
        store.gc().await.unwrap();
    }
}

/// A host whose packs can't be read, for a reason that the WIT does not name.
#[derive(Clone, Debug)]
struct Unreadable;

fn unreadable<T>() -> Result<T, AccessError> {
    Err(AccessError::Other("the shelf fell down".to_owned()))
}

impl Storage for Unreadable {
    fn limits(&mut self) -> Limits {
        Limits::default()
    }

    fn pack_index(&mut self, _: u32, _: u64, _: u32) -> Result<Page<u8>, AccessError> {
        unreadable()
    }

    fn read_records(&mut self, _: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        unreadable()
    }

    fn compare_records(&mut self, _: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        unreadable()
    }

    fn branch_heads(&mut self, _: u32, _: u32, _: u32) -> Result<Page<Head>, AccessError> {
        unreadable()
    }
}

#[test]
fn an_other_error_ends_the_plan_with_its_text() {
    let packs = vec![PackInfo { key: "sha256:…".to_owned(), bytes: 1, rows: 1 }];
    let mut host = PacksOnly { storage: Unreadable, packs, heads: Vec::new() };
    let expected = PlanError::Other("the shelf fell down".to_owned());
    assert_eq!(consolidate(&mut host), Err(expected.clone()));
    let error = Sandbox::reference(None).unwrap().consolidate(Box::new(host), 1).unwrap_err();
    assert!(matches!(&error, RunError::NoPlan(plan) if *plan == expected), "{error}");
}

/// A component plans as the native core does.
fn plans_like_the_core(sandbox: &Sandbox) {
    let packs = history(&HistoryOptions { pushes: 3, tags: true, ..HistoryOptions::default() });
    let host = MemoryHost::planning(&packs, &model::heads_of(&packs));
    let expected = consolidate(&mut host.clone()).unwrap();
    assert_eq!(sandbox.consolidate(Box::new(host), 10_000).unwrap(), expected);
}

#[test]
fn a_component_of_a_later_patch_runs() {
    let later = reworded("@0.2.0", "@0.2.7");
    let sandbox = Sandbox::load(&later, None, SandboxLimits::default()).unwrap();
    assert_eq!(sandbox.world(), "packhouse:engine/engine@0.2.7");
    plans_like_the_core(&sandbox);

    // One that imports what this host does not have does not link.
    let foreign = reworded("walk-floor", "walk-ceils");
    let error = Sandbox::load(&foreign, None, SandboxLimits::default()).unwrap_err();
    assert!(error.to_string().contains("walk-ceils"), "{error}");
}

#[test]
fn the_released_component_runs() {
    let sandbox = Sandbox::load(RELEASED, None, SandboxLimits::default()).unwrap();
    assert_eq!(sandbox.world(), packhouse_artifact::WORLD);
    plans_like_the_core(&sandbox);
}
