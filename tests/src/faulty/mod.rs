//! Ports that fail on purpose, or that count, around the real ones.

mod catalog;
mod packs;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use packhouse_host::sandbox::Sandbox;
use packhouse_host::vault::local::LocalPacks;
use packhouse_host::vault::s3::{self, S3Packs};
use packhouse_host::vault::{StagingFolder, Storage, Vault};
use packhouse_host::{Error, Result, Store, StoreOptions};

use crate::counted::Walked;
use crate::place;

use self::catalog::FaultyCatalog;
use self::packs::{FaultyPacks, FaultyStaging};

/// When a call fails: before it did anything, or after it did everything and could not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing was done.
    Before,
    /// All was done.
    After,
    /// It does not fail: another process does something before it.
    Meanwhile,
}

/// What the other process does.
type Meanwhile = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Which call of all ports together fails, and when. Clones share the count.
#[derive(Clone)]
pub struct Fault {
    left: Arc<AtomicI64>,
    moment: Moment,
    rows: Arc<AtomicU64>,
    /// Bytes that are free, at most.
    room: u64,
    meanwhile: Option<Meanwhile>,
    /// Calls of `hold` that have not been answered.
    waiting: Arc<AtomicI64>,
    /// Holdings that have not been dropped.
    locks_held: Arc<AtomicI64>,
    walked: Walked,
}

/// Counts one up until it is dropped.
struct Counted(Arc<AtomicI64>);

impl Counted {
    fn up(count: &Arc<AtomicI64>) -> Counted {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fault")
            .field("left", &self.left)
            .field("moment", &self.moment)
            .finish_non_exhaustive()
    }
}

impl Fault {
    /// The call with that number fails, counted from 0.
    pub fn at(call: i64, moment: Moment) -> Self {
        Fault {
            left: Arc::new(AtomicI64::new(call)),
            moment,
            rows: Arc::default(),
            room: u64::MAX,
            meanwhile: None,
            waiting: Arc::default(),
            locks_held: Arc::default(),
            walked: Walked::default(),
        }
    }

    /// Before the call with that number, another process does something, on a store with the fault
    /// `theirs`. If it comes to wait for the caller, it goes on while the call is made.
    pub fn meanwhile<F>(
        call: i64,
        theirs: &Fault,
        what: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let what: Meanwhile = Arc::new(move || Box::pin(what()));
        Fault {
            meanwhile: Some(what),
            waiting: theirs.waiting.clone(),
            ..Fault::at(call, Moment::Meanwhile)
        }
    }

    /// No call fails.
    pub fn never() -> Self {
        Fault::at(-1, Moment::Before)
    }

    /// No more than so many bytes are free.
    pub fn with_room(self, bytes: u64) -> Self {
        Fault { room: bytes, ..self }
    }

    /// Whether the call has been reached.
    pub fn struck(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    /// Rows that the last publication changed.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::SeqCst)
    }

    /// What was read of commit graphs.
    pub fn walked(&self) -> &Walked {
        &self.walked
    }

    fn error() -> Error {
        Error::Io {
            doing: "doing something in",
            path: "a faulty place".into(),
            source: std::io::Error::other("it failed on purpose"),
        }
    }

    /// Whether a call that is no future fails: nothing happens before such a one.
    fn fails(&self) -> bool {
        self.moment != Moment::Meanwhile && self.strikes()
    }

    fn strikes(&self) -> bool {
        self.left.fetch_sub(1, Ordering::SeqCst) == 0
    }

    async fn around<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let strikes = self.strikes();
        match self.moment {
            Moment::Before if strikes => return Err(Fault::error()),
            Moment::Meanwhile if strikes => {
                if let Some(meanwhile) = &self.meanwhile {
                    let doing = tokio::spawn(meanwhile());
                    let in_the_way = || {
                        self.waiting.load(Ordering::SeqCst) > 0
                            && self.locks_held.load(Ordering::SeqCst) > 0
                    };
                    while !doing.is_finished() && !in_the_way() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    if doing.is_finished() {
                        doing.await.expect("what is done meanwhile does not fail");
                    }
                }
            }
            _ => {}
        }
        let done = call.await?;
        if strikes && self.moment == Moment::After { Err(Fault::error()) } else { Ok(done) }
    }
}

/// The store of a folder, on ports with a fault.
///
/// # Errors
/// Those of opening it; also the fault.
pub async fn open(options: StoreOptions, sandbox: Sandbox, fault: &Fault) -> Result<Store> {
    let staging = |inner| Arc::new(FaultyStaging { inner, fault: fault.clone() });
    let vault = match &options.packs {
        Storage::Folder(packs) => {
            let making = |source| Error::Io { doing: "creating", path: packs.clone(), source };
            std::fs::create_dir_all(packs).map_err(making)?;
            let inner = LocalPacks::open(packs)?;
            let staging = staging(StagingFolder::of(inner.root()));
            Vault::new(Arc::new(FaultyPacks { inner, fault: fault.clone() }), staging)
        }
        Storage::S3(options) => {
            let inner = S3Packs::open(options).await?;
            let packs = Arc::new(FaultyPacks { inner, fault: fault.clone() });
            Vault::cached(packs, staging(s3::spool(options)?), options.budget)
        }
    };
    let catalog = FaultyCatalog { inner: options.catalog.open().await?, fault: fault.clone() };
    Store::with_parts(Arc::new(catalog), vault, Arc::new(sandbox), options.clock).await
}

/// Copies a store's folder, which is not open.
///
/// # Panics
/// When it can't be copied.
pub fn copy(from: &Path, to: &Path) {
    copy_files(from, to);
    place::copy_catalog(from, to);
}

/// Copies the files of a folder.
///
/// # Panics
/// When they can't be copied.
pub fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("a folder can be listed") {
        let path = entry.expect("a listed file is there").path();
        let to = to.join(path.file_name().expect("a listed file has a name"));
        if path.is_dir() {
            copy_files(&path, &to);
        } else {
            std::fs::copy(&path, &to).expect("a file can be copied");
        }
    }
}
