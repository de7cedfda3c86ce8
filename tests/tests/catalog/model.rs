//! The verbs on two catalogs: whatever is done to both, they answer the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_host::catalog::Catalog;
use packhouse_host::catalog::memory::MemoryCatalog;
use packhouse_host::clock::Clock;
use packhouse_host::sample::{HeadStyle, HistoryOptions, Random, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::vault::Vault;
use packhouse_host::worker::{Stop, Worker, WorkerOptions};
use packhouse_host::{
    CatalogPlace, FetchRequest, GcOptions, GcQuery, JobsQuery, Operation, Policy, Progress,
    PruneOptions, PushOptions, RepoName, Result, Store, VerifyOptions, Visibility,
};
use packhouse_tests::postgres::cluster;
use packhouse_tests::random_history::random_history;
use serde::Serialize;
use serde_json::Value;

const REPOS: [&str; 3] = ["a/b", "a-b/c", "D/e"];

/// Something that is asked of a store.
#[derive(Clone, Debug)]
enum Verb {
    Create(RepoName),
    Delete(RepoName),
    Push { repo: RepoName, files: Vec<PathBuf>, force: bool, later: bool },
    Gc { repo: RepoName, expire: Option<Duration> },
    GcLater { repo: RepoName },
    Fetch { repo: RepoName, have: Vec<String> },
    Verify(RepoName),
    Prune { grace: u64, dry_run: bool },
    PruneLater,
    Work,
    Retry(i64),
    Cancel(i64),
    SetPolicy { repo: Option<RepoName>, policy: Option<Policy> },
    CheckPolicies,
    Look,
}

/// A clock that stands still until the test moves it: verbs may read it any number of times.
#[derive(Debug, Default)]
struct StillClock {
    seconds: AtomicI64,
    drawn: AtomicU64,
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        let morning: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        morning + SignedDuration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    fn external(&self, _: Timestamp) -> Timestamp {
        self.now()
    }

    fn random_id(&self) -> [u8; 16] {
        u128::from(self.drawn.fetch_add(1, Ordering::SeqCst)).to_be_bytes()
    }
}

/// A store with a clock of its own, the same as the other's.
struct Subject {
    store: Store,
    folder: PathBuf,
    clock: Arc<StillClock>,
}

impl Subject {
    async fn new(folder: PathBuf, catalog: Arc<dyn Catalog>, sandbox: &Sandbox) -> Subject {
        std::fs::create_dir_all(&folder).unwrap();
        let vault = Vault::local(&folder).unwrap();
        let clock = Arc::new(StillClock::default());
        Subject {
            store: Store::with_parts(catalog, vault, Arc::new(sandbox.clone()), clock.clone())
                .await
                .unwrap(),
            folder,
            clock,
        }
    }

    /// What it answers, without what may differ: its location, and the number of rows of a
    /// publication.
    fn told<T: Serialize>(&self, answer: Result<T>) -> String {
        let text = match answer {
            Ok(answer) => {
                let mut value = serde_json::to_value(answer).unwrap();
                forget_rows(&mut value);
                format!("{value:#}")
            }
            Err(error) => format!("{:?}: {error}", error.class()),
        };
        text.replace(&self.folder.display().to_string(), "FOLDER")
    }

    async fn does(&self, verb: &Verb) -> String {
        let (store, silent) = (&self.store, Progress::silent());
        match verb.clone() {
            Verb::Create(repo) => self.told(store.create_repo(&repo, Visibility::Public).await),
            Verb::Delete(repo) => self.told(store.delete_repo(&repo).await),
            Verb::Push { repo, files, force, later: false } => {
                self.told(store.push(&repo, &files, PushOptions { force }, &silent).await)
            }
            Verb::Push { repo, files, force, later: true } => {
                self.told(store.push_async(&repo, &files, PushOptions { force }, &silent).await)
            }
            Verb::Gc { repo, expire } => self.told(
                store
                    .gc(
                        &repo,
                        GcOptions { expire_unreachable: expire, ..GcOptions::default() },
                        &silent,
                    )
                    .await,
            ),
            Verb::GcLater { repo } => {
                self.told(store.queue(Some(&repo), Operation::Gc(GcOptions::default())).await)
            }
            Verb::Fetch { repo, have } => {
                let request = FetchRequest { have, ..FetchRequest::default() };
                self.told(store.fetch(&repo, &request, &silent).await)
            }
            Verb::Verify(repo) => {
                self.told(store.verify(&repo, VerifyOptions::default(), &silent).await)
            }
            Verb::Prune { grace, dry_run } => {
                let options = PruneOptions {
                    grace: Duration::from_secs(grace),
                    dry_run,
                    ..PruneOptions::default()
                };
                self.told(store.prune(options, &silent).await)
            }
            Verb::PruneLater => self.told(
                store
                    .queue(
                        None,
                        Operation::Prune(PruneOptions {
                            grace: Duration::ZERO,
                            ..Default::default()
                        }),
                    )
                    .await,
            ),
            Verb::Work => self.works().await,
            Verb::Retry(job) => self.told(store.retry_job(job).await),
            Verb::Cancel(job) => self.told(store.cancel_job(job).await),
            Verb::SetPolicy { repo, policy } => {
                self.told(store.set_policy(repo.as_ref(), policy).await)
            }
            Verb::CheckPolicies => self.told(store.check_policies(None, true).await),
            Verb::Look => String::new(),
        }
    }

    /// Does all jobs that are due.
    async fn works(&self) -> String {
        let options =
            WorkerOptions { drain: true, policies: None, attempts: 2, ..WorkerOptions::default() };
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = told.clone();
        let worker = Worker::new(self.store.clone(), options, Stop::default());
        worker
            .run(move |ended| heard.lock().unwrap().push(serde_json::to_value(ended).unwrap()))
            .await
            .unwrap();
        let told = told.lock().unwrap().clone();
        self.told(Ok(told))
    }

    /// All that can be asked without changing anything.
    async fn looks(&self) -> Vec<String> {
        let store = &self.store;
        let mut told =
            vec![self.told(store.reports(None, 99).await), self.told(store.every_summary().await)];
        told.push(self.told(store.jobs(&JobsQuery { limit: 99, ..JobsQuery::default() }).await));
        told.push(self.told(store.job_counts().await));
        told.push(
            self.told(
                store
                    .gc_entries(&GcQuery { text: "A-B".into(), limit: 99, ..GcQuery::default() })
                    .await,
            ),
        );
        told.push(self.told(store.gc_entries(&GcQuery { limit: 5, ..GcQuery::default() }).await));
        for repo in REPOS.map(|repo| repo.parse::<RepoName>().unwrap()) {
            told.push(self.told(store.packs(&repo).await));
            told.push(self.told(store.timeline(&repo, 99).await));
            told.push(self.told(store.policy(Some(&repo)).await));
        }
        told
    }
}

/// Each catalog counts the rows of its own.
fn forget_rows(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("rows_changed");
            fields.values_mut().for_each(forget_rows);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_rows),
        _ => {}
    }
}

