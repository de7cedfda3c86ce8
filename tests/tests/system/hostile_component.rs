//! Law 4 from the inside: a component that is built to do what a component must not. Each misdeed
//! ends in an error that says what it was and names the component, within the limits, and the store
//! is as it was: the same packs, the same answers, the same key.

use std::time::Duration;

use packhouse_host::sample::{CommitSpec, HistoryOptions, IdForm, PackBuilder, history};
use packhouse_host::sandbox::{Sandbox, SandboxLimits};
use packhouse_host::{
    Class, Error, FetchRequest, GcOptions, Progress, PushOptions, Store, Visibility,
};
use packhouse_tests::faulty::{self, Fault};
use packhouse_tests::fixtures;
use packhouse_tests::model;
use packhouse_tests::store::{TestStore, options};

/// Tight, so that a misdeed ends soon; an honest run over the same packs stays far below.
const LIMITS: SandboxLimits = SandboxLimits {
    memory: 16 << 20,
    memory_per_record: 150,
    records: 1_000_000,
    time: Duration::from_secs(2),
    handed_over: 4 << 20,
    calls: 10_000,
    calls_per_record: 4,
};

/// How long a misdeed may go on until it is said that nothing stops it: long, for a machine that is
/// busy.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The misdeed in a consolidation, a fetch and a push, and a part of the resulting error.
const CONSOLIDATIONS: [(&str, &str); 25] = [
    ("drops-an-object", "is missing"),
    ("repeats-an-object", "is there twice"),
    ("outside-a-pack", "are not whole records"),
    ("another-repos-pack", "it copies from pack number 4294967295"),
    ("half-a-record", "are not whole records"),
    ("invents", "is missing"),
    ("moves-a-branch", "its branch heads are not the repo's"),
    ("counts-wrong", "records and its steps copy"),
    ("sizes-wrong", "bytes and its steps write"),
    ("claims-endless-steps", "its plan claims 18446744073709551615 steps"),
    ("gives-no-steps", "and returns 0"),
    ("gives-too-many-steps", "its plan returns more steps than it claims"),
    ("pages-backwards", "is not a valid pack"),
    ("hands-over-too-much", "MiB of memory"),
    ("loops", "it took longer than 2 s"),
    ("loops-in-pages", "it took longer than 2 s"),
    ("traps", "it trapped"),
    ("traps-in-pages", "it trapped"),
    ("allocates", "MiB of memory"),
    ("recurses", "its call stack overflowed"),
    ("calls-for-ever", "it made more than"),
    ("hoards-handles", "handle limit exceeded"),
    ("asks-for-content", "are not one commit, snapshot or tag"),
    ("fakes-damage", "is lost, but it is not"),
    ("asks-for-nonsense", "NONE"),
];
const FETCHES: [(&str, &str); 3] = [
    ("answers-nothing", "wanted"),
    ("reuses-any-pack", "does not hold what it counts"),
    ("counts-wrong", "records and its steps copy"),
];
/// Of an update: from a grandparent, and from another branch.
const PULLS: [(&str, &str); 9] = [
    ("forgets-a-commit", "its answer leaves out commit"),
    ("forgets-a-snapshot", "its answer"),
    ("forgets-an-object", "its answer leaves out object"),
    ("forgets-a-tag", "its answer leaves out tag"),
    ("adds-a-stranger", "its answer adds commit"),
    ("repeats-what-is-had", " object "),
    ("answers-another-branch", "its answer"),
    ("answers-nothing", "its answer leaves out commit"),
    ("counts-wrong", "records and its steps copy"),
];
/// Of a clone on a base.
const CLONES: [(&str, &str); 2] =
    [("claims-a-base", "its answer leaves out commit"), ("cuts-the-base", "it cuts its base")];
const PUSHES: [(&str, &str); 5] = [
    ("forges-a-head", "which was not pushed"),
    ("forgets-heads", "decides on others"),
    ("rewinds-heads", "does not descend from"),
    ("prefers-nobody", "prefer"),
    ("forgets-edges", "commit"),
];

struct Place {
    store: TestStore,
    hostile: Store,
    /// A pack that was not pushed yet.
    next: Vec<u8>,
    /// A pack that names the branch which tells the component what to do: of a push it sees no
    /// other branches.
    order: Vec<u8>,
}

