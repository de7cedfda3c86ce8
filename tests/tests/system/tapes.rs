//! Tapes: what is recorded replays identically, in this process and through the binary; what is not
//! a tape, or replays differently, is reported with the place.
//!
//! `fixtures/tapes` is a corpus of runs that this test records itself, and compares with what is
//! checked in. When the component or the format has changed on purpose, first see what that did
//! (`packhouse replay tests/fixtures/tapes --component …`), then record it again:
//! `PACKHOUSE_WRITE_TAPES=1 cargo test -p packhouse-tests --test system tapes`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use packhouse_host::sample::{HistoryOptions, history};
use packhouse_host::sandbox::{Planner, Sandbox, SandboxLimits};
use packhouse_host::tape::Verdict;
use packhouse_host::{
    Class, Error, FetchRequest, GcOptions, Progress, PushOptions, TapeError, tape,
};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::faulty::Fault;
use packhouse_tests::hostile::{Spoiled, reworded, spoiled};
use packhouse_tests::store::{TestStore, options};
use packhouse_tests::{corpus, faulty, fixtures};

fn tapes() -> Vec<PathBuf> {
    tapes_in(&fixtures::folder().join("tapes"))
}

fn tapes_in(folder: &Path) -> Vec<PathBuf> {
    let mut tapes: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    tapes.retain(|file| file.extension().is_some_and(|ending| ending == "tape"));
    tapes.sort();
    tapes
}

fn name(tape: &Path) -> String {
    tape.file_name().unwrap().to_string_lossy().into_owned()
}

/// The text of a tape, as any program reads it.
fn text(tape: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(tape).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn write(tape: &Path, text: &str) {
    let mut to = GzEncoder::new(std::fs::File::create(tape).unwrap(), Compression::default());
    to.write_all(text.as_bytes()).unwrap();
    to.finish().unwrap();
}

fn reference() -> Sandbox {
    Sandbox::reference(None).unwrap()
}

fn load(bytes: &[u8]) -> Sandbox {
    Sandbox::load(bytes, None, SandboxLimits::default()).unwrap()
}

fn hostile() -> Sandbox {
    load(&std::fs::read(fixtures::hostile_component()).unwrap())
}

/// A tape of the corpus with something changed, in a folder of its own.
struct Changed {
    tape: PathBuf,
    _folder: tempfile::TempDir,
}

fn changed(of: &str, change: impl FnOnce(String) -> String) -> Changed {
    let folder = tempfile::tempdir().unwrap();
    let tape = folder.path().join("changed.tape");
    let before = text(&fixtures::folder().join("tapes").join(of));
    let after = change(before.clone());
    assert_ne!(before, after, "nothing was changed");
    write(&tape, &after);
    Changed { tape, _folder: folder }
}

#[tokio::test]
async fn the_corpus_is_what_is_recorded_now() {
    let folder = tempfile::tempdir().unwrap();
    corpus::record(folder.path()).await;
    let recorded = tapes_in(folder.path());
    assert!(recorded.len() > 40, "{}", recorded.len());
    if std::env::var_os("PACKHOUSE_WRITE_TAPES").is_some() {
        for tape in tapes() {
            std::fs::remove_file(tape).unwrap();
        }
        for tape in &recorded {
            std::fs::copy(tape, fixtures::folder().join("tapes").join(name(tape))).unwrap();
        }
    }
    let names = |tapes: &[PathBuf]| tapes.iter().map(|tape| name(tape)).collect::<Vec<_>>();
    assert_eq!(names(&tapes()), names(&recorded));
    for (checked_in, recorded) in tapes().iter().zip(&recorded) {
        // Not the files: another version of the compressor may make other bytes.
        for (number, (one, other)) in
            text(checked_in).lines().zip(text(recorded).lines()).enumerate()
        {
            assert_eq!(one, other, "{}, line {}", name(checked_in), number + 1);
        }
        assert_eq!(
            text(checked_in).lines().count(),
            text(recorded).lines().count(),
            "{}",
            name(checked_in)
        );
    }
}

#[test]
fn every_tape_of_the_corpus_replays_to_the_letter() {
    let (mut faults, mut runs) = (0, std::collections::BTreeSet::new());
    for tape in tapes() {
        let replayed = tape::replay(&tape, &reference()).unwrap();
        assert_eq!(
            (replayed.verdict, replayed.divergence.as_deref()),
            (Verdict::Identical, None),
            "{}",
            name(&tape)
        );
        assert!(replayed.ok && replayed.calls > 0, "{}", name(&tape));
        let header: serde_json::Value =
            serde_json::from_str(text(&tape).lines().next().unwrap()).unwrap();
        runs.insert(header["run"].as_str().unwrap().to_owned());
        faults += usize::from(text(&tape).contains("\n{\"result\":{\"plan-error\":"));
    }
    assert_eq!(runs.len(), 3, "all three questions are asked: {runs:?}");
    assert!(faults >= 4, "runs that end with a fault are on tape as well: {faults}");
}

#[test]
fn the_binary_replays_the_corpus_without_a_store() {
    let packhouse = Packhouse::new();
    let folder = fixtures::folder().join("tapes");
    let mut command = packhouse.command([Path::new("replay"), &folder]);
    let absent = packhouse.scratch().join("no/store");
    command.arg("--data").arg(&absent);
    // Given twice, the last counts; the first is that of the tests.
    let output = std::process::Command::new(command.get_program())
        .args(["--json", "replay"])
        .arg(&folder)
        .arg("--data")
        .arg(&absent)
        .env("HOME", packhouse.scratch())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!absent.exists(), "a replay opens no store");
    let answers: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), tapes().len());
    for answer in answers {
        assert_eq!(answer["ok"], true, "{answer}");
        assert_eq!(answer["divergence"], serde_json::Value::Null);
        assert!(
            answer["calls"].as_u64().unwrap() > 0
                && answer["tape"].as_str().unwrap().ends_with(".tape")
        );
    }
}

