use super::term::State;
use super::*;
use crate::console::tests::fake::{now, summary};

fn passes(text: &str, repo: &RepoSummary) -> bool {
    let name = repo.repo.to_string();
    let (mut filter, bad) = Filter::read(text);
    assert_eq!(bad, None);
    filter.score(&name, repo, now()).is_some()
}

#[test]
fn words_are_parts_of_the_name_and_terms_are_exact() {
    let repo = RepoSummary {
        bytes: 3 << 30,
        duplicate_bytes: 1 << 30,
        stored_bytes: 3 << 30,
        ..summary("studio/album", 12)
    };
    for yes in [
        "",
        "alb",
        "dio/al",
        "~sdal",
        "~sdal alb",
        "^studio",
        "album$",
        "!demo",
        "!^album",
        "'lbu",
        // Signs alone are words that are still being typed.
        "~",
        "^ ' !",
        "album studio",
        "packs>11",
        "packs=12",
        "packs<=12",
        "packs > 11  alb",
        "packs >= 12",
        "size> 2.9G",
        "size>2.9G",
        "size<3.5GiB",
        "reclaim>30%",
        "reclaim>=1G",
        "alb packs>10 size>1G reclaim>30%",
        "gc:never",
        "gc>7d",
        "state:merge",
        "state:fragmented",
        "objects<1k",
    ] {
        assert!(passes(yes, &repo), "{yes}");
    }
    for no in [
        "xyz",
        "sdal",
        "~xyz",
        "^album",
        "studio$",
        "!alb",
        "!^stud",
        "Album",
        "packs>12",
        "packs<12",
        "size>3G",
        "reclaim>34%",
        "alb packs>12",
        "gc:failed",
        "state:ok",
        "gc<7d",
    ] {
        assert!(!passes(no, &repo), "{no}");
    }
}

#[test]
fn ages_are_those_of_the_last_consolidation() {
    let mut repo = summary("a/b", 1);
    repo.last_gc = Some(crate::console::tests::fake::last_gc("failed", "2026-06-24T12:00:00Z"));
    assert!(
        passes("gc>6d", &repo)
            && !passes("gc>2w", &repo)
            && passes("gc:failed", &repo)
            && !passes("gc:never", &repo)
    );
}

#[test]
fn a_bad_term_is_named_with_what_is_expected() {
    for (bad, words) in [
        ("packs>x", "a number such as"),
        ("packs>", "a number such as"),
        ("size>1Q", "a size such as"),
        ("size>-1", "a size such as"),
        ("reclaim>x%", "percent"),
        ("gc>7", "an age such as"),
        ("gc:maybe", "never or failed"),
        ("state:fine", "damaged, failed, fragmented, ok or empty"),
        ("colour:red", "only state: and gc:"),
        ("stars>5", "can be compared"),
    ] {
        let (filter, error) = Filter::read(&format!("alb {bad} gc:never"));
        assert_eq!(
            (filter.words.atoms.len(), filter.terms),
            (1, vec![Term::State(State::GcNever)]),
            "the rest holds"
        );
        let error = error.unwrap().to_string();
        assert!(error.starts_with(&format!("`{bad}`: ")) && error.contains(words), "{error}");
    }
}

#[test]
fn a_name_that_begins_with_the_word_matches_better_than_one_that_hides_it() {
    let mut filter = Filter::read("album").0;
    let mut score = |name: &str| filter.score(name, &summary(name, 1), now()).unwrap();
    let scores = ["a/album", "a/the-album", "a/xalbumx"].map(&mut score);
    assert!(scores[0] >= scores[1] && scores[1] > scores[2], "{scores:?}");
    assert!(Filter::read("album !x").0.ranks());
    assert!(!Filter::read("!x packs>1").0.ranks());
}

#[test]
fn a_word_that_is_a_state_finds_the_repos_in_it_and_those_of_that_name() {
    let damaged = RepoSummary { damaged: 1, ..summary("studio/album", 12) };
    let named = summary("zoe/damaged-tapes", 1);
    for repo in [&damaged, &named] {
        assert!(passes("damaged", repo) && !passes("'damaged fragmented", repo));
        assert!(!passes("empty", repo));
    }
    assert!(passes("damaged alb", &damaged) && !passes("damaged zoe", &damaged));
    assert!(passes("fragmented", &summary("a/b", 12)) && !passes("ok", &summary("a/b", 12)));
    assert!(!passes("!damaged", &named), "a word with a sign is about the name");
    assert!(passes("!damaged", &damaged) && !passes("~damaged", &damaged));
    // A name matches better than a state.
    let mut filter = Filter::read("damaged").0;
    let mut score = |repo: &RepoSummary| filter.score(&repo.repo.to_string(), repo, now()).unwrap();
    assert!(score(&named) > score(&damaged));
}
