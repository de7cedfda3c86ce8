//! Runs effects as tasks. Each ends with one message; progress is forwarded at most ten times per
//! second.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use packhouse_host::{Event, Progress};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::backend::Backend;
use super::msg::{Effect, Msg};
use super::state::{PAGE, Ticket};

/// Time between two progress messages. People don't read faster, and each costs a frame.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Runs effects on a backend.
pub(super) struct Runner<B: Backend> {
    backend: Arc<B>,
    messages: mpsc::UnboundedSender<Msg>,
    tasks: JoinSet<Ticket>,
    /// Watches the store for changes, for as long as the console runs.
    watching: JoinSet<()>,
    /// Plans that have not been run. They are kept here, so that the model is plain data.
    plans: Arc<Mutex<HashMap<Ticket, B::Plan>>>,
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

impl<B: Backend> Runner<B> {
    /// A runner that sends results to `messages`.
    pub(super) fn new(backend: Arc<B>, messages: mpsc::UnboundedSender<Msg>) -> Self {
        let steps = Arc::<Steps>::default();
        let reporter = tokio::spawn(report_progress(steps.clone(), messages.clone()));
        Runner {
            backend,
            messages,
            tasks: JoinSet::new(),
            watching: JoinSet::new(),
            plans: Arc::default(),
            running: HashMap::new(),
            steps,
            reporter,
        }
    }

    /// The backend, which also has the clock.
    pub(super) fn backend(&self) -> &B {
        &self.backend
    }

    /// Starts an effect. Effects of the terminal belong to the event loop.
    pub(super) fn start(&mut self, effect: Effect) {
        let backend = self.backend.clone();
        match effect {
            Effect::List(ticket, after) => {
                self.spawn(ticket, async move {
                    Msg::Listed(ticket, backend.list(after.as_ref(), PAGE).await)
                });
            }
            Effect::Summarise(ticket, repo) => {
                self.spawn(ticket, async move { Msg::Summarised(backend.summary(&repo).await) });
            }
            Effect::Show(ticket, repo) => {
                self.spawn(ticket, async move {
                    Msg::Shown(ticket, backend.show(&repo).await.map(Box::new))
                });
            }
            Effect::Plan(ticket, repo) => {
                let (progress, plans) = (self.progress(ticket), self.plans.clone());
                self.spawn(ticket, async move {
                    let planned = backend.plan(&repo, &progress).await;
                    let report = planned.map(|(report, plan)| {
                        locked(&plans).insert(ticket, plan);
                        report
                    });
                    Msg::Planned(ticket, report)
                });
            }
            Effect::Run(_, ticket) => {
                // Without a plan it is already running.
                let plan = locked(&self.plans).remove(&ticket);
                if let Some(plan) = plan {
                    let progress = self.progress(ticket);
                    self.spawn(ticket, async move {
                        Msg::Consolidated(ticket, backend.run(plan, &progress).await)
                    });
                }
            }
            Effect::Consolidate(_, ticket, repo) => {
                let progress = self.progress(ticket);
                self.spawn(ticket, async move {
                    Msg::Consolidated(ticket, backend.consolidate(&repo, &progress).await)
                });
            }
            Effect::Verify(ticket, repo) => {
                let progress = self.progress(ticket);
                self.spawn(ticket, async move {
                    Msg::Verified(ticket, backend.verify(&repo, &progress).await)
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
                    Msg::Remembered(ticket, backend.history(&query).await)
                });
            }
            Effect::Watch(since) => {
                let messages = self.messages.clone();
                self.watching.spawn(async move {
                    // The receiver is gone when the console quits.
                    let _ = messages.send(Msg::Changed(backend.watch(since).await));
                });
            }
            Effect::Copy(_) | Effect::Suspend | Effect::Quit => {}
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

    /// The progress of a new task.
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

impl<B: Backend> Drop for Runner<B> {
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
