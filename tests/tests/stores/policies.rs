//! Policies: due repos are consolidated automatically, and the reason is reported.

use packhouse_tests::binary::Packhouse;
use packhouse_tests::seed::chain;

fn push(packhouse: &Packhouse, repo: &str, from: usize, to: usize) {
    let mut tip = (from > 0).then(|| tip(from));
    for n in from..to {
        let next = chain(1, &n.to_string(), tip.as_deref());
        packhouse.run(["push", repo, &packhouse.file(&format!("{n}.mpack"), &next.pack)]).ok();
        tip = Some(next.tip);
    }
}

/// The head after so many pushes.
fn tip(pushes: usize) -> String {
    (0..pushes)
        .fold(None, |tip: Option<String>, n| Some(chain(1, &n.to_string(), tip.as_deref()).tip))
        .unwrap()
}

#[test]
fn a_policy_says_which_repos_are_due_and_why_and_workers_consolidate_them() {
    let packhouse = Packhouse::with_repo();
    packhouse.run(["repo", "create", "a/quiet"]).ok();
    push(&packhouse, "a/b", 0, 4);
    push(&packhouse, "a/quiet", 0, 4);
    let shown = packhouse.run(["policy", "show"]).ok().json();
    assert_eq!(
        (&shown["max_packs"], &shown["growth"], &shown["set"]),
        (&50.into(), &1.0.into(), &false.into())
    );
    assert!(
        packhouse
            .run(["policy", "check"])
            .ok()
            .documents()
            .iter()
            .all(|check| check["due"] == false)
    );
    packhouse.run(["policy", "set", "a/quiet", "--off"]).ok();
    packhouse.run(["policy", "set", "--max-packs", "3", "--growth", "0.5"]).ok();
    let checks = packhouse.run(["policy", "check"]).ok().documents();
    let due: Vec<(&str, bool)> =
        checks.iter().map(|c| (c["repo"].as_str().unwrap(), c["due"].as_bool().unwrap())).collect();
    assert_eq!(due, [("a/b", true), ("a/quiet", false)]);
    assert_eq!(checks[0]["reasons"].as_array().unwrap().len(), 1);
    assert_eq!((&checks[0]["gc"]["geometric"], checks[1].get("gc")), (&2.into(), None));
    assert!(packhouse.run(["jobs", "list"]).ok().documents().is_empty(), "a check changes nothing");

    let ended = packhouse.run(["worker", "--drain", "--policies", "1s"]).ok();
    // The worker may have drained before it first looked.
    if ended.documents().is_empty() {
        packhouse.run(["policy", "check", "--queue"]).ok();
        packhouse.run(["worker", "--drain", "--no-policies"]).ok();
    }
    assert_eq!(packhouse.show()["packs"], 1);
    assert_eq!(packhouse.run(["repo", "show", "a/quiet"]).ok().json()["packs"], 4);

    // As much again: more than half of what was consolidated.
    push(&packhouse, "a/b", 4, 7);
    let check = packhouse.run(["policy", "check", "a/b"]).ok().json();
    assert_eq!(check["due"], true);
    let reasons = check["reasons"].to_string();
    assert!(reasons.contains("4 packs") && reasons.contains("were pushed since"), "{reasons}");
    packhouse.run(["policy", "set", "--default"]).ok();
    assert_eq!(packhouse.run(["policy", "show"]).ok().json()["set"], false);
    packhouse.run(["policy", "set", "--growth", "0"]).exits(2).says(&["above 0"]);
    packhouse.run(["policy", "set", "--max-packs", "0"]).exits(2);
    packhouse.run(["policy", "set"]).exits(2);
    packhouse.run(["policy", "check", "no/such"]).exits(1).says(&["repo create"]);
}

/// What growth promises: over a repo's life about 1 + 1/growth bytes are written for each that is
/// pushed.
#[test]
fn growth_bounds_what_is_written_over_a_repos_life() {
    let packhouse = Packhouse::with_repo();
    packhouse.run(["policy", "set", "--max-packs", "8", "--growth", "1"]).ok();
    let (mut written, mut pushed) = (0, 0);
    for n in 0..40 {
        push(&packhouse, "a/b", n, n + 1);
        pushed += std::fs::metadata(packhouse.scratch().join(format!("{n}.mpack"))).unwrap().len();
        packhouse.run(["policy", "check", "--queue"]).ok();
        for ended in packhouse.run(["worker", "--drain", "--no-policies"]).ok().documents() {
            written += ended["result"]["bytes_written"].as_u64().unwrap();
        }
    }
    assert!(written > 0);
    assert!(written <= 3 * pushed, "{written} bytes were written for {pushed} that were pushed");
}
