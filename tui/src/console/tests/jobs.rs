//! The jobs of the store and what needs attention in it, with real keys through the loop.

use jiff::SignedDuration;
use packhouse_host::{DiskSpace, Health, JobReport, JobStatus, RepoSummary};

use super::fake::{job, last_gc, now, summary};
use super::fake_store::Fake;
use super::{Console, own_demo};
use crate::console::demo::REPOS;
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

fn with_jobs(number: i64) -> Fake {
    let store = Fake::three();
    for id in 1..=number {
        let status = JobStatus::ALL[usize::try_from(id).unwrap() % JobStatus::ALL.len()];
        store.put_job(job(id, "gabriel/notes", status));
    }
    store
}

#[tokio::test]
async fn a_failed_job_is_found_read_and_retried_with_displayed_keys() {
    let mut console = Console::on(with_jobs(9), 120, 26).await;
    console.shows("✗ 2 jobs failed");
    console.press_shown(&["2 jobs", "s status"]).await;
    console.shows("only failed");
    console.hides("cancelled");
    console.press_shown(&["Enter open"]).await;
    console.shows("gc of gabriel/notes: failed");
    console.shows("there is no space left");
    console.shows("PAYLOAD");
    console.press_shown(&["r retry"]).await;
    console.shows("Retry job 8, gc of gabriel/notes?");
    console.press_shown(&["y retry job"]).await;
    assert_eq!(console.calls("retry"), ["8"]);
    console.shows("Job 8 is queued again");
    console.shows("gc of gabriel/notes: queued");
    console.shows("Retried     2026-07-01 12:00:00 UTC, just now");
    console.hides("Started");
    console.hides("Finished");
    console.hides("studio-1:4711");
    console.shows("✗ 1 job failed");
    console.press(&["Esc"]).await;
    console.hides("packhouse › jobs › 8");
    assert_eq!(console.app.model.jobs.entries.len(), 1, "the other failed one");
}

#[tokio::test]
async fn nothing_changes_a_job_but_the_confirmation() {
    for no in ["Enter", "x", "r", "n", "q", "Esc", "Space"] {
        let mut console = Console::on(with_jobs(5), 80, 20).await;
        // The newest is queued, the next was cancelled.
        console.press(&["2", "x", no]).await;
        console.press(&["Esc", "Esc", "2", "Down", "r", no]).await;
        assert_eq!((console.calls("cancel"), console.calls("retry")), (vec![], vec![]), "{no}");
    }
    let mut console = Console::on(with_jobs(5), 80, 20).await;
    console.press(&["2", "r"]).await;
    assert_eq!(console.app.model.focus(), Focus::Jobs, "a queued job can't be retried");
    console.press(&["x"]).await;
    console.shows("It will not run.");
    console.press_shown(&["y cancel job"]).await;
    assert_eq!(console.calls("cancel"), ["5"]);
    console.shows("Job 5 is cancelled");
}

#[tokio::test]
async fn a_change_that_fails_is_displayed_and_logged() {
    let mut console = Console::on(with_jobs(5), 120, 20).await;
    console.store.fail("cancel", FailureKind::Refused, "it has ended \x1b[2J");
    console.press(&["2", "x", "y"]).await;
    console.shows("Job 5: cancel failed: it has ended \\u{1b}[2J");
    console.press(&["l"]).await;
    console.shows("cancel failed");
}

#[tokio::test]
async fn read_only_shows_jobs_and_no_way_to_change_them() {
    let mut console = Console::read_only(with_jobs(9), 160, 26).await;
    console.press(&["2"]).await;
    console.shows("gabriel/notes");
    console.hides("retry");
    console.hides("cancel job");
    for key in ["r", "x", "Enter", "r", "x", "y"] {
        console.press(&[key, "y"]).await;
    }
    assert_eq!((console.calls("cancel"), console.calls("retry")), (vec![], vec![]));
}

