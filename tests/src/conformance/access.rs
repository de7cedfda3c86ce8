//! Tokens, and secrets of the store's own.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use packhouse_host::access::Scope;
use packhouse_host::catalog::{Catalog, TokenRow};

use super::desk::at;
use super::races::together;

/// A token that reaches everything, for ever.
fn token(id: &str, created_at: Timestamp) -> TokenRow {
    TokenRow {
        id: id.to_owned(),
        name: format!("of {id}"),
        scope: Scope::Read,
        repos: vec!["*".parse().unwrap()],
        hash: [7; 32],
        created_at,
        expires_at: None,
        revoked_at: None,
    }
}

async fn ids(catalog: &Arc<dyn Catalog>) -> Vec<String> {
    catalog.tokens().await.unwrap().into_iter().map(|token| token.id).collect()
}

pub async fn a_token_is_kept_as_it_was_made(catalog: Arc<dyn Catalog>) {
    assert!(catalog.tokens().await.unwrap().is_empty());
    let moment = at(1) + SignedDuration::from_nanos(123_456_789);
    let one = TokenRow {
        name: "it's “ci”, 100%\u{1f511}".into(),
        scope: Scope::Admin,
        repos: ["z/z", "a/*", "*", "a/b"].map(|reach| reach.parse().unwrap()).to_vec(),
        hash: std::array::from_fn(|n| (n * 8) as u8),
        expires_at: Some(moment + SignedDuration::from_hours(999_999)),
        ..token("0123456789abcdef", moment)
    };
    let two = TokenRow {
        name: String::new(),
        scope: Scope::Push,
        revoked_at: Some(at(9)),
        ..token("00000000000000ff", at(2))
    };
    for row in [&one, &two] {
        catalog.add_token(row).await.unwrap();
        assert_eq!(catalog.token(&row.id).await.unwrap().as_ref(), Some(row));
    }
    assert_eq!(catalog.tokens().await.unwrap(), [one, two]);
    for unknown in ["", "0123456789ABCDEF", "0123456789abcde", "%", "0123456789abcdef "] {
        assert_eq!(catalog.token(unknown).await.unwrap(), None, "{unknown}");
    }
}

pub async fn an_id_is_given_once(catalog: Arc<dyn Catalog>) {
    let first = token("aa", at(1));
    catalog.add_token(&first).await.unwrap();
    let second = TokenRow { hash: [8; 32], scope: Scope::Admin, ..token("aa", at(2)) };
    catalog.add_token(&second).await.expect_err("it is taken");
    assert_eq!(
        catalog.tokens().await.unwrap(),
        std::slice::from_ref(&first),
        "the first is as it was"
    );
    // Nor is it free when the first is revoked.
    let revoked = catalog.revoke_token("aa", at(3)).await.unwrap().unwrap();
    catalog.add_token(&second).await.expect_err("it is taken");
    assert_eq!(catalog.token("aa").await.unwrap(), Some(revoked));
    // What they share otherwise is their affair.
    catalog.add_token(&TokenRow { id: "bb".into(), ..first }).await.unwrap();
}

pub async fn tokens_are_listed_by_when_they_were_made_then_by_id(catalog: Arc<dyn Catalog>) {
    // As texts, `09:00:02.25Z` is before `09:00:02.5Z`, and both are before `09:00:02Z`.
    let half = |millis| at(2) + SignedDuration::from_millis(millis);
    let made = [
        ("e", half(500)),
        ("c", half(0)),
        ("d", half(250)),
        ("b", half(0)),
        ("B", half(0)),
        ("a", at(3)),
        ("z", at(1)),
    ];
    for (id, created_at) in made {
        catalog.add_token(&token(id, created_at)).await.unwrap();
    }
    assert_eq!(ids(&catalog).await, ["z", "B", "b", "c", "d", "e", "a"]);
}

pub async fn a_token_is_revoked_once_and_the_first_time_counts(catalog: Arc<dyn Catalog>) {
    let (one, other) = (token("aa", at(1)), token("bb", at(2)));
    for row in [&one, &other] {
        catalog.add_token(row).await.unwrap();
    }
    assert_eq!(catalog.revoke_token("cc", at(3)).await.unwrap(), None);
    let moment = at(4) + SignedDuration::from_nanos(1);
    let revoked = TokenRow { revoked_at: Some(moment), ..one };
    assert_eq!(catalog.revoke_token("aa", moment).await.unwrap(), Some(revoked.clone()));
    for again in [at(3), at(99)] {
        assert_eq!(catalog.revoke_token("aa", again).await.unwrap(), Some(revoked.clone()));
    }
    assert_eq!(catalog.token("aa").await.unwrap(), Some(revoked.clone()));
    assert_eq!(
        catalog.tokens().await.unwrap(),
        [revoked, other],
        "it is listed still, and the other is as it was"
    );
}

pub async fn of_a_name_there_is_one_secret_the_first_that_was_kept(catalog: Arc<dyn Catalog>) {
    let fresh: [u8; 32] = std::array::from_fn(|n| 255 - n as u8);
    assert_eq!(catalog.secret("urls", fresh).await.unwrap(), fresh);
    assert_eq!(catalog.secret("urls", [1; 32]).await.unwrap(), fresh);
    assert_eq!(catalog.secret("URLs", [2; 32]).await.unwrap(), [2; 32], "another name");
    assert_eq!(catalog.secret("urls", [3; 32]).await.unwrap(), fresh);
}

pub async fn what_is_kept_is_the_last_that_was_and_looking_keeps_nothing(
    catalog: Arc<dyn Catalog>,
) {
    assert_eq!(catalog.kept("storage").await.unwrap(), None);
    assert_eq!(catalog.kept("storage").await.unwrap(), None, "looking keeps nothing");
    for value in [[1; 32], [2; 32], [2; 32]] {
        catalog.keep("storage", value).await.unwrap();
        assert_eq!(catalog.kept("storage").await.unwrap(), Some(value));
    }
    assert_eq!(catalog.kept("Storage").await.unwrap(), None, "another name");
    assert_eq!(catalog.secret("storage", [9; 32]).await.unwrap(), [2; 32]);
}

pub async fn of_those_who_revoke_a_token_at_once_one_tells_when(catalog: Arc<dyn Catalog>) {
    for round in 0..4 {
        let id = round.to_string();
        catalog.add_token(&token(&id, at(0))).await.unwrap();
        let told = together(8, |number| {
            let (catalog, id) = (catalog.clone(), id.clone());
            async move { catalog.revoke_token(&id, at(1 + number as i64)).await.unwrap().unwrap() }
        })
        .await;
        let kept = catalog.token(&id).await.unwrap().unwrap();
        assert!(kept.revoked_at.is_some() && told.iter().all(|one| *one == kept), "{told:?}");
    }
}

pub async fn all_who_ask_for_a_secret_at_once_get_the_same(catalog: Arc<dyn Catalog>) {
    for round in 0..8 {
        let got = together(8, |number| {
            let catalog = catalog.clone();
            async move { catalog.secret(&round.to_string(), [number as u8; 32]).await.unwrap() }
        })
        .await;
        assert!(got.iter().all(|one| *one == got[0]), "{got:?}");
        assert_eq!(catalog.secret(&round.to_string(), [99; 32]).await.unwrap(), got[0]);
    }
}
