use packhouse_host::{GcEntry, MpackKey, Problem, ProblemKind, Repaired, VerifyReport};

use crate::console::failure::{Failure, FailureKind};
use crate::console::keys::Keymap;
use crate::console::state::{Call, Cursor, Model, Outcome, RunState, Screen, Work};
use crate::console::tests::fake::{gc_report, last_gc, now, summary};
use crate::console::tests::update::press;
use crate::console::view::tests::{can_be_drawn_at_any_size, drawn, model, shown};

const KINDS: [ProblemKind; 7] = [
    ProblemKind::MissingPack,
    ProblemKind::DamagedPack,
    ProblemKind::LostEntity,
    ProblemKind::UnindexedEntity,
    ProblemKind::DamagedDirectory,
    ProblemKind::DamagedCatalog,
    ProblemKind::BadBranchName,
];

const SIZES: [(u16, u16); 8] =
    [(1, 1), (2, 9), (20, 5), (40, 9), (60, 15), (80, 24), (120, 40), (200, 50)];

fn ended(end: Result<Outcome, Failure>) -> Model {
    let mut model = model();
    let (ticket, repo) =
        (model.ticket(), "gabriel/notes".parse::<packhouse_host::RepoName>().unwrap());
    let work =
        if matches!(end, Ok(Outcome::Verified(_))) { Work::Verify } else { Work::Consolidate };
    model.runs.ask(ticket, repo, work, Call::Verify, now());
    model.runs.start(now());
    model.runs.end(ticket, end, now());
    model.screens.push(Screen::Run(ticket));
    model
}

fn failed(kind: FailureKind) -> Model {
    ended(Err(Failure {
        kind,
        message: "writing a pack in /srv/packs failed: no space left on device".to_owned(),
    }))
}

/// `number` findings, with the one at `selected` selected.
fn found(number: usize, selected: usize, detail: &str) -> Model {
    let problem = |n: usize| Problem {
        kind: KINDS[n % KINDS.len()],
        entity: n.is_multiple_of(2).then(|| format!("object sha256:{n:064x}")),
        pack: Some(MpackKey::new([n as u8; 32])),
        detail: detail.to_owned(),
    };
    let report = VerifyReport {
        repo: "gabriel/notes".parse().unwrap(),
        packs_checked: 7,
        objects_checked: 240,
        bytes_checked: 831_488,
        ok: number == 0,
        problems: (0..number).map(problem).collect(),
        repaired: None,
    };
    let mut model = ended(Ok(Outcome::Verified(Box::new(report))));
    if let Some(Screen::Run(ticket)) = model.screens.last()
        && let Some(run) = model.runs.get_mut(*ticket)
    {
        run.top.set(selected);
    }
    model
}

fn past(outcome: &str, report: bool) -> Model {
    let mut model = model();
    let report = report.then(|| gc_report(&summary("gabriel/photos", 23)));
    let record = last_gc(outcome, "2026-07-01T09:30:00Z");
    let entry = GcEntry { id: 7, repo: "gabriel/photos".parse().unwrap(), record, report };
    model.screens.push(Screen::Record(Box::new(entry), Cursor::default()));
    model
}

#[test]
fn the_displayed_verification_is_that_of_the_host() {
    let mut report = gc_report(&summary("gabriel/notes", 7));
    report.phase.proven = Some(packhouse_host::GcProof {
        entities: 1001,
        records: 1002,
        objects_hashed: 1003,
        bytes_read_back: 1 << 20,
        sources_hashed: 5,
    });
    let seen = shown(&ended(Ok(Outcome::Consolidated(Box::new(report.clone())))), 120, 24);
    for text in [
        "Consolidated 7 packs into 1 in 1.2 s.",
        "1,001 entities:",
        "1,002 records:",
        "1,003 objects:",
        "1.0 MiB:",
        "5 old packs:",
    ] {
        assert!(seen.contains(text), "“{text}” is missing on\n{seen}");
    }
    report.phase.proven = None;
    let seen = shown(&ended(Ok(Outcome::Consolidated(Box::new(report)))), 120, 24);
    assert!(
        seen.contains("This result has no verification report.") && !seen.contains('✓'),
        "{seen}"
    );
}

#[test]
fn a_failure_shows_its_effect_and_the_way_out() {
    for (kind, texts) in [
        (
            FailureKind::Refused,
            ["Consolidation failed.", "Nothing was changed.", "Fix the cause, then press g"],
        ),
        (
            FailureKind::Conflict,
            ["conflicted with another writer", "It changed nothing.", "Press g to see a new plan."],
        ),
        (FailureKind::Damage, ["found damage", "The damage existed before.", "Press v to verify"]),
        (
            FailureKind::Cancelled,
            ["was cancelled", "Nothing was changed.", "no space left on device"],
        ),
    ] {
        let seen = shown(&failed(kind), 80, 20);
        for text in texts {
            assert!(seen.contains(text), "“{text}” is missing on\n{seen}");
        }
    }
    // Disabled keys are not named.
    let mut model = failed(FailureKind::Conflict);
    (model.read_only, model.keymap) = (true, Keymap::new(true));
    assert!(!shown(&model, 80, 20).contains("Next"));
}

#[test]
fn every_finding_shows_what_to_do_next() {
    for (at, text) in [
        "restore the file from a backup",
        "Press R to repair it from intact copies in the store.",
        "restore the catalog file from a backup",
        "restore the catalog file from a backup",
        "Delete the .dir file",
        "restore the catalog file from a backup",
    ]
    .into_iter()
    .enumerate()
    {
        let seen = shown(&found(6, at, "what was found"), 120, 30);
        let selected = seen.lines().find(|line| line.starts_with('▸')).unwrap();
        assert!(selected.contains(&format!("{} ", at + 1)), "{seen}");
        assert!(seen.contains(text) && seen.contains("Found       what was found"), "{seen}");
        let seen = seen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(seen.contains("Then press v to verify again."), "{seen}");
    }
    assert!(shown(&found(0, 0, ""), 80, 10).contains("No problems: all packs are present"));
}