#[tokio::test]
async fn ten_thousand_jobs_are_loaded_as_the_cursor_moves_down() {
    let mut console = Console::on(with_jobs(10_000), 80, 20).await;
    console.press(&["2"]).await;
    assert_eq!(console.store.calls().iter().filter(|call| *call == "jobs").count(), 1);
    for _ in 0..3 {
        console.press(&["End"]).await;
    }
    assert_eq!(console.app.model.jobs.entries.len(), 800);
    let selected = console.app.model.jobs.current().unwrap().id;
    console.store.put_job(job(10_001, "gabriel/notes", JobStatus::Queued));
    console.store.advance(5);
    console.press(&["R"]).await;
    assert_eq!(console.app.model.jobs.current().unwrap().id, selected, "it stays on its job");
}

#[tokio::test]
async fn errors_of_the_queue_are_displayed_and_the_loaded_jobs_stay() {
    let mut console = Console::on(with_jobs(5), 80, 20).await;
    console.store.fail("jobs", FailureKind::Refused, "the catalog is locked");
    console.press(&["2"]).await;
    console.shows("Loading the jobs failed.");
    console.shows("the catalog is locked");
    console.press(&["R"]).await;
    console.hides("locked");
    console.store.fail("jobs", FailureKind::Refused, "the catalog is locked");
    console.press(&["R"]).await;
    console.shows("locked");
    console.shows("gabriel/notes");
}

/// A store with one finding of each kind.
fn troubled() -> Fake {
    let store = with_jobs(3);
    let failed = last_gc("failed", "2026-07-01T09:30:00Z");
    store.put(&RepoSummary { damaged: 2, ..summary("a/damaged", 3) });
    store.put(&RepoSummary { last_gc: Some(failed), ..summary("b/failed", 3) });
    store.put_health(Health {
        prunable_packs: 40,
        prunable_bytes: 590 << 20,
        unchecked_packs: 12,
        disk: Some(DiskSpace { used_bytes: 91 << 40, free_bytes: 9 << 40 }),
        ..Health::default()
    });
    store
}

#[tokio::test]
async fn every_finding_has_a_next_step_and_enter_goes_there() {
    let mut console = Console::on(troubled(), 120, 26).await;
    console.press(&["3"]).await;
    let go = async |console: &mut Console, down: usize| {
        console.press(&["3", "Home"]).await;
        console.press(&vec!["Down"; down]).await;
        console.shows(" Next ");
        console.press(&["Enter"]).await;
    };
    console.shows("▸✗ a/damaged: damaged");
    console.shows("R repairs what has intact copies in the store, A all damaged repos.");
    go(&mut console, 0).await;
    console.shows("packhouse › a/damaged");
    console.press(&["Esc"]).await;
    go(&mut console, 1).await;
    console.shows("packhouse › b/failed");
    console.press(&["Esc"]).await;
    go(&mut console, 2).await;
    console.shows("packhouse › jobs › 3");
    console.press(&["Esc"]).await;
    console.shows("! The disk is 91% full");
    go(&mut console, 4).await;
    console.shows("packhouse › prune");
    console.press(&["Esc"]).await;
    go(&mut console, 5).await;
    console.shows("Copied packhouse verify");
}

#[tokio::test]
async fn more_failed_jobs_than_are_listed_lead_to_all_of_them() {
    let store = Fake::three();
    (1..=250).for_each(|id| store.put_job(job(id, "gabriel/notes", JobStatus::Failed)));
    let mut console = Console::on(store, 100, 26).await;
    console.press(&["3", "End"]).await;
    console.shows("▸✗ 50 more jobs failed");
    console.press(&["Enter"]).await;
    console.shows("only failed");
    assert_eq!(console.app.model.focus(), Focus::Jobs);
}

