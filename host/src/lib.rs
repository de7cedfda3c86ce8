//! The packhouse host: a store of Muse packs, and every verb on it as a library function.
//!
//! ```no_run
//! # async fn example() -> packhouse_host::Result<()> {
//! use packhouse_host::{GcOptions, Progress, PushOptions, StoreOptions};
//!
//! let store = StoreOptions::embedded("/var/lib/packhouse").open().await?;
//! let repo = "gabriel/notes".parse()?;
//! store.push(&repo, &["push.mpack".into()], PushOptions::default(), &Progress::silent()).await?;
//! let report = store.gc(&repo, GcOptions::default(), &Progress::silent()).await?;
//! println!("{} packs became {}", report.packs_before, report.packs_after);
//! # Ok(())
//! # }
//! ```
//!
//! In reading order:
//!
//! 1. [`names`], [`text`], [`error`], [`report`], [`progress`], [`clock`], [`files`]: the
//!    vocabulary. [`operation`]: long work as values; [`client`]: a store, here or on a server.
//! 2. [`catalog`] and [`vault`]: the two ports, and their adapters.
//! 3. [`pack`]: reading untrusted packs, and writing packs that can be trusted.
//! 4. [`run`]: what a component sees of a repo; [`sandbox`]: runs it.
//! 5. [`tape`]: recorded runs, and their replay.
//! 6. [`store`]: the verbs; [`worker`]: queued jobs.
//! 7. [`serve`]: the store over HTTP, with [access control](access); [`remote`]: the client of such
//!    a server.
//! 8. [`span`] and [`trace`]: what is traced, across processes.

mod open;

pub use packhouse_import as import;
pub use packhouse_model::{
    access, blocking, client, clock, connection, contents, error, files, names, operation,
    progress, report, span, text,
};
pub use packhouse_musehub as musehub;
pub use packhouse_pack as pack;
pub use packhouse_remote as remote;
pub use packhouse_run as run;
pub use packhouse_sample as sample;
pub use packhouse_serve as serve;
pub use packhouse_store as store;
pub use packhouse_tape as tape;
pub use packhouse_trace as trace;
pub use packhouse_worker as worker;

/// The catalog port, and its adapters.
pub mod catalog {
    pub use packhouse_catalog::*;
    pub use packhouse_catalog_sql as sql;
    pub use packhouse_catalog_sql::CatalogPlace;
}

/// Runs components.
pub mod sandbox {
    pub use packhouse_run::{Host, Indexed, PacksOnly, Planner, RunError, SandboxLimits};
    pub use packhouse_sandbox::*;
}

/// The vault port, and its adapters.
pub mod vault {
    pub use packhouse_storage::{Storage, s3};
    pub use packhouse_vault::*;
}

pub use catalog::CatalogPlace;
pub use client::{
    Client, FetchRequest, Inspect, PlannedGc, PushOptions, RepoSettings, RestoreOptions,
};
pub use connection::ConnectionStatus;
pub use contents::{Content, Contents};
pub use error::{
    BackupError, Class, DamageError, DeletionError, Error, HubError, JobError, OpenError,
    PushError, RestoreError, Result, SetupError, TapeError,
};
pub use names::{BranchName, MpackKey, NameError, RepoId, RepoName, ShelfId, Visibility};
pub use open::StoreOptions;
pub use operation::{
    GcOptions, IndexOptions, MirrorOptions, Operation, PruneOptions, QueuedPack, VerifyOptions,
};
pub use progress::{Event, Phase, Progress};
pub use remote::{Remote, RemoteOptions};
pub use report::{
    BackupProblem, BackupReport, BranchDeleteReport, BranchReport, Cause, CommittedFile,
    ComparedRecord, ComparedSum, ComparedTotals, CopyReport, CopyStatus, Damage, DeleteReport,
    DeletedRepo, DiskSpace, FetchReport, FilesPage, FilesQuery, FoundRecord, GcCost, GcDone,
    GcDropped, GcEntry, GcPlanReport, GcPlanned, GcProof, GcQuery, GcRecord, GcReport, Health,
    ImportProblem, ImportReport, JobEnded, JobReport, JobStatus, JobsQuery, KeptPack, LogPage,
    LogQuery, LoggedCommit, Moment, NEWER_WAY_OUT, NewerPacks, PackComparison, PackComparisonQuery,
    PackFate, PackRecord, PackRecordsPage, PackRecordsQuery, PackReport, PackTotals, Policy,
    PolicyCheck, PolicyReport, Problem, ProblemKind, PruneReport, PushReport, PushStatus, Queued,
    RecordClass, RecordPlace, RecordReport, Repaired, ReplacedPack, RepoReport, RepoSummary,
    ScrubReport, ScrubState, VerifyReport,
};
pub use store::{BackupOptions, GcPlan, Store};
pub use vault::Storage;
pub use vault::s3::{S3Checksum, S3Options};