impl Place {
    /// A store whose repo `a/b` tells a component what to do, beside another repo with packs of its
    /// own.
    async fn told(misdeed: &str) -> Place {
        let store = TestStore::new().await;
        let packs = history(&HistoryOptions {
            pushes: 5,
            objects_per_commit: 3,
            ..HistoryOptions::default()
        });
        store.push_each(&packs[..4]).await;
        let head = store.heads().await.into_values().next().unwrap();
        let heads = [(format!("hostile-{misdeed}"), head)].into_iter().collect();
        let order = model::canonical(&Default::default(), &heads);
        store.push(std::slice::from_ref(&order)).await.unwrap();
        let other = "c/d".parse().unwrap();
        store.store.create_repo(&other, Visibility::Public).await.unwrap();
        store
            .store
            .push(&other, &fixtures::muse_cli()[..2], PushOptions::default(), &Progress::silent())
            .await
            .unwrap();
        let component = std::fs::read(fixtures::hostile_component()).unwrap();
        let sandbox = Sandbox::load(&component, None, LIMITS).unwrap();
        let hostile = faulty::open(options(&store.data()), sandbox, &Fault::never()).await.unwrap();
        Place { store, hostile, next: packs[4].clone(), order }
    }

    /// Pushes a commit of another branch, and gives its id. Its snapshot is that of its parent.
    async fn push_side(&self, parent: &str) -> String {
        let records = model::union(&self.store.packs().await);
        let reached = records[&(model::Kind::Commit, parent.to_owned())].reaches();
        let snapshot = reached.into_iter().find(|(kind, _)| *kind == model::Kind::Snapshot);
        let (_, snapshot) = snapshot.unwrap();
        let commit = CommitSpec::new(
            IdForm::Bare,
            [Some(parent), None],
            &snapshot,
            "side",
            "2026-02-01T00:00:00Z",
        );
        let mut pack = PackBuilder::new();
        pack.commit(&commit).branch_head("side", &commit.id);
        self.store.push(&[pack.finish()]).await.unwrap();
        commit.id
    }

    /// All that can be asked of the store, but for what failed last.
    async fn state(&self) -> serde_json::Value {
        let mut shown = serde_json::to_value(self.store.show().await).unwrap();
        shown["last_gc"] = serde_json::Value::Null;
        let (answer, pack) = self.store.fetch(&[], &[]).await.unwrap();
        let files = model::union(&self.store.packs().await).len();
        serde_json::json!({ "repo": shown, "answer": answer.mpack_key, "pack": model::key(&pack), "records": files })
    }

    /// Runs what must fail, and checks that nothing has come of it.
    async fn fails<T>(
        &self,
        misdeed: &str,
        says: &str,
        work: impl AsyncFnOnce(&Store) -> packhouse_host::Result<T>,
    ) {
        let before = self.state().await;
        let ended = tokio::time::timeout(TIMEOUT, work(&self.hostile))
            .await
            .unwrap_or_else(|_| panic!("{misdeed}: it goes on"));
        let error = ended.err().unwrap_or_else(|| panic!("{misdeed}: nobody minded"));
        let words = error.to_string();
        assert!(
            matches!(error, Error::Component { .. } | Error::Unproven { .. }),
            "{misdeed}: {words}"
        );
        assert_eq!(error.class(), Class::Refused, "{misdeed}: {words}");
        assert!(
            words.contains(self.hostile.component_digest()),
            "{misdeed}: the error names the component: {words}"
        );
        assert!(words.contains(says), "{misdeed}: `{words}` lacks `{says}`");
        assert!(words.len() < 3000, "{misdeed}: what a component says is cut");
        assert_eq!(self.state().await, before, "{misdeed} changed the store");
    }

    /// Runs a fetch, which must fail.
    async fn fails_to_fetch(&self, misdeed: &str, says: &str, request: &FetchRequest) {
        let repo = &self.store.repo;
        let fetch = async |store: &Store| store.fetch(repo, request, &Progress::silent()).await;
        self.fails(misdeed, says, fetch).await;
    }

    /// An honest component still finds all it needs.
    async fn is_sound(&self, misdeed: &str) {
        self.store.sound().await;
        let done = self.store.gc().await.unwrap();
        assert!(!done.skipped, "{misdeed}");
        self.store.sound().await;
    }
}

#[tokio::test]
async fn law_4_no_misdeed_in_a_consolidation_gets_through() {
    for (misdeed, says) in CONSOLIDATIONS {
        let place = Place::told(misdeed).await;
        if says == "NONE" {
            // Refused each time it asks for nonsense, it plans as it should.
            place
                .hostile
                .gc(&place.store.repo, GcOptions::default(), &Progress::silent())
                .await
                .unwrap();
            place.store.sound().await;
            continue;
        }
        place
            .fails(misdeed, says, async |store| {
                store.gc(&place.store.repo, GcOptions::default(), &Progress::silent()).await
            })
            .await;
        assert_eq!(
            place.store.store.gc_history(&place.store.repo, 1).await.unwrap()[0].outcome,
            "failed",
            "{misdeed}"
        );
        place.is_sound(misdeed).await;
    }
}

