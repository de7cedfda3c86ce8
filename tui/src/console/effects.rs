//! Runs effects as tasks. Each ends with one message; progress is forwarded at most ten times per
//! second.

pub(super) mod contents;
mod export;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use packhouse_host::{Error, Event, GcOptions, PlannedGc, Progress, VerifyOptions};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::backend::Backend;
use super::failure::Failure;
use super::msg::{Effect, Msg};
use super::state::{JobChange, PAGE, Ticket};

/// Time between two progress messages. People don't read faster, and each costs a frame.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Runs effects on a store.
pub(super) struct Runner {
    store: Arc<dyn Backend>,
    messages: mpsc::UnboundedSender<Msg>,
    tasks: JoinSet<Ticket>,
    /// Watches the store for changes, for as long as the console runs.
    watching: JoinSet<()>,
    /// Plans that have not been run. They are kept here, so that the model is plain data.
    plans: Arc<Mutex<HashMap<Ticket, Box<dyn PlannedGc>>>>,
    /// The progress of each task, which can stop it.
    running: HashMap<Ticket, Progress>,
    steps: Arc<Steps>,
    reporter: JoinHandle<()>,
}

/// The latest progress of each task.
#[derive(Default)]
struct Steps {
    latest: Mutex<BTreeMap<Ticket, Event>>,
    news: Notify,
}

impl Runner {
    /// A runner that sends results to `messages`.
    pub(super) fn new(store: Arc<dyn Backend>, messages: mpsc::UnboundedSender<Msg>) -> Self {
        let steps = Arc::<Steps>::default();
        let reporter = tokio::spawn(report_progress(steps.clone(), messages.clone()));
        Runner {
            store,
            messages,
            tasks: JoinSet::new(),
            watching: JoinSet::new(),
            plans: Arc::default(),
            running: HashMap::new(),
            steps,
            reporter,
        }
    }