#[tokio::test]
async fn a_store_in_order_says_so() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.hides("✗");
    console.press(&["3"]).await;
    console.shows("Nothing needs attention.");
    // It is reloaded when the store changes.
    console.store.put_job(job(1, "zoe/empty", JobStatus::Failed));
    console.press(&["r"]).await;
    console.shows("✗ 1 job failed");
    console.shows("Job 1, gc of zoe/empty: failed");
}

#[tokio::test]
async fn the_digits_lead_to_the_screens_of_the_store_from_anywhere() {
    let mut console = Console::on(troubled(), 80, 20).await;
    for (keys, focus) in [
        (&["2"][..], Focus::Jobs),
        (&["3"], Focus::Health),
        (&["4"], Focus::Prune),
        (&["5"], Focus::Policies),
        (&["2", "Enter"], Focus::Job),
        (&["3"], Focus::Health),
        (&["Enter"], Focus::Repo),
        (&["1"], Focus::Repos),
    ] {
        console.press(keys).await;
        assert_eq!(console.app.model.focus(), focus, "{keys:?}");
    }
    assert!(console.app.model.screens.is_empty());
}

#[tokio::test]
async fn another_screen_closes_a_plan_that_is_only_displayed() {
    for (key, focus) in
        [("1", Focus::Repos), ("2", Focus::Jobs), ("4", Focus::Prune), ("w", Focus::Runs)]
    {
        let mut console = Console::on(troubled(), 80, 20).await;
        console.press(&["p", key]).await;
        assert_eq!(console.app.model.focus(), focus, "{key}");
        console.hides("› plan");
    }
}

#[tokio::test]
async fn the_demo_has_something_of_everything() {
    let mut console = Console::on(own_demo(REPOS).await, 160, 40).await;
    console.shows("✗ 1 damaged  ✗ 1 job failed  ✗ 1 repo failed");
    console.shows(" to prune");
    console.press(&["2"]).await;
    for status in ["queued", "running", "failed", "done"] {
        console.shows(status);
    }
    console.press(&["3"]).await;
    console.shows("tidal-lab/hydrophone-array: damaged");
    console.shows("gc of aster-studio/film-score-north: failed");
    console.shows("can be deleted");
}

#[tokio::test]
async fn a_retried_job_is_new_at_once() {
    let store = Fake::three();
    let old = now() - SignedDuration::from_hours(9);
    store.put_job(JobReport {
        created_at: old,
        run_at: old,
        attempt: 8,
        ..job(1, "a/b", JobStatus::Failed)
    });
    // What is loaded after the answer does not come.
    let mut console = Console::on(store, 100, 20).await;
    console.press(&["2", "Enter"]).await;
    console.shows("9 hours ago");
    console.store.hold("job");
    console.store.hold("jobs");
    console.press(&["r", "y"]).await;
    console.shows(": queued");
    console.hides("Started");
    console.press(&["Esc"]).await;
    console.shows("queued");
    console.hides("9h");
    console.hides("studio-1:4711");
}

#[tokio::test]
async fn a_failure_whose_damage_is_healed_needs_no_attention() {
    let store = Fake::three();
    store.put_job(JobReport { healed: true, ..job(1, "gabriel/notes", JobStatus::Failed) });
    let mut console = Console::on(store, 120, 20).await;
    console.hides("✗");
    console.press(&["3"]).await;
    console.shows("Nothing needs attention.");
    console.press(&["2"]).await;
    console.shows("healed");
    console.shows("0 failed");
    console.press(&["Enter"]).await;
    console.shows("failed (damage healed since)");
    console.press(&["Esc"]).await;
    let export = console.app.model.export().unwrap();
    let csv = export.text("jobs.csv");
    assert!(csv.contains("gabriel/notes,1,healed,mpack.gc,"), "{csv}");
    // JSON has the fields of the store beside the word of the list.
    let json = export.text("jobs.json");
    assert!(json.contains("\"status\": \"failed\"") && json.contains("\"state\": \"healed\""));
}