/// Histories in files: of three repos, and random ones with unrelated heads.
fn files(folder: &Path, seed: u64) -> Vec<PathBuf> {
    let mut packs = Vec::new();
    for (line, overlap) in [(0, true), (1, false)] {
        let heads = if overlap { HeadStyle::OwnBranch } else { HeadStyle::default() };
        let options = HistoryOptions {
            seed: seed ^ line,
            pushes: 8,
            tags: overlap,
            overlap,
            heads,
            object_bytes: 10..200,
            ..HistoryOptions::default()
        };
        packs.extend(history(&options));
    }
    packs.extend(random_history(seed, 8).spread(seed, 3));
    std::fs::create_dir_all(folder).unwrap();
    let write = |(number, pack): (usize, Vec<u8>)| {
        let path = folder.join(format!("{number:02}.mpack"));
        std::fs::write(&path, pack).unwrap();
        path
    };
    packs.into_iter().enumerate().map(write).collect()
}

fn verb(random: &mut Random, files: &[PathBuf]) -> Verb {
    let repo: RepoName = REPOS[random.below(6) / 3 + random.below(8) / 7].parse().unwrap();
    let job = 1 + random.below(6) as i64;
    match random.below(34) {
        0 => Verb::Create(repo),
        1 if random.below(3) == 0 => Verb::Delete(repo),
        2..=11 => {
            let first = random.below(files.len());
            let some = files[first..].iter().take(1 + random.below(3)).cloned().collect();
            Verb::Push {
                repo,
                files: some,
                force: random.below(4) == 0,
                later: random.below(4) == 0,
            }
        }
        12..=14 => Verb::Gc { repo, expire: None },
        15 => Verb::Gc { repo, expire: Some(Duration::from_secs(random.below(40) as u64)) },
        16 | 17 => Verb::GcLater { repo },
        18 => Verb::Fetch { repo, have: vec![] },
        19 => Verb::Verify(repo),
        20 | 21 => Verb::Prune { grace: random.below(60) as u64, dry_run: random.below(3) == 0 },
        22 => Verb::PruneLater,
        23 | 24 => Verb::Work,
        25..=27 => Verb::Retry(job),
        28..=30 => Verb::Cancel(job),
        31 => {
            let policy = Policy {
                max_packs: Some(1 + random.below(4) as u64),
                growth: Some(0.5),
                max_age_seconds: Some(30),
                scrub_age_seconds: None,
            };
            Verb::SetPolicy {
                repo: (random.below(2) == 0).then_some(repo),
                policy: (random.below(3) > 0).then_some(policy),
            }
        }
        32 => Verb::CheckPolicies,
        _ => Verb::Look,
    }
}