#[test]
fn a_run_through_the_binary_is_recorded_and_runs_again() {
    let packhouse = Packhouse::with_repo();
    let at = |name: &str| packhouse.scratch().join(name).to_str().unwrap().to_owned();
    for (number, file) in fixtures::muse_cli().iter().enumerate() {
        packhouse
            .run([
                "push",
                "a/b",
                file.to_str().unwrap(),
                "--record",
                &at(&format!("push-{number}")),
            ])
            .ok();
    }
    let planned = packhouse.run(["gc", "a/b", "--dry-run", "--record", &at("plan")]).ok().json();
    let done = packhouse
        .run(["gc", "a/b", "--record", &at("gc")])
        .ok()
        .says(&["Recorded 12 calls"])
        .json();
    assert_eq!(done["consolidated_key"], fixtures::CONSOLIDATED_KEY);
    packhouse.run(["fetch", "a/b", "--record", &at("fetch")]).ok();
    for name in ["push-0", "push-6", "plan", "gc", "fetch"] {
        let replayed = packhouse.run(["replay", &at(name)]).ok().json();
        assert_eq!(
            (&replayed["ok"], &replayed["component"]),
            (&true.into(), &done["component"]),
            "{name}"
        );
    }
    assert_eq!(
        text(Path::new(&at("plan"))),
        text(Path::new(&at("gc"))),
        "a dry run asks what a run asks"
    );
    let dumped = packhouse.run(["replay", "--dump", &at("gc")]).ok();
    assert_eq!(dumped.stdout, text(Path::new(&at("gc"))));
    assert_eq!(dumped.documents().last().unwrap()["end"]["plan-digest"], planned["plan_digest"]);

    // Nothing to plan: no tape, and a note.
    packhouse.run(["gc", "a/b", "--record", &at("none")]).ok().says(&["no tape was written"]);
    assert!(!Path::new(&at("none")).exists());
    // Several repos: a folder with a tape each.
    packhouse.run(["repo", "create", "c/d"]).ok();
    packhouse.run(["push", "c/d", fixtures::muse_cli()[0].to_str().unwrap()]).ok();
    packhouse.run(["push", "c/d", fixtures::muse_cli()[1].to_str().unwrap()]).ok();
    packhouse.run(["gc", "--all", "--record", &at("all")]).ok();
    assert_eq!(
        tapes_in(Path::new(&at("all"))).iter().map(|tape| name(tape)).collect::<Vec<_>>(),
        ["c+d.tape"]
    );
    assert!(
        std::fs::read_dir(packhouse.scratch())
            .unwrap()
            .all(|f| !name(&f.unwrap().path()).starts_with('.')),
        "nothing is left over"
    );
}

