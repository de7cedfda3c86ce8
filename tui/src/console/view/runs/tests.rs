use jiff::SignedDuration;
use packhouse_host::{Event, Phase, RepoName, VerifyReport};

use crate::console::failure::{Failure, FailureKind};
use crate::console::keys::Keymap;
use crate::console::state::{Call, Model, Outcome, Screen, Ticket, Work};
use crate::console::tests::fake::{gc_report, now, summary};
use crate::console::view::tests::{can_be_drawn_at_any_size, model, shown};

fn ask(model: &mut Model, repo: &str, work: Work) -> Ticket {
    let (ticket, repo) = (model.ticket(), repo.parse::<RepoName>().unwrap());
    model.runs.ask(ticket, repo, work, Call::Verify, model.now);
    ticket
}

fn go_on(model: &mut Model, ticket: Ticket, phase: Phase, steps: &[(i64, u64)], total: u64) {
    for (ms, done) in steps {
        model.now = now() + SignedDuration::from_millis(*ms);
        model.runs.step(
            ticket,
            Event { repo: "any/repo".to_owned(), phase, done: *done, total },
            model.now,
        );
    }
}

/// Ended, active and queued runs of all kinds.
fn busy() -> (Model, Ticket, Ticket) {
    let mut model = model();
    model.now = now();
    let tickets: Vec<Ticket> =
        (0..7).map(|n| ask(&mut model, &format!("studio/take-{n}"), Work::Consolidate)).collect();
    let ends = [
        Ok(Outcome::Consolidated(Box::new(gc_report(&summary("studio/take-0", 7))))),
        Ok(Outcome::Consolidated(Box::new(gc_report(&summary("studio/take-1", 1))))),
        Err(Failure { kind: FailureKind::Refused, message: "no space left".to_owned() }),
        Err(Failure { kind: FailureKind::Conflict, message: "changed".to_owned() }),
        Err(Failure { kind: FailureKind::Damage, message: "damaged".to_owned() }),
        Err(Failure { kind: FailureKind::Cancelled, message: "stopped".to_owned() }),
        Ok(Outcome::Verified(Box::new(VerifyReport {
            repo: "studio/take-6".parse().unwrap(),
            packs_checked: 7,
            objects_checked: 240,
            bytes_checked: 831_488,
            ok: true,
            problems: Vec::new(),
            repaired: None,
        }))),
    ];
    for (ticket, end) in tickets.into_iter().zip(ends) {
        model.runs.start(now());
        model.runs.end(ticket, end, now() + SignedDuration::from_millis(1234));
    }
    let writing = ask(&mut model, "gabriel/notes", Work::Consolidate);
    ask(&mut model, "okafor/a-rather-long-name-of-a-repo-that-goes-on-and-on", Work::Verify);
    model.runs.start(now());
    let waiting = ask(&mut model, "zoe/loops", Work::Consolidate);
    let steps: Vec<(i64, u64)> =
        (0..20).map(|n| (n * 500, n as u64 * 17_000 + (n as u64 % 5) * 4000)).collect();
    go_on(&mut model, writing, Phase::Splice, &steps, 810_990);
    (model, writing, waiting)
}

#[test]
fn runs_show_their_state() {
    let (mut model, ..) = busy();
    model.screens.push(Screen::Runs);
    let seen = shown(&model, 200, 20);
    for text in [
        "Queued",
        "Verifying …",
        "Writing 41 %",
        "████░░░░░░",
        "phase: ",
        " s left",
        "PROGRESS",
        "/s",
        "Done: 7 → 1 pack",
        "took 1.2 s",
        "Nothing to do",
        "Failed",
        "Conflict",
        "Found damage",
        "Cancelled",
        "No problems",
    ] {
        assert!(seen.contains(text), "“{text}” is missing on\n{seen}");
    }
    let first = |columns| shown(&model, columns, 20).lines().nth(3).unwrap_or_default().to_owned();
    for columns in [40, 60, 80, 120, 200] {
        assert!(
            first(columns).starts_with("▸gabriel/notes")
                && first(columns).contains("consolidation"),
            "{}",
            first(columns)
        );
    }
    assert!(
        shown(&model, 60, 20).contains("Writing 41 %")
            && shown(&model, 80, 20).contains("took 1.2 s")
    );
}

