//! What the page "With the Muse client" names as ways out works with the tokens of that page.

use packhouse_host::sample::{HistoryOptions, history};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

/// A public repo `a/open` and a private `a/shut`, served, and tokens to read and to push to both.
struct Place {
    store: Packhouse,
    served: Served,
    read: String,
    push: String,
}

impl Place {
    fn new() -> Place {
        let store = Packhouse::new();
        store.run(["repo", "create", "a/open"]).ok();
        store.run(["repo", "create", "a/shut", "--private"]).ok();
        let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
        let token = |scope: &str| {
            let made =
                store.run(["token", "create", "--scope", scope, "--repo", "a/*"]).ok().json();
            made["token"].as_str().unwrap().to_owned()
        };
        let (read, push) = (token("read"), token("push"));
        Place { store, served, read, push }
    }

    fn packs(&self, count: usize) -> Vec<String> {
        let options = HistoryOptions { seed: 3, pushes: count, ..HistoryOptions::default() };
        let packs = history(&options).into_iter().enumerate();
        packs.map(|(n, pack)| self.store.file(&format!("{n}.mpack"), &pack)).collect()
    }

    /// Asks the server, and says how that ended.
    #[track_caller]
    fn ask(&self, token: Option<&str>, words: &[&str], code: i32, says: &str) {
        let ran = self.store.run_remote(self.served.url(), token, words);
        assert_eq!(ran.code, code, "{words:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(says), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn packs_are_pushed_with_a_token_to_push_and_fetched_with_one_to_read() {
    let place = Place::new();
    let (read, push) = (Some(place.read.as_str()), Some(place.push.as_str()));
    let file = place.packs(1).remove(0);
    for repo in ["a/open", "a/shut"] {
        place.ask(read, &["push", repo, &file], 1, "scope push");
        place.ask(push, &["push", repo, &file], 0, "");
    }
    place.ask(None, &["push", "a/open", &file], 1, "a token is required");
    place.ask(None, &["push", "a/shut", &file], 1, "there is no repo `a/shut`");
    place.ask(push, &["push", "b/none", &file], 1, "there is no repo `b/none`");

    let output = place.store.scratch().join("out.mpack");
    let fetch = |repo| ["fetch", repo, "--output", output.to_str().unwrap()];
    let here = place.store.scratch().join("here.mpack");
    place.store.run(["fetch", "a/open", "--output", here.to_str().unwrap()]).ok();
    let whole = std::fs::read(&here).unwrap();
    for (token, repo) in [(read, "a/shut"), (push, "a/shut"), (None, "a/open")] {
        place.ask(token, &fetch(repo), 0, "");
        assert_eq!(std::fs::read(&output).unwrap(), whole, "{repo}");
        std::fs::remove_file(&output).unwrap();
    }
    place.ask(None, &fetch("a/shut"), 1, "there is no repo `a/shut`");
    place.ask(None, &["fetch", "a/open", "--ttl", "7200"], 2, "expected 1 to 3600");
    place.ask(read, &["fetch", "a/open", "--ttl", "7200"], 0, "");
}

#[test]
fn the_rest_is_for_administrators() {
    let place = Place::new();
    let push = Some(place.push.as_str());
    for words in [
        &["repo", "list"][..],
        &["repo", "show", "a/shut"],
        &["repo", "delete", "a/shut", "--yes"],
        &["branch", "list", "a/shut"],
        &["branch", "delete", "a/shut", "main", "--yes"],
        &["gc", "a/shut"],
        &["gc", "--async", "a/shut"],
        &["verify", "a/shut"],
        &["policy", "set", "a/shut", "--max-packs", "2"],
        &["token", "list"],
    ] {
        place.ask(push, words, 1, "scope admin");
    }
}

/// Each pack of a push is an open file until all have come.
#[test]
fn who_may_only_push_sends_a_few_packs_at_once() {
    let place = Place::new();
    let files = place.packs(17);
    let push = |count| -> Vec<&str> {
        ["push", "a/shut"].into_iter().chain(files[..count].iter().map(String::as_str)).collect()
    };
    place.ask(Some(&place.push), &push(17), 1, "at most 16 packs");
    place.ask(Some(&place.push), &push(16), 0, "");
    let admin = place.store.run(["token", "create", "--scope", "admin", "--repo", "*"]).ok().json();
    place.ask(admin["token"].as_str(), &push(17), 0, "");
}
