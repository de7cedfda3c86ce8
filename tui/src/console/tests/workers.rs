//! Who works on jobs, with real keys through the loop.

use jiff::ToSpan;
use packhouse_host::{Health, JobReport, JobStatus};

use super::fake::{job, now};
use super::fake_store::Fake;
use super::{Console, demo};
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

fn working() -> Fake {
    let store = Fake::three();
    let of = |id, repo, worker: &str| JobReport {
        worker: Some(worker.to_owned()),
        ..job(id, repo, JobStatus::Running)
    };
    store.put_job(of(7, "gabriel/notes", "studio-2:310"));
    store.put_job(of(4, "zoe/empty", "studio-1:4711"));
    let lease_until = Some(now() - 5.seconds());
    store.put_job(JobReport { lease_until, ..of(9, "gabriel/photos", "studio-2:310") });
    store.put_job(job(3, "gabriel/notes", JobStatus::Failed));
    store
}

#[tokio::test]
async fn leases_are_listed_by_worker_and_lead_to_their_jobs() {
    let mut console = Console::on(working(), 120, 24).await;
    console.press(&["8"]).await;
    console.shows("packhouse › workers");
    console.shows("2 workers · 3 jobs · 1 lease expired");
    console.shows("▸studio-1:4711");
    console.shows("30s more");
    console.shows("4, gc of zoe/empty");
    console.press(&["End"]).await;
    console.shows("another worker takes the job");
    console.press_shown(&["Enter open"]).await;
    console.shows("gc of gabriel/photos: running");
    console.press(&["Esc"]).await;
    assert_eq!(console.app.model.focus(), Focus::Workers);
}

#[tokio::test]
async fn a_store_without_running_jobs_says_so_and_errors_are_displayed() {
    let store = Fake::three();
    store.fail("jobs", FailureKind::Refused, "the catalog \x1b[2J is locked");
    let mut console = Console::on(store, 80, 24).await;
    console.press(&["8"]).await;
    console.shows("the catalog \\u{1b}[2J is locked");
    console.press(&["r"]).await;
    console.shows("No worker has a job.");
}

#[tokio::test]
async fn the_demo_has_a_worker() {
    let mut console = Console::on(demo().await, 120, 24).await;
    console.press(&["8"]).await;
    console.shows("▸studio-1:4711");
    console.shows("1 worker · 1 job");
}

#[tokio::test]
async fn jobs_that_wait_without_a_worker_are_said_with_the_command_that_starts_one() {
    let store = Fake::three();
    store.put_job(job(3, "gabriel/notes", JobStatus::Queued));
    store.put_job(job(4, "gabriel/photos", JobStatus::Queued));
    let due = Health { jobs_due: 2, next_job_at: Some(now() - 30.seconds()), ..Health::default() };
    store.put_health(due);
    let mut console = Console::on(store, 120, 24).await;
    console.press(&["2"]).await;
    console.hides("no worker seen");
    console.store.advance(31);
    console.press(&["R"]).await;
    console.shows("! 2 jobs wait, no worker seen");
    console.shows("2 jobs wait, no worker seen. Start one: packhouse worker");
    console.press(&["8"]).await;
    console.shows("2 jobs wait, no worker seen. Start one: packhouse worker");
    console.press(&["3"]).await;
    console.shows("the first since 2026-07-01");
    console.press_shown(&["Enter open"]).await;
    console.shows("only queued");
    // A worker in any process has a lease.
    let leased_until = Some(now() + 60.seconds());
    console.store.put_health(Health { leased_until, ..due });
    console.press(&["R"]).await;
    console.hides("no worker seen");
}

#[tokio::test]
async fn a_failed_request_does_not_make_the_numbers_newer() {
    let store = Fake::three();
    store.put_job(job(3, "gabriel/notes", JobStatus::Queued));
    store.put_health(Health {
        jobs_due: 1,
        next_job_at: Some(now() - 30.seconds()),
        ..Health::default()
    });
    let mut console = Console::on(store, 120, 24).await;
    for _ in 0..2 {
        console.hides("no worker seen");
        console.store.advance(20);
        console.store.fail("health", FailureKind::Refused, "the catalog is locked");
        console.press(&["r"]).await;
    }
    console.shows("! 1 job waits, no worker seen");
}