#[tokio::test]
async fn law_4_no_misdeed_in_a_fetch_gets_through() {
    for (misdeed, says) in FETCHES {
        let place = Place::told(misdeed).await;
        place.fails_to_fetch(misdeed, says, &FetchRequest::default()).await;
        place.is_sound(misdeed).await;
    }
}

#[tokio::test]
async fn law_4_no_misdeed_in_a_pull_gets_through() {
    for (misdeed, says) in PULLS {
        let place = Place::told(misdeed).await;
        let records = model::union(&place.store.packs().await);
        let parents = |id: &String| records[&(model::Kind::Commit, id.clone())].parents();
        let want = place.store.heads().await["main"].clone();
        let grandparent = parents(&parents(&want)[0])[0].clone();
        let side = place.push_side(&grandparent).await;
        for have in [grandparent, side] {
            let request = FetchRequest {
                want: vec![want.clone()],
                have: vec![have],
                ..FetchRequest::default()
            };
            place.fails_to_fetch(misdeed, says, &request).await;
            // The honest component answers the same request.
            place
                .store
                .store
                .fetch(&place.store.repo, &request, &Progress::silent())
                .await
                .unwrap();
        }
        place.is_sound(misdeed).await;
    }
}

#[tokio::test]
async fn law_4_no_misdeed_in_a_clone_on_a_base_gets_through() {
    for (misdeed, says) in CLONES {
        let place = Place::told(misdeed).await;
        place.store.gc().await.unwrap();
        let main = place.store.heads().await["main"].clone();
        place.push_side(&main).await;
        place.fails_to_fetch(misdeed, says, &FetchRequest::default()).await;
        place.is_sound(misdeed).await;
    }
}

/// What the client says that it has makes no difference: neither an unknown commit nor one that
/// leads to nothing that was wanted.
#[tokio::test]
async fn law_4_an_answer_without_what_was_wanted_is_refused_whatever_the_client_has() {
    let place = Place::told("answers-nothing").await;
    let head = place.store.heads().await["main"].clone();
    let known = model::union(&place.store.packs().await);
    let root = known
        .keys()
        .filter(|(kind, id)| *kind == model::Kind::Commit && *id != head)
        .map(|(_, id)| id.clone())
        .next()
        .unwrap();
    for have in ["0".repeat(64), root] {
        for want in [vec![], vec![head.clone()]] {
            let request =
                FetchRequest { want, have: vec![have.clone()], ..FetchRequest::default() };
            let fetch = async |store: &Store| {
                store.fetch(&place.store.repo, &request, &Progress::silent()).await
            };
            place.fails("answers-nothing", "its answer leaves out commit", fetch).await;
        }
    }
    // Of what it has already, nothing need be sent.
    let request =
        FetchRequest { want: vec![head.clone()], have: vec![head], ..FetchRequest::default() };
    place.hostile.fetch(&place.store.repo, &request, &Progress::silent()).await.unwrap();
}

/// Handing over has a limit of its own, far below that of memory.
#[tokio::test]
async fn law_4_a_component_hands_over_no_more_than_it_may() {
    let place = Place::told("hands-over-too-much").await;
    let component = std::fs::read(fixtures::hostile_component()).unwrap();
    let sandbox =
        Sandbox::load(&component, None, SandboxLimits { memory: 1 << 30, ..LIMITS }).unwrap();
    let hostile =
        faulty::open(options(&place.store.data()), sandbox, &Fault::never()).await.unwrap();
    let error = hostile
        .gc(&place.store.repo, GcOptions::default(), &Progress::silent())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("fuel"), "{error}");
}

#[tokio::test]
async fn law_4_no_misdeed_in_a_push_gets_through() {
    for (misdeed, says) in PUSHES {
        let place = Place::told(misdeed).await;
        let files = [place.store.file(&place.next), place.store.file(&place.order)];
        let push = async |store: &Store| {
            store.push(&place.store.repo, &files, PushOptions::default(), &Progress::silent()).await
        };
        place.fails(misdeed, says, push).await;
        place.store.push(std::slice::from_ref(&place.next)).await.unwrap();
        place.is_sound(misdeed).await;
    }
}

#[tokio::test]
async fn without_a_misdeed_it_gives_the_packs_of_the_reference() {
    let place = Place::told("nothing-that-it-knows").await;
    let done = place
        .hostile
        .gc(&place.store.repo, GcOptions::default(), &Progress::silent())
        .await
        .unwrap();
    let twin = Place::told("nothing-that-it-knows").await;
    assert_eq!(done.consolidated_key, twin.store.gc().await.unwrap().consolidated_key);
}