/// Any verb can run another component, and says which.
#[test]
fn the_binary_runs_the_component_that_it_is_given() {
    let packhouse = Packhouse::with_repo();
    let hostile = fixtures::hostile_component();
    let given = hostile.to_str().unwrap();
    let digest = hostile_digest();
    let pushed = packhouse
        .run(["push", "a/b", fixtures::muse_cli()[0].to_str().unwrap(), "--component", given])
        .ok()
        .json();
    assert_eq!(pushed["component"], digest);
    packhouse.push(&fixtures::muse_cli()[1..3]).ok();
    let mut command = packhouse.command(["gc", "a/b"]);
    let output = command.env("PACKHOUSE_COMPONENT", given).output().unwrap();
    let done: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&done["component"], &done["skipped"]), (&digest.clone().into(), &false.into()));
    assert_eq!(
        packhouse.run(["fetch", "a/b", "--component", given]).ok().json()["component"],
        digest
    );
    assert_eq!(packhouse.run(["component", "--component", given]).ok().json()["digest"], digest);

    // An invalid one, and a missing one: named, before a store is created.
    let nothing = packhouse.scratch().join("new");
    for (file, says) in [
        ("no.wasm", "no.wasm"),
        (fixtures::muse_cli()[0].to_str().unwrap(), "is not a component that packhouse can run"),
    ] {
        let mut command = packhouse.command(["repo", "create", "c/d", "--component", file]);
        let output = command
            .env("PACKHOUSE_DATABASE_URL", format!("sqlite://{}/c.db", nothing.display()))
            .env("PACKHOUSE_STORAGE_URL", format!("file://{}", nothing.display()))
            .output()
            .unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && words.contains(says), "{words}");
        assert!(!nothing.exists());
    }
}

fn hostile_digest() -> String {
    hostile().digest().to_owned()
}

/// Numbers on a tape may be any.
#[test]
fn a_tape_that_overflows_is_told_and_panics_nobody() {
    let max = u64::MAX;
    for (from, to) in [
        ("\"records\":", format!("\"records\":{max},\"x\":")),
        ("\"time-ms\":600000", format!("\"time-ms\":{max}")),
        ("{\"pack\":0,\"first\":0,", format!("{{\"pack\":0,\"first\":{max},")),
    ] {
        let tape = changed("muse-cli-gc.tape", |text| text.replacen(from, &to, 1));
        for sandbox in [reference(), hostile()] {
            let _ = tape::replay(&tape.tape, &sandbox);
        }
    }
    let endless = changed("muse-cli-gc.tape", |text| {
        let text = text.replacen("\"records\":", &format!("\"records\":{max},\"x\":"), 1);
        text.replace("\"branch\":\"bridge\"", "\"branch\":\"hostile-claims-endless-steps\"")
    });
    assert_eq!(tape::replay(&endless.tape, &hostile()).unwrap().verdict, Verdict::Different);
}

#[test]
fn a_tape_that_cannot_be_written_fails_the_verb_and_changes_nothing() {
    let packhouse = Packhouse::with_repo();
    packhouse.push(&fixtures::muse_cli()[..2]).ok();
    let before = packhouse.picture();
    packhouse
        .run(["gc", "a/b", "--record", "/dev/null"])
        .exits(2)
        .says(&["/dev/null exists and is not a regular file"]);
    packhouse
        .run(["gc", "a/b", "--record", "/no/such/folder/x.tape"])
        .exits(1)
        .says(&["writing the tape", "/no/such/folder"]);
    let mut after = packhouse.picture();
    after.show["last_gc"] = before.show["last_gc"].clone();
    assert_eq!(after, before);
}

/// Changing the planner shows: here it writes another name for a section.
#[test]
fn a_planner_that_plans_otherwise_diverges_and_says_where() {
    let other = load(&reworded("branch_heads", "branch_headz"));
    let replayed =
        tape::replay(&fixtures::folder().join("tapes/muse-cli-gc.tape"), &other).unwrap();
    assert_eq!((replayed.ok, replayed.verdict, replayed.calls), (false, Verdict::Different, 12));
    let words = replayed.divergence.unwrap();
    assert!(
        words.contains("step 143 of a page") && words.contains(&hex::encode("branch_heads")),
        "{words}"
    );
    assert!(words.contains(&hex::encode("branch_headz")), "both sides are told: {words}");
}

