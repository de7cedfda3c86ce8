//! The screens of the store: jobs, health, prune, policies, tokens, workers, the server; and the
//! settings of the console.

use jiff::ToSpan;
use packhouse_host::access::Scope;
use packhouse_host::{Health, JobReport, JobStatus, PackFate, Policy, PolicyCheck, ReplacedPack};

use super::super::Console;
use super::super::fake::{check, job, now, replaced, token};
use super::super::fake_store::Fake;
use super::super::filters::named;
use super::super::server::{remote, sampled};
use super::{busy, pictures, pictures_after, troubled};
use crate::console::state::{CommandLine, ConfirmDialog};

#[tokio::test]
async fn jobs() {
    insta::assert_snapshot!("jobs", pictures(troubled, &["2", "Down"]).await);
}

#[tokio::test]
async fn job_in_full() {
    insta::assert_snapshot!("job", pictures(troubled, &["2", "End", "Up", "Enter"]).await);
}

#[tokio::test]
async fn retry_job() {
    insta::assert_snapshot!("retry_job", pictures(troubled, &["2", "End", "Up", "r"]).await);
}

#[tokio::test]
async fn health() {
    insta::assert_snapshot!("health", pictures(troubled, &["3", "Down"]).await);
}

/// Packs that are due, are kept, and wait.
fn worn() -> Fake {
    let store = troubled();
    let mut packs: Vec<ReplacedPack> = (1..9)
        .map(|n| {
            replaced(
                n,
                ["gabriel/notes", "tidal-lab/hydrophone-array-of-2019", ""][usize::from(n % 3)],
                40 - i64::from(n),
            )
        })
        .collect();
    packs[7].fate = PackFate::Kept;
    packs[7].repos = vec!["studio/album".parse().unwrap(), "gabriel/notes".parse().unwrap()];
    packs.extend((9..12).map(|n| replaced(n, "gabriel/notes", 14 - i64::from(n))));
    store.put_replaced(packs);
    store
}

#[tokio::test]
async fn prune() {
    insta::assert_snapshot!("prune", pictures(worn, &["4", "Down"]).await);
}

#[tokio::test]
async fn confirm_prune() {
    insta::assert_snapshot!("confirm_prune", pictures(worn, &["4", "p", "3", "Enter"]).await);
}

#[tokio::test]
async fn pruned() {
    insta::assert_snapshot!("pruned", pictures(worn, &["4", "p", "7", "Enter"]).await);
}

#[tokio::test]
async fn policies() {
    let store = || {
        let store = troubled();
        store.put_checks(vec![
            check("gabriel/notes", 7),
            check("city-archive/radio-1974", 315),
            PolicyCheck { own_policy: true, policy: Policy::OFF, ..check("studio/album", 23) },
            check("tidal-lab/hydrophone-array-of-2019", 12),
        ]);
        store
    };
    insta::assert_snapshot!("policies", pictures(store, &["5"]).await);
    insta::assert_snapshot!("policy_form", pictures(store, &["5", "E", "Ctrl-u", "9"]).await);
    let set = pictures(store, &["5", "e", "Ctrl-u", "9", "Enter"]).await;
    insta::assert_snapshot!("confirm_policy", set);
}

#[tokio::test]
async fn load_of_the_server() {
    let then = async |console: &mut Console| sampled(console, 40).await;
    insta::assert_snapshot!("server", pictures_after(remote, &[], then).await);
}

#[tokio::test]
async fn filters_of_the_config() {
    let then = async |console: &mut Console| {
        named(console);
        console.press(&["F", "Down"]).await;
    };
    insta::assert_snapshot!("filters", pictures_after(busy, &[], then).await);
}

#[tokio::test]
async fn columns_of_the_list() {
    let keys = ["C", "Down", "Space", "J", "J", "Down"];
    insta::assert_snapshot!("columns", pictures(busy, &keys).await);
}

/// A token that works, one that is revoked, and one that has expired.
fn tokens() -> Fake {
    let store = Fake::three();
    let repos = |text: &str| vec![text.parse().unwrap()];
    let days = |days: u64| Some(days * 24 * 3600);
    store.put_token(token("00000000000000aa", Scope::Read, "", repos("*"), Some(60)));
    let mut revoked = token("00000000000000bb", Scope::Admin, "of zoe", repos("*"), None);
    revoked.revoked_at = Some(revoked.created_at);
    store.put_token(revoked);
    store.put_token(token("00000000000000cc", Scope::Push, "ci", repos("gabriel/*"), days(90)));
    store
}

#[tokio::test]
async fn tokens_of_the_store() {
    insta::assert_snapshot!("tokens", pictures(tokens, &["7"]).await);
}

#[tokio::test]
async fn new_token() {
    let typed = async |console: &mut Console| {
        console.type_in("push gabriel/* 90d laptop of ines").await;
        console.press(&["Enter"]).await;
    };
    insta::assert_snapshot!("confirm_token", pictures_after(tokens, &["7", "n"], typed).await);
    let created = async |console: &mut Console| {
        typed(console).await;
        console.press(&["y"]).await;
    };
    insta::assert_snapshot!("new_token", pictures_after(tokens, &["7", "n"], created).await);
}

#[tokio::test]
async fn workers() {
    insta::assert_snapshot!("workers", pictures(troubled, &["8"]).await);
}

/// Jobs that wait, and no worker; a job whose damage is healed.
fn unattended() -> Fake {
    let store = Fake::three();
    store.put_job(JobReport { healed: true, ..job(1, "gabriel/photos", JobStatus::Failed) });
    store.put_job(job(2, "gabriel/notes", JobStatus::Queued));
    store.put_job(job(3, "zoe/empty", JobStatus::Queued));
    store.put_health(Health {
        jobs_due: 2,
        next_job_at: Some(now() - 5.minutes()),
        ..Health::default()
    });
    store
}

#[tokio::test]
async fn no_worker_is_seen() {
    insta::assert_snapshot!("jobs_without_worker", pictures(unattended, &["2"]).await);
    insta::assert_snapshot!("health_without_worker", pictures(unattended, &["3"]).await);
    insta::assert_snapshot!("no_workers", pictures(unattended, &["8"]).await);
}

#[tokio::test]
async fn repair_of_all() {
    let damaged = || {
        let store = Fake::three();
        store.put_damage("gabriel/notes", &[0]);
        store.put_damage("gabriel/photos", &[0]);
        store
    };
    insta::assert_snapshot!("health_with_damage", pictures(damaged, &["3"]).await);
    insta::assert_snapshot!("confirm_repair_all", pictures(damaged, &["3", "A"]).await);
}

#[tokio::test]
async fn token_for_an_unknown_repo() {
    let typed = async |console: &mut Console| {
        console.type_in("read ines/* gabriel/note").await;
        console.press(&["Enter"]).await;
    };
    let asked = pictures_after(tokens, &["7", "n"], typed).await;
    insta::assert_snapshot!("confirm_token_unknown", asked);
}

#[tokio::test]
async fn question_of_a_command() {
    let then = async |console: &mut Console| {
        let line = CommandLine {
            name: "archive".to_owned(),
            program: "archive".to_owned(),
            arguments: vec!["--delete".to_owned(), "gabriel/notes".to_owned()],
            wait: true,
            question: Some("Archive it, and delete the local copy?".to_owned()),
        };
        let ticket = console.app.model.ticket();
        console.app.model.dialog = Some(ConfirmDialog::of_command(line, ticket));
        console.press(&["Down"]).await;
    };
    insta::assert_snapshot!("confirm_command", pictures_after(busy, &[], then).await);
}
