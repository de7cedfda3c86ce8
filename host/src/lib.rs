//! The packhouse host: a store of Muse packs, and every verb on it as a library function.
//!
//! ```no_run
//! # async fn example() -> packhouse_host::Result<()> {
//! use packhouse_host::{Progress, PushOptions, Store, StoreOptions};
//!
//! let store = Store::open(StoreOptions::embedded("/var/lib/packhouse")).await?;
//! let repo = "gabriel/notes".parse()?;
//! store.push(&repo, &["push.mpack".into()], PushOptions::default(), &Progress::silent()).await?;
//! let report = store.gc(&repo, &Progress::silent()).await?;
//! println!("{} packs became {}", report.packs_before, report.packs_after);
//! # Ok(())
//! # }
//! ```
//!
//! In reading order:
//!
//! 1. [`names`], [`text`], [`error`], [`report`], [`progress`], [`clock`], [`files`]: the
//!    vocabulary.
//! 2. [`catalog`] and [`vault`]: the two ports, and their adapters.
//! 3. [`pack`]: reading untrusted packs, and writing packs that can be trusted.
//! 4. [`run`]: what a component sees of a repo; [`sandbox`]: where it runs.
//! 5. [`tape`]: recorded runs, and their replay.
//! 6. [`store`]: the verbs; [`worker`]: queued jobs.
//! 7. [`serve`]: the store over HTTP, with [access control](access); [`remote`]: a store behind a
//!    server.

pub mod access;
pub mod catalog;
pub mod clock;
pub mod error;
pub mod files;
pub mod names;
pub mod pack;
pub mod progress;
pub mod remote;
pub mod report;
pub mod run;
pub mod sample;
pub mod sandbox;
pub mod serve;
pub mod store;
pub mod tape;
pub mod text;
pub mod vault;
pub mod worker;

pub use catalog::CatalogPlace;
pub use error::{Class, Error, Result};
pub use names::{BranchName, MpackKey, RepoId, RepoName, ShelfId, Visibility};
pub use progress::{Event, Phase, Progress};
pub use remote::{Remote, RemoteOptions};
pub use report::{
    BackupProblem, BackupReport, BranchDeleteReport, BranchReport, Cause, Damage, DeleteReport,
    DeletedRepo, FetchReport, GcCost, GcDropped, GcEntry, GcProof, GcQuery, GcRecord, GcReport,
    JobEnded, JobReport, JobStatus, KeptPack, Moment, PackReport, Policy, PolicyCheck,
    PolicyReport, Problem, ProblemKind, PruneReport, PushReport, PushStatus, Queued, QueuedPack,
    Repaired, RepoReport, RepoSummary, Task, VerifyReport,
};
pub use store::{
    BackupOptions, FetchRequest, GcPlan, NEWER_WAY_OUT, NewerPacks, PruneOptions, PushOptions,
    RestoreOptions, Store, StoreOptions,
};
pub use vault::Storage;
pub use vault::s3::{S3Checksum, S3Options};