#[test]
fn a_component_that_asks_otherwise_and_plans_the_same_is_told_from_one_that_does_not() {
    let hostile = hostile();
    let mut unknown = 0;
    for tape in tapes() {
        let replayed = tape::replay(&tape, &hostile).unwrap();
        // It reads the heads first, and a run that ended before has not put them on tape.
        let known = text(&tape).contains("\n{\"call\":\"database.heads\"");
        let expected = if known { Verdict::SameKey } else { Verdict::Different };
        assert_eq!(
            (replayed.ok, replayed.verdict),
            (false, expected),
            "{}: {:?}",
            name(&tape),
            replayed.divergence
        );
        unknown += usize::from(!known);
        let words = replayed.divergence.unwrap();
        assert!(
            words.starts_with("call 1: the tape has ")
                && words.contains("the component calls database.heads"),
            "{words}"
        );
    }
    assert_eq!(unknown, 1, "of the forged commit");
    // Modified, it drops an object: then the pack is another.
    let told = changed("muse-cli-gc.tape", |text| {
        text.replace("\"branch\":\"bridge\"", "\"branch\":\"hostile-drops-an-object\"")
    });
    assert_eq!(tape::replay(&told.tape, &hostile).unwrap().verdict, Verdict::Different);
}

#[test]
fn a_call_that_differs_is_told_with_both_sides() {
    let of = "muse-cli-gc.tape";
    for (change, says) in [
        (
            ("\"first\":0,\"limit\":0", "\"first\":0,\"limit\":1025"),
            ["call 1: the tape has database.packs", "\"limit\":1025"],
        ),
        (
            ("database.heads", "database.headz"),
            ["call 10: the tape has database.headz", "the component calls database.heads"],
        ),
        (
            ("\"bytes\":791982", "\"bytes\":791983"),
            ["result.plan.bytes: the tape has 791983", "the component answers 791982"],
        ),
        (
            ("\"offset\":10,\"length\":505}}", "\"offset\":10,\"length\":506}}"),
            ["step 1 of a page", "505"],
        ),
    ] {
        let tape = changed(of, |text| text.replacen(change.0, change.1, 1));
        let replayed = tape::replay(&tape.tape, &reference()).unwrap();
        let words = replayed.divergence.unwrap();
        assert!(!replayed.ok && says.iter().all(|part| words.contains(part)), "{words}");
    }
    // A call too many, and one too few.
    let dropped = |at: usize| {
        changed(of, move |text| {
            text.lines()
                .enumerate()
                .filter(|(n, _)| *n != at)
                .map(|(_, line)| format!("{line}\n"))
                .collect()
        })
    };
    let words = tape::replay(&dropped(12).tape, &reference()).unwrap().divergence.unwrap();
    assert!(words.contains("the tape has no more calls"), "{words}");
    let doubled = changed(of, |text| {
        let last = text.lines().nth(12).unwrap().to_owned();
        text.replacen(&format!("{last}\n"), &format!("{last}\n{last}\n"), 1)
    });
    let words = tape::replay(&doubled.tape, &reference()).unwrap().divergence.unwrap();
    assert!(words.contains("the component makes no more calls"), "{words}");
}