#[test]
fn an_empty_list_shows_how_to_start() {
    let mut model = model();
    model.screens.push(Screen::Runs);
    let seen = shown(&model, 80, 8).replace('\n', "");
    assert!(
        seen.contains("g consolidates a repo, v verifies one; Space marks several repos"),
        "{seen}"
    );
    model.read_only = true;
    model.keymap = Keymap::new(true);
    assert!(!shown(&model, 80, 8).contains("consolidates"));
}

#[test]
fn an_active_run_shows_its_phase_speed_and_time() {
    let (mut model, writing, _) = busy();
    model.screens.push(Screen::Run(writing));
    let seen = shown(&model, 80, 24);
    for text in [
        "▸ writing  · verifying  · publishing",
        " 41 %",
        "of 792.0 KiB",
        "Time left   about",
        "s of writing",
        "9 s",
        "/s; peak",
        "██",
    ] {
        assert!(seen.contains(text), "“{text}” is missing on\n{seen}");
    }
    assert!(
        shown(&model, 60, 15).contains("▸ writing · verifying · publishing"),
        "{}",
        shown(&model, 60, 15)
    );
    // The last phase has nothing to count.
    go_on(&mut model, writing, Phase::Publish, &[(11_000, 810_990)], 810_990);
    let seen = shown(&model, 80, 24);
    assert!(
        seen.contains("✓ verifying  ▸ publishing") && seen.contains("publishing is almost done"),
        "{seen}"
    );
    let now = model.now;
    model.runs.stop(&[writing], now);
    let seen = shown(&model, 80, 24);
    assert!(
        seen.contains("Stopping at the next safe point") && !seen.contains("Time left"),
        "{seen}"
    );
}

#[test]
fn a_queued_run_shows_its_position() {
    let (mut model, _, waiting) = busy();
    model.screens.push(Screen::Run(waiting));
    assert!(shown(&model, 80, 12).contains("Position    next"));
    let behind = ask(&mut model, "zoe/other", Work::Verify);
    model.screens.push(Screen::Run(behind));
    assert!(shown(&model, 80, 12).contains("Position    1 run ahead"));
    let same = ask(&mut model, "gabriel/notes", Work::Verify);
    model.screens.push(Screen::Run(same));
    assert!(shown(&model, 80, 12).contains("Position    after the consolidation of this repo"));
}

#[test]
fn no_number_breaks_the_layout() {
    for (name, screen) in [
        ("runs, of any number", (|_| Screen::Runs) as fn(Ticket) -> Screen),
        ("run, of any number", Screen::Run),
    ] {
        let (mut model, writing, _) = busy();
        let steps = [(12_000, 0), (13_000, 1), (14_000, 2), (15_000, u64::MAX / 3)];
        go_on(&mut model, writing, Phase::Prove, &steps, u64::MAX);
        model.screens.push(screen(writing));
        let seen = shown(&model, 200, 20);
        assert!(seen.contains("33 %") && seen.contains("of 16.0 EiB"), "{seen}");
        can_be_drawn_at_any_size(name, model);
    }
}

#[test]
fn every_run_can_be_drawn_at_any_size() {
    for (name, screen) in [
        ("runs", (|_, _| Screen::Runs) as fn(Ticket, Ticket) -> Screen),
        ("active run", |writing, _| Screen::Run(writing)),
        ("queued run", |_, waiting| Screen::Run(waiting)),
    ] {
        let (mut model, writing, waiting) = busy();
        model.screens.push(screen(writing, waiting));
        can_be_drawn_at_any_size(name, model);
    }
}