    /// Starts an effect. Effects of the terminal belong to the event loop.
    pub(super) fn start(&mut self, effect: Effect) {
        let store = self.store.clone();
        match effect {
            Effect::List(ticket, after) => {
                self.spawn(ticket, async move {
                    let repos = store.summaries(after.as_ref(), PAGE).await;
                    Msg::Listed(ticket, repos.map_err(Failure::from))
                });
            }
            Effect::Summarise(ticket, repo) => {
                self.spawn(ticket, async move {
                    Msg::Summarised(store.summary(&repo).await.map_err(Failure::from))
                });
            }
            Effect::Health(ticket) => {
                self.spawn(ticket, async move {
                    Msg::Health(ticket, store.health().await.map_err(Failure::from))
                });
            }
            Effect::Server(ticket) => {
                self.spawn(ticket, async move {
                    let report = store.server().await.map(|report| report.map(Box::new));
                    Msg::Served(ticket, report.map_err(Failure::from))
                });
            }
            Effect::Show(ticket, repo) => {
                self.spawn(ticket, async move {
                    let shown = store.detail(&repo).await;
                    Msg::Shown(ticket, shown.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::Records(ticket, repo, query) => {
                self.spawn(ticket, async move {
                    let page = store.pack_records(&repo, &query).await;
                    Msg::Records(ticket, page.map_err(Failure::from))
                });
            }
            Effect::Compare(ticket, repo, query) => {
                self.spawn(ticket, async move {
                    let page = store.compare_packs(&repo, &query).await;
                    Msg::Compared(ticket, page.map_err(Failure::from))
                });
            }
            Effect::Commits(ticket, repo, query) => {
                self.spawn(ticket, async move {
                    let page = store.log(&repo, &query).await;
                    Msg::Commits(ticket, page.map_err(Failure::from))
                });
            }
            Effect::Files(ticket, repo, query) => {
                self.spawn(ticket, async move {
                    let page = store.files(&repo, &query).await;
                    Msg::Files(ticket, page.map_err(Failure::from))
                });
            }
            Effect::Entity(ticket, repo, id) => {
                self.spawn(ticket, async move {
                    let opened = contents::open(store.as_ref(), &repo, &id).await;
                    Msg::Entity(ticket, opened.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::Find(ticket, id, repos) => {
                self.spawn(ticket, async move {
                    Msg::Found(ticket, contents::find(store.as_ref(), &id, repos).await)
                });
            }
            Effect::Plan(ticket, repo) => {
                let (progress, plans) = (self.progress(ticket), self.plans.clone());
                self.spawn(ticket, async move {
                    let planned = store.plan_gc(&repo, GcOptions::default(), &progress).await;
                    let report = planned.map(|plan| {
                        let report = plan.report().clone();
                        locked(&plans).insert(ticket, plan);
                        report
                    });
                    Msg::Planned(ticket, report.map_err(Failure::from))
                });
            }
            Effect::Run(_, ticket) => {
                // Without a plan it is already running.
                let plan = locked(&self.plans).remove(&ticket);
                if let Some(plan) = plan {
                    let progress = self.progress(ticket);
                    self.spawn(ticket, async move {
                        let done = plan.apply(&progress).await;
                        Msg::Consolidated(ticket, done.map_err(Failure::from))
                    });
                }
            }
            Effect::Consolidate(_, ticket, repo) => {
                let progress = self.progress(ticket);
                self.spawn(ticket, async move {
                    let done = store.gc(&repo, GcOptions::default(), &progress).await;
                    Msg::Consolidated(ticket, done.map_err(Failure::from))
                });
            }
            Effect::Verify(ticket, repo) => {
                let progress = self.progress(ticket);
                self.spawn(ticket, async move {
                    let done = store.verify(&repo, VerifyOptions::default(), &progress).await;
                    Msg::Verified(ticket, done.map_err(Failure::from))
                });
            }
            Effect::Repair(_, ticket, repo) => {
                let progress = self.progress(ticket);
                self.spawn(ticket, async move {
                    let repair = VerifyOptions { repair: true };
                    let done = store.verify(&repo, repair, &progress).await;
                    Msg::Verified(ticket, done.map_err(Failure::from))
                });
            }
            Effect::Cancel(ticket) => {
                if let Some(progress) = self.running.get(&ticket) {
                    progress.cancel();
                }
            }
            Effect::Forget(ticket) => drop(locked(&self.plans).remove(&ticket)),
            Effect::History(ticket, query) => {
                self.spawn(ticket, async move {
                    let entries = store.gc_entries(&query).await;
                    Msg::Remembered(ticket, entries.map_err(Failure::from))
                });
            }
            Effect::Jobs(ticket, query) => {
                self.spawn(ticket, async move {
                    Msg::Jobs(ticket, store.jobs(&query).await.map_err(Failure::from))
                });
            }
            Effect::Job(ticket, id) => {
                self.spawn(ticket, async move {
                    let job = store.job(id).await;
                    Msg::Job(ticket, job.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::ChangeJob(_, ticket, id, change) => {
                self.spawn(ticket, async move {
                    let job = match change {
                        JobChange::Retry => store.retry_job(id).await,
                        JobChange::Cancel => store.cancel_job(id).await,
                    };
                    Msg::JobChanged(id, change, job.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::Tokens(ticket) => {
                self.spawn(ticket, async move {
                    Msg::Tokens(ticket, store.tokens().await.map_err(Failure::from))
                });
            }
            Effect::CreateToken(_, ticket, token) => {
                self.spawn(ticket, async move {
                    let created = store.create_token(*token).await;
                    Msg::TokenCreated(created.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::RevokeToken(_, ticket, id) => {
                self.spawn(ticket, async move {
                    let revoked = store.revoke_token(&id).await;
                    Msg::TokenRevoked(id, revoked.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::Policies(ticket) => {
                self.spawn(ticket, async move {
                    let checked = async {
                        let default = store.policy(None).await?;
                        Ok((default, store.check_policies(None, false).await?))
                    };
                    Msg::Policies(ticket, checked.await.map_err(|error: Error| error.into()))
                });
            }
            Effect::Policy(ticket, repo) => {
                self.spawn(ticket, async move {
                    let policy = store.policy(Some(&repo)).await;
                    Msg::Policy(policy.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::SetPolicy(_, ticket, change) => {
                self.spawn(ticket, async move {
                    let set = store.set_policy(change.now.repo.as_ref(), change.to).await;
                    Msg::PolicySet(set.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::DeleteBranch(_, ticket, branch) => {
                self.spawn(ticket, async move {
                    let deleted = store.delete_branch(&branch.repo, &branch.name).await;
                    Msg::BranchDeleted(branch, deleted.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::PreviewPrune(ticket, options) => {
                let progress = self.progress(ticket);
                self.spawn(ticket, async move {
                    let report = store.prune(options, &progress).await;
                    Msg::PrunePreviewed(ticket, report.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::Prune(_, ticket, options) => {
                let progress = self.progress(ticket);
                self.spawn(ticket, async move {
                    let done = store.prune(options, &progress).await;
                    Msg::Pruned(ticket, done.map(Box::new).map_err(Failure::from))
                });
            }
            Effect::Export(ticket, file, export) => {
                self.spawn(ticket, async move {
                    let written =
                        tokio::task::spawn_blocking(move || export::write(&file, &export));
                    Msg::Exported(written.await.unwrap_or_else(|error| Err(error.to_string())))
                });
            }
            Effect::Watch(since) => {
                let messages = self.messages.clone();
                self.watching.spawn(async move {
                    let stamp = store.changed(since).await.map_err(Failure::from);
                    // The receiver is gone when the console quits.
                    let _ = messages.send(Msg::Changed(stamp));
                });
            }
            Effect::Command(_) | Effect::Copy(_) | Effect::Suspend | Effect::Quit => {}
        }
    }

    /// Tells all tasks to stop.
    pub(super) fn cancel_all(&mut self) {
        self.running.values().for_each(Progress::cancel);
    }

    /// Number of tasks whose end was not handled yet.
    pub(super) fn in_flight(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until a task ends. Fails if it panicked.
    pub(super) async fn ended(&mut self) -> Result<(), JoinError> {
        tokio::select! {
            Some(ended) = self.tasks.join_next() => {
                let ticket = ended?;
                self.running.remove(&ticket);
                locked(&self.steps.latest).remove(&ticket);
                Ok(())
            }
            Some(ended) = self.watching.join_next() => ended,
            else => std::future::pending().await,
        }
    }

    /// The progress of a new task. Cancelling it ends the task at its next safe point, which only
    /// the host knows.
    fn progress(&mut self, ticket: Ticket) -> Progress {
        let steps = self.steps.clone();
        let progress = Progress::new(move |event| {
            locked(&steps.latest).insert(ticket, event);
            steps.news.notify_one();
        });
        self.running.insert(ticket, progress.clone());
        progress
    }

    fn spawn(&mut self, ticket: Ticket, work: impl Future<Output = Msg> + Send + 'static) {
        let messages = self.messages.clone();
        self.tasks.spawn(async move {
            // The receiver is gone when the console quits.
            let _ = messages.send(work.await);
            ticket
        });
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.reporter.abort();
    }
}

async fn report_progress(steps: Arc<Steps>, messages: mpsc::UnboundedSender<Msg>) {
    loop {
        steps.news.notified().await;
        let latest = std::mem::take(&mut *locked(&steps.latest));
        if !latest.is_empty() && messages.send(Msg::Progress(latest.into_iter().collect())).is_err()
        {
            return;
        }
        tokio::time::sleep(PROGRESS_EVERY).await;
    }
}

/// The data is consistent between any two statements, so a panic while the lock was held is
/// harmless.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