#[test]
fn what_is_no_tape_is_told_by_line_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixtures::folder().join("tapes/muse-cli-gc.tape")).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let raw = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let of_text = |name: &str, text: &str| {
        let path = folder.path().join(name);
        write(&path, text);
        path
    };
    let good = text(&fixtures::folder().join("tapes/muse-cli-gc.tape"));
    let lines: Vec<&str> = good.lines().collect();
    let but = |skip: usize| {
        lines
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != skip)
            .map(|(_, l)| format!("{l}\n"))
            .collect::<String>()
    };
    let files = [
        raw("cut.tape", &whole[..whole.len() / 2]),
        raw("flipped.tape", &flipped),
        raw("text.tape", good.as_bytes()),
        raw("nothing.tape", b""),
        of_text("empty.tape", ""),
        of_text("garbage.tape", "hello\n"),
        of_text("no-header.tape", &but(0)),
        of_text("no-end.tape", &but(lines.len() - 1)),
        of_text("after-the-end.tape", &format!("{good}{}\n", lines[1])),
        of_text("no-newline.tape", good.trim_end()),
        of_text("two-answers.tape", &good.replacen(",\"ok\":{", ",\"trap\":\"x\",\"ok\":{", 1)),
        of_text("no-rows.tape", &good.replacen("\"items\":\"0", "\"items\":\"x", 1)),
        of_text(
            "digest.tape",
            &good.replacen("\"plan-digest\":\"sha256:", "\"plan-digest\":\"sha256:0", 1),
        ),
        of_text("calls.tape", &good.replacen("\"calls\":12", "\"calls\":14", 1)),
    ];
    for file in files {
        let error = tape::replay(&file, &reference()).expect_err(&name(&file));
        assert!(
            matches!(&error, Error::Tape(TapeError::Damaged { tape, line, .. }) if *tape == file && *line > 0),
            "{}: {error}",
            name(&file)
        );
        assert_eq!(error.class(), Class::Refused, "{error}");
    }
    let older = "{\"tape\":1,\"made-by\":\"packhouse 0.1.0\",\"whatever\":1}\n";
    for (header, says) in [
        (older, "format 1, recorded by packhouse 0.1.0; this packhouse replays format 2"),
        ("{\"tape\":3}\n", "format 3; this packhouse replays format 2"),
    ] {
        let error = tape::replay(&of_text("other.tape", header), &reference()).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn exit_codes_tell_a_divergence_from_a_damaged_tape() {
    let packhouse = Packhouse::new();
    let good = fixtures::folder().join("tapes/seed-gc.tape");
    let diverging =
        changed("seed-gc.tape", |text| text.replacen("\"limit\":0", "\"limit\":4095", 1));
    let damaged = changed("seed-gc.tape", |text| text.replace("{\"end\":", "{\"fin\":"));
    let words = |tape: &Path| ["replay".to_owned(), tape.to_str().unwrap().to_owned()];
    packhouse.run(words(&good)).ok();
    let answer = packhouse.run(words(&diverging.tape)).exits(4).json();
    assert_eq!((&answer["ok"], &answer["verdict"]), (&false.into(), &"same-key".into()));
    assert!(answer["divergence"].as_str().unwrap().contains("4095"));
    packhouse.run(words(&damaged.tape)).exits(1).says(&["is damaged: line", "changed.tape"]);
    packhouse.run(["replay", "nowhere.tape"]).exits(1).says(&["nowhere.tape"]);
    let both = packhouse.run(
        [words(&damaged.tape), words(&diverging.tape)]
            .concat()
            .iter()
            .filter(|w| *w != "replay")
            .fold(vec!["replay".to_owned()], |mut all, word| {
                all.push(word.clone());
                all
            }),
    );
    assert_eq!(both.exits(4).documents().len(), 1);

    // Another component must be named.
    let other = changed("seed-gc.tape", |text| {
        text.replacen("\"component\":\"sha256:", "\"component\":\"sha256:0", 1)
    });
    packhouse
        .run(words(&other.tape))
        .exits(1)
        .says(&["was recorded with the component", "--component FILE"]);
    let component = packhouse.scratch().join("c.wasm");
    std::fs::write(&component, packhouse_artifact::COMPONENT).unwrap();
    let mut with_component = words(&other.tape).to_vec();
    with_component.extend(["--component".to_owned(), component.to_str().unwrap().to_owned()]);
    assert_eq!(packhouse.run(&with_component).ok().json()["verdict"], "identical");
    with_component[3] = good.to_str().unwrap().to_owned();
    packhouse.run(&with_component).exits(1).says(&["component"]);
}

#[tokio::test]
async fn a_run_that_was_stopped_is_on_tape_and_stops_again() {
    let store = TestStore::new().await;
    store.push_each(&history(&HistoryOptions { pushes: 3, ..HistoryOptions::default() })).await;
    let traps = load(&spoiled("consolidation@0.2.0#steps", Spoiled::Traps));
    let hostile =
        faulty::open(options(&store.data()), traps.clone(), &Fault::never()).await.unwrap();
    let tape = store.data().join("stopped.tape");
    hostile
        .recording(&tape)
        .gc(&store.repo, GcOptions::default(), &Progress::silent())
        .await
        .unwrap_err();
    assert!(text(&tape).contains("\n{\"result\":{\"stopped\":\"it trapped"));
    assert_eq!(tape::replay(&tape, &traps).unwrap().verdict, Verdict::Identical);
    let honest = tape::replay(&tape, &reference()).unwrap();
    assert!(!honest.ok && honest.divergence.unwrap().contains("it trapped"));
}

#[tokio::test]
async fn a_host_that_failed_is_on_tape_and_fails_again() {
    let store = TestStore::new().await;
    store.push_each(&history(&HistoryOptions { pushes: 3, ..HistoryOptions::default() })).await;
    for pack in walk(&store.data().join("packs")) {
        std::fs::remove_file(pack).unwrap();
    }
    let tape = store.data().join("failed.tape");
    let error = store
        .store
        .recording(&tape)
        .gc(&store.repo, GcOptions::default(), &Progress::silent())
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Damage, "{error}");
    assert!(
        text(&tape).contains("\"trap\":\"pack sha256:"),
        "the call that could not be answered says why"
    );
    assert_eq!(tape::replay(&tape, &reference()).unwrap().verdict, Verdict::Identical);
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let packs =
        files.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "mpack"));
    packs.chain(folders.iter().flat_map(|folder| walk(folder))).collect()
}

