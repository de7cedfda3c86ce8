//! The access tokens, with real keys through the loop.

use packhouse_host::access::Scope;

use super::fake::token;
use super::fake_store::Fake;
use super::{Console, own_demo};
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

fn with_tokens() -> Fake {
    let store = Fake::three();
    let repos = |text: &str| vec![text.parse().unwrap()];
    store.put_token(token("00000000000000aa", Scope::Read, "old", repos("*"), Some(60)));
    store.put_token(token("00000000000000bb", Scope::Push, "ci", repos("gabriel/*"), None));
    store
}

#[tokio::test]
async fn a_token_is_created_after_a_confirmation_and_shown_once() {
    let mut console = Console::on(with_tokens(), 120, 30).await;
    console.press(&["7"]).await;
    console.shows("2 tokens · 1 active");
    console.shows("▸00000000000000bb");
    console.press_shown(&["n new token"]).await;
    console.shows("read|push|admin REPOS [90d] [NAME]: ▏");
    console.type_in("root *").await;
    console.press(&["Enter"]).await;
    console.shows("`root` is not a scope");
    console.press(&["Ctrl-u"]).await;
    console.type_in("push gabriel/* zoe/loops 90d laptop").await;
    console.press(&["Enter"]).await;
    console.shows("Create a token?");
    console.shows("push: fetch, show repos, and push");
    console.shows("gabriel/* zoe/loops");
    console.shows("after 90 days");
    // The line is still there if the operator declines.
    for decline in ["Esc", "Enter"] {
        console.press(&[decline]).await;
        console.shows("[NAME]: push gabriel/* zoe/loops 90d laptop▏");
        console.press(&["Enter"]).await;
        console.shows("Create a token?");
    }
    assert_eq!(console.calls("create-token"), [""; 0]);
    console.press_shown(&["y create token"]).await;
    assert_eq!(console.calls("create-token"), ["laptop"]);
    console.shows("phk_0000000000000003_5e5e");
    console.press(&["c"]).await;
    console.shows("Copied the token");
    assert!(console.copied.lock().unwrap().last().unwrap().starts_with("phk_0000000000000003_"));
    console.press(&["Esc"]).await;
    console.hides("phk_");
    console.shows("3 tokens · 2 active");
    console.press(&["l"]).await;
    console.shows("Token 0000000000000003 is created: push");
    console.hides("phk_");
}

#[tokio::test]
async fn a_token_is_revoked_after_a_confirmation() {
    let mut console = Console::on(with_tokens(), 100, 24).await;
    console.press(&["7"]).await;
    console.press_shown(&["x revoke"]).await;
    console.shows("Revoke token 00000000000000bb?");
    for no in ["x", "Enter"] {
        console.press(&[no]).await;
        assert_eq!(console.calls("revoke-token"), [""; 0], "{no} revoked it");
    }
    console.press(&["x"]).await;
    console.press_shown(&["y revoke token"]).await;
    assert_eq!(console.calls("revoke-token"), ["00000000000000bb"]);
    console.shows("Token 00000000000000bb is revoked");
    console.shows("2 tokens · 0 active");
    console.press(&["x"]).await;
    assert_eq!(console.app.model.focus(), Focus::Tokens, "it is revoked already");
}

#[tokio::test]
async fn read_only_shows_tokens_and_no_way_to_change_them() {
    let mut console = Console::read_only(with_tokens(), 120, 24).await;
    console.press(&["7"]).await;
    console.shows("2 tokens");
    console.hides("new token");
    console.hides("revoke");
    console.press(&["n", "x", "y"]).await;
    assert_eq!(console.app.model.focus(), Focus::Tokens);
}

#[tokio::test]
async fn errors_are_displayed() {
    let store = with_tokens();
    store.fail("tokens", FailureKind::Refused, "scope admin \x1b[2J is needed");
    store.fail("revoke-token", FailureKind::Refused, "the catalog is locked");
    store.fail("create-token", FailureKind::Refused, "the catalog is full");
    let mut console = Console::on(store, 100, 24).await;
    console.press(&["7"]).await;
    console.shows("Loading the tokens failed.");
    console.shows("scope admin \\u{1b}[2J is needed");
    console.press(&["r", "x", "y"]).await;
    console.shows("Revoking token 00000000000000bb failed: the catalog is locked");
    console.press(&["n"]).await;
    console.type_in("read *").await;
    console.press(&["Enter", "y"]).await;
    console.shows("Creating a token failed: the catalog is full");
}

#[tokio::test]
async fn tokens_of_a_real_store_are_created_and_revoked() {
    let mut console = Console::on(own_demo(3).await, 120, 30).await;
    console.press(&["7"]).await;
    console.shows("No tokens yet. Press n to create one.");
    console.press(&["n"]).await;
    console.type_in("read gabriel/notes").await;
    console.press(&["Enter", "y"]).await;
    console.shows("phk_");
    console.press(&["Esc"]).await;
    console.shows("1 token · 1 active");
    console.press(&["x", "y"]).await;
    console.shows("1 token · 0 active");
}