/// What a repair has left, with `repaired` repairs.
fn left(repaired: usize) -> Model {
    let mut model = found(1, 0, &"bytes that no copy has, ".repeat(20));
    if let Some(Screen::Run(ticket)) = model.screens.last()
        && let Some(run) = model.runs.get_mut(*ticket)
        && let RunState::Ended(Ok(Outcome::Verified(report))) = &mut run.state
    {
        run.work = Work::Repair;
        let repair = |n: usize| Repaired {
            pack: None,
            entities: 1,
            from: Vec::new(),
            detail: format!("repair {n}"),
        };
        report.repaired = Some((1..=repaired).map(repair).collect());
    }
    model
}

#[test]
fn the_text_about_the_last_finding_is_scrolled_and_all_of_it_can_be_read() {
    let mut model = left(9);
    let end = format!("sha256:{:064x}", 0);
    let mut seen = String::new();
    for _ in 0..40 {
        let extent = drawn(&model, 80, 24);
        seen += &extent.0;
        model.extent = extent.1;
        press(&mut model, &["Down"]);
    }
    for text in ["and 6 more", "↓ ", "repair 3", "repair 4", "repair 9", &end[..40]] {
        assert!(seen.contains(text), "“{text}” is missing on\n{seen}");
    }
    let last = shown(&model, 80, 24);
    assert!(last.contains("repair 9") && !last.contains('↓'), "{last}");
    press(&mut model, &["Home"]);
    assert!(shown(&model, 80, 24).contains(" missing pack: its file is missing"));
}

#[test]
fn repairs_are_counted_only_if_there_is_no_room_for_them() {
    let seen = shown(&left(4), 120, 60);
    assert!(seen.contains("repair 4") && !seen.contains("and 1 more"), "{seen}");
    let mut repaired = left(30);
    if let Some(Screen::Run(ticket)) = repaired.screens.last()
        && let Some(run) = repaired.runs.get_mut(*ticket)
        && let RunState::Ended(Ok(Outcome::Verified(report))) = &mut run.state
    {
        (report.ok, report.problems) = (true, Vec::new());
    }
    let seen = shown(&repaired, 80, 24);
    assert!(seen.contains("repair 9") && !seen.contains("Repaired    and"), "{seen}");
}

#[test]
fn of_100_000_findings_the_selected_one_is_visible() {
    for at in [0, 1, 49_999, 99_998, 99_999] {
        let model = found(100_000, at, "what was found");
        for (columns, rows) in
            SIZES.into_iter().filter(|(columns, rows)| *columns >= 40 && *rows > 9)
        {
            let seen = shown(&model, columns, rows);
            let number = crate::text::count(at as u64 + 1);
            assert!(
                seen.lines().any(|line| line.starts_with('▸') && line.contains(&number)),
                "{at} at {columns}x{rows}:\n{seen}"
            );
            assert!(seen.contains("Next "), "{at} at {columns}x{rows}:\n{seen}");
        }
    }
}

#[test]
fn a_record_is_displayed_in_full() {
    let seen = shown(&past("consolidated", true), 120, 24);
    for text in [
        "Consolidated 23 packs into 1",
        "2026-07-01 09:30:00 UTC, 2 hours ago",
        "7 rows changed",
        "VERIFIED BEFORE",
        "component sha256:c0c0",
    ] {
        assert!(seen.contains(text), "“{text}” is missing on\n{seen}");
    }
    let seen = shown(&past("consolidated", false), 120, 24);
    assert!(seen.contains("The store has no report") && !seen.contains('✓'), "{seen}");
    let seen = shown(&past("failed", false), 120, 24);
    assert!(
        seen.contains("Failed after 1.2 s. Nothing was changed.")
            && seen.contains("no space left on device"),
        "{seen}"
    );
    assert!(shown(&past("skipped", false), 120, 24).contains("the repo had only one pack"));
}

#[test]
fn untrusted_text_breaks_no_result() {
    let foreign = "東京\u{1b}[2J\u{202e}\r\n\tx ".repeat(100);
    let mut entry = past(&foreign, true);
    if let Some(Screen::Record(entry, _)) = entry.screens.last_mut() {
        entry.record.error = Some(foreign.clone());
    }
    let message = foreign.clone();
    let failed = ended(Err(Failure { kind: FailureKind::Refused, message }));
    can_be_drawn_at_any_size("record, hostile", entry);
    can_be_drawn_at_any_size("result, hostile", failed);
    can_be_drawn_at_any_size("findings, hostile", found(3, 1, &foreign));
}

#[test]
fn every_result_can_be_drawn_at_any_size() {
    let report = Box::new(gc_report(&summary("gabriel/notes", 7)));
    let detail = "/srv/packs/ab/abcd.mpack is not there; restore it from a backup";
    for (name, model) in [
        ("consolidated", ended(Ok(Outcome::Consolidated(report)))),
        ("conflict", failed(FailureKind::Conflict)),
        ("damage", failed(FailureKind::Damage)),
        ("no findings", found(0, 0, "")),
        ("findings", found(3, 0, detail)),
        ("many findings", found(100, 50, detail)),
        ("record, consolidated", past("consolidated", true)),
        ("record, failed", past("failed", false)),
    ] {
        can_be_drawn_at_any_size(name, model);
    }
}