/// Too large to be checked in: every list of every call has several pages.
#[tokio::test]
async fn a_huge_history_goes_on_tape_and_replays() {
    let (store, silent) = (TestStore::new().await, Progress::silent());
    let packs = corpus::long(2500);
    store.push_each(&packs[..1]).await;
    let at = |verb: &str| store.data().join(format!("{verb}.tape"));
    let recording = |verb: &str| store.store.recording(&at(verb));
    recording("push")
        .push(&store.repo, &[store.file(&packs[1])], PushOptions::default(), &silent)
        .await
        .unwrap();
    recording("fetch").fetch(&store.repo, &FetchRequest::default(), &silent).await.unwrap();
    recording("gc").gc(&store.repo, GcOptions::default(), &silent).await.unwrap();
    for verb in ["push", "fetch", "gc"] {
        let replayed = tape::replay(&at(verb), &reference()).unwrap();
        assert_eq!((replayed.verdict, replayed.divergence), (Verdict::Identical, None), "{verb}");
        let other = tape::replay(&at(verb), &hostile()).unwrap();
        assert_eq!(other.verdict, Verdict::SameKey, "{verb}: {:?}", other.divergence);
    }
    assert!(
        text(&at("gc")).matches("{\"steps\":").count() > 1
            && text(&at("push")).matches("{\"edges\":").count() > 1
    );
}

/// Law 2: what is on tape grows with records, and not with what objects hold.
#[tokio::test]
async fn law_2_payload_is_on_no_tape() {
    let mut sizes = Vec::new();
    for object_bytes in [10..20, 300_000..400_000] {
        let store = TestStore::new().await;
        store
            .push_each(&history(&HistoryOptions {
                pushes: 3,
                objects_per_commit: 4,
                object_bytes,
                ..HistoryOptions::default()
            }))
            .await;
        let tape = store.data().join("gc.tape");
        let recording = store.store.recording(&tape);
        let done =
            recording.gc(&store.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
        sizes.push((done.bytes_after, recording.recorded().unwrap().bytes));
    }
    assert!(sizes[1].0 > 100 * sizes[0].0, "{sizes:?}");
    assert!(sizes[1].1 < sizes[0].1 + 1000, "{sizes:?}");
}

/// What is recorded does not depend on what the packs are pushed to, when, or by whom.
#[tokio::test]
async fn a_tape_depends_on_the_run_alone() {
    let packs = history(&HistoryOptions { pushes: 4, ..HistoryOptions::default() });
    let mut texts = Vec::new();
    for now in ["2026-03-02T09:00:00Z", "2031-01-01T00:00:00Z"] {
        let store = TestStore::new().await;
        let clock = std::sync::Arc::new(packhouse_host::clock::FixedClock::starting_at(
            now.parse().unwrap(),
        ));
        let folder = store.data().join("other");
        let other =
            packhouse_host::StoreOptions { clock, ..options(&folder) }.open().await.unwrap();
        other.create_repo(&store.repo, packhouse_host::Visibility::Public).await.unwrap();
        for pack in &packs {
            other
                .push(&store.repo, &[store.file(pack)], PushOptions::default(), &Progress::silent())
                .await
                .unwrap();
        }
        let tape = store.data().join("fetch.tape");
        other
            .recording(&tape)
            .fetch(&store.repo, &FetchRequest::default(), &Progress::silent())
            .await
            .unwrap();
        texts.push(text(&tape));
    }
    assert_eq!(texts[0], texts[1]);
}