/// Does the same at random to stores on two catalogs. Gives which verbs were done, and not only
/// refused.
async fn compare(
    seed: u64,
    folder: &Path,
    catalogs: [Arc<dyn Catalog>; 2],
    sandbox: &Sandbox,
) -> BTreeSet<String> {
    let files = files(&folder.join("files"), seed);
    let [one, other] = catalogs;
    let one = Subject::new(folder.join("one"), one, sandbox).await;
    let other = Subject::new(folder.join("other"), other, sandbox).await;
    let mut random = Random::stream(seed, 11);
    let begin = REPOS.map(|repo| Verb::Create(repo.parse().unwrap()));
    let (mut done, mut succeeded) = (Vec::new(), BTreeSet::new());
    for number in 0..60 {
        let verb = begin.get(number).cloned().unwrap_or_else(|| verb(&mut random, &files));
        done.push(format!("{verb:?}"));
        let later = random.below(20) as i64;
        for subject in [&one, &other] {
            subject.clock.seconds.fetch_add(later, Ordering::SeqCst);
        }
        let told = [one.does(&verb).await, other.does(&verb).await];
        assert_eq!(told[0], told[1], "seed {seed}, after {}", done.join("\n"));
        if !["Refused", "Usage", "Conflict", "Damage"]
            .iter()
            .any(|class| told[0].starts_with(class))
        {
            let name = format!("{verb:?}");
            succeeded.insert(name.split([' ', '(']).next().unwrap().to_owned());
        }
        if number % 4 == 0 || matches!(verb, Verb::Look) {
            let looks = [one.looks().await, other.looks().await];
            for (one, other) in looks[0].iter().zip(&looks[1]) {
                assert_eq!(one, other, "seed {seed}, after {}", done.join("\n"));
            }
        }
    }
    for repo in REPOS.map(|repo| repo.parse::<RepoName>().unwrap()) {
        for subject in [&one, &other] {
            if let Ok(report) =
                subject.store.verify(&repo, VerifyOptions::default(), &Progress::silent()).await
            {
                assert!(report.ok, "seed {seed}: {:?}", report.problems);
            }
        }
    }
    succeeded
}

/// A comparison of verbs that were all refused would say little.
fn all_were_done(succeeded: &BTreeSet<String>) {
    let all = [
        "CheckPolicies",
        "Create",
        "Fetch",
        "Gc",
        "GcLater",
        "Look",
        "Prune",
        "PruneLater",
        "Push",
        "SetPolicy",
        "Verify",
        "Work",
    ];
    assert!(all.iter().all(|verb| succeeded.contains(*verb)), "{succeeded:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_tells_the_same_on_sqlite_as_on_the_model() {
    let sandbox = Sandbox::reference(None).unwrap();
    let mut succeeded = BTreeSet::new();
    for seed in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = CatalogPlace::Sqlite(folder.path().join("catalog.db")).open().await.unwrap();
        succeeded.extend(
            compare(seed, folder.path(), [Arc::new(MemoryCatalog::default()), sqlite], &sandbox)
                .await,
        );
    }
    all_were_done(&succeeded);
    assert!(["Delete", "Cancel"].iter().all(|verb| succeeded.contains(*verb)), "{succeeded:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_tells_the_same_on_postgres_as_on_the_model() {
    let Some(cluster) = cluster() else { return };
    let sandbox = Sandbox::reference(None).unwrap();
    let mut succeeded = BTreeSet::new();
    for seed in 100..104 {
        let folder = tempfile::tempdir().unwrap();
        let postgres =
            CatalogPlace::Postgres(cluster.english(&format!("model_{seed}"))).open().await.unwrap();
        succeeded.extend(
            compare(seed, folder.path(), [Arc::new(MemoryCatalog::default()), postgres], &sandbox)
                .await,
        );
    }
    all_were_done(&succeeded);
}
