//! Runs live on the token that began them.

use std::sync::Arc;

use packhouse_model::access::{Caller, NewToken, Scope, TokenText};
use packhouse_model::names::Visibility;
use packhouse_model::operation::{Operation, RunRequest, VerifyOptions};
use packhouse_model::report::RunState;
use packhouse_store::Store;

use super::super::bearers::Bearers;
use super::super::tasks::Tasks;
use super::{Run, Runs};

const ID: &str = "0123456789abcdef0123456789abcdef";

/// A store with the repo `a/b`, its runs, and an administrator of all of it.
async fn served() -> (Store, Arc<Runs>, Caller) {
    let store = crate::testing::store(Visibility::Private).await;
    let new = NewToken {
        name: String::new(),
        scope: Scope::Admin,
        repos: vec!["*".parse().unwrap()],
        expires_in_seconds: None,
    };
    let text: TokenText = store.create_token(new).await.unwrap().token.unwrap().parse().unwrap();
    let caller = store.caller(&text).await.unwrap().unwrap();
    let bearers = Bearers::new(store.clone(), None);
    (store, Arc::new(Runs::new(Tasks::default(), bearers)), caller)
}

fn verify(repo: &str) -> RunRequest {
    RunRequest {
        repo: Some(repo.parse().unwrap()),
        operation: Operation::Verify(VerifyOptions::default()),
        plan_digest: None,
    }
}

async fn ended(run: &Run) {
    let mut bell = run.events.bell();
    while run.events.log().end().is_none() {
        bell.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_run_that_waits_for_room_is_not_begun_when_its_token_was_revoked_meanwhile() {
    let (store, runs, caller) = served().await;
    let Caller::Bearer { token, .. } = &caller else { panic!("{caller:?}") };
    let others = runs.room.acquire_many(super::AT_ONCE as u32).await.unwrap();
    let run = runs.begin(ID, verify("a/b"), caller.clone(), store.clone()).unwrap();
    store.revoke_token(token).await.unwrap();
    drop(others);
    ended(&run).await;
    let report = run.report();
    assert_eq!(report.state, RunState::Failed, "{report:?}");
    assert!(report.problem.unwrap().detail.contains("revoked"));
}

#[tokio::test]
async fn a_run_is_about_the_repo_that_was_meant_and_not_about_another_of_its_name() {
    let (store, runs, caller) = served().await;
    let repo = "a/b".parse().unwrap();
    let (id, _) = store.named(&repo).await.unwrap().unwrap();
    let meant = store.pinned(&repo, &id);
    let others = runs.room.acquire_many(super::AT_ONCE as u32).await.unwrap();
    let run = runs.begin(ID, verify("a/b"), caller, meant).unwrap();
    store.delete_repo(&repo).await.unwrap();
    store.create_repo(&repo, Visibility::Public).await.unwrap();
    drop(others);
    ended(&run).await;
    assert_eq!(run.report().state, RunState::Failed, "{:?}", run.report());
}
