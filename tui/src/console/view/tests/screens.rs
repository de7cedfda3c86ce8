//! Every screen with all kinds of content: plain, empty, broken and hostile.

use jiff::SignedDuration;
use packhouse_host::report::RepoDetail;
use packhouse_host::{
    Cause, ConnectionStatus, Damage, Event, GcCost, GcEntry, GcPlanned, Moment, MpackKey,
    PackReport, Phase, Policy, PolicyCheck, PolicyReport, RepoId, RepoName, RepoReport,
    RepoSummary, Visibility,
};

use super::model;
use crate::console::failure::{Failure, FailureKind};
use crate::console::keys::{Action, Keymap};
use crate::console::state::{
    Asks, Call, Choice, ConfirmDialog, Cursor, Help, Leave, Level, Model, Outcome, PlanState, Repo,
    Screen, Subject, TableName, Work,
};
use crate::console::tests::fake::{
    check, gc_plan, gc_report, last_gc, now, prune_report, replaced, summary,
};

/// Text that a store may contain, and that a terminal must not get.
const FOREIGN: &str = "東京\u{1b}[2J\u{202e}\r\n\tZoë e\u{301} 👩‍👩‍👧 \u{0}x";

/// A number of extreme size.
const MOST: u64 = u64::MAX / 2;

fn hostile(name: &str) -> RepoSummary {
    let mut last = last_gc("failed", "2026-06-24T12:00:00Z");
    (last.outcome, last.error) = (FOREIGN.to_owned(), Some(FOREIGN.repeat(20)));
    RepoSummary {
        packs: u64::MAX,
        objects: u64::MAX,
        bytes: u64::MAX,
        stored_bytes: u64::MAX,
        duplicate_bytes: MOST,
        superseded_bytes: MOST,
        last_gc: Some(last),
        ..summary(name, 0)
    }
}

fn pack(n: u64) -> PackReport {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    PackReport {
        key: MpackKey::new(digest),
        bytes: 118_784 + n,
        records: 40,
        stored_at: now() - SignedDuration::from_hours(n as i64 % 300),
        consolidated: n == 0,
        needed_records: 40 - n % 20,
        needed_bytes: 118_784 / 40 * (40 - n % 20),
        retired_at: (n % 5 == 4).then(|| now() - SignedDuration::from_hours(48)),
    }
}

fn moments() -> Vec<Moment> {
    let at = |n: i64| now() - SignedDuration::from_hours(24 * 12 - 5 * n);
    let packs = |n: i64| if n < 30 { 1 + n as u64 * 3 / 4 } else { 1 + (n as u64 - 30) / 3 };
    (0..50)
        .map(|n| Moment {
            at: at(n),
            cause: Cause::Push,
            packs: packs(n),
            bytes: packs(n) * 118_784,
        })
        .collect()
}

fn damaged(number: u64) -> Vec<Damage> {
    let damage = |n: u8| Damage {
        mpack_key: (n > 0).then(|| MpackKey::new([n; 32])),
        since: now() - SignedDuration::from_hours(3),
        found_by: "verify".to_owned(),
        detail: format!("hash mismatch: got another one {FOREIGN}"),
    };
    (0..number).map(|n| damage(n as u8)).collect()
}

pub(super) fn detail(summary: RepoSummary, packs: u64, heads: &[&str]) -> Box<RepoDetail> {
    let report = RepoReport {
        repo: summary.repo.clone(),
        repo_id: RepoId("00000000000000000000000000000001".to_owned()),
        visibility: Visibility::Public,
        accepts_shallow: false,
        default_branch: heads.first().map_or_else(|| "main".to_owned(), ToString::to_string),
        packs: summary.packs,
        pack_keys: Vec::new(),
        objects: summary.objects,
        commits: summary.commits,
        snapshots: summary.snapshots,
        tags: summary.tags,
        bytes: summary.bytes,
        stored_bytes: summary.stored_bytes,
        branch_heads: heads
            .iter()
            .map(|head| ((*head).to_owned(), format!("sha256:{}", "4f".repeat(32))))
            .collect(),
        last_gc: None,
        damaged: damaged(summary.damaged),
        oldest_check: None,
        created_at: summary.created_at,
    };
    let history = vec![
        last_gc("consolidated", "2026-06-29T12:00:00Z"),
        last_gc("failed", "2026-06-24T12:00:00Z"),
    ];
    Box::new(RepoDetail {
        report,
        summary,
        packs: (0..packs).map(pack).collect(),
        timeline: moments(),
        history,
    })
}

/// A repo with so many packs, of which this one is damaged.
pub(in crate::console) fn damaged_detail(packs: u64, damaged: usize) -> Box<RepoDetail> {
    let mut detail = detail(summary("a/b", packs), packs, &["main"]);
    let key = detail.packs[damaged].key;
    detail.report.damaged =
        vec![Damage { mpack_key: Some(key), ..self::damaged(1).pop().unwrap() }];
    detail
}

/// A console with some repos.
fn with_repos() -> Model {
    let mut model = model();
    let ticket = model.ticket();
    model.repos.begin(ticket, now());
    let mut photos = summary("gabriel/photos", 1);
    photos.last_gc = Some(last_gc("consolidated", "2026-07-01T09:30:00Z"));
    let mut old = summary("studio/album-with-a-rather-long-name-that-goes-on", 1234);
    old.superseded_bytes = 40_000_000;
    old.stored_bytes += 40_000_000;
    old.last_gc = Some(last_gc("failed", "2026-06-24T12:00:00Z"));
    let repos = vec![summary("gabriel/notes", 7), photos, old, summary("zoe/empty", 0)];
    model.repos.take(Ok(repos), now());
    model
}

pub(super) fn with_repo(detail: Box<RepoDetail>) -> Model {
    let mut model = with_repos();
    let ticket = model.ticket();
    let mut repo = Repo::new(detail.summary.repo.clone(), ticket);
    repo.take(Ok(detail));
    model.screens.push(Screen::Repo(Box::new(repo)));
    model
}

fn with_dialog(dialog: ConfirmDialog, state: Option<PlanState>) -> Model {
    let mut model = with_repos();
    model.dialog = Some(dialog);
    if let (Some(ConfirmDialog { subject: Subject::One(_, now), .. }), Some(state)) =
        (&mut model.dialog, state)
    {
        *now = state;
    }
    model
}

fn one(asking: bool) -> ConfirmDialog {
    ConfirmDialog::one("gabriel/notes".parse().unwrap(), model().ticket(), asking)
}

fn many(repos: u64, asking: bool) -> ConfirmDialog {
    chosen((0..repos).map(|n| summary(&format!("studio/r{n:04}"), 2 + n % 9)).collect(), asking)
}

/// A dialog for marked repos; one is being consolidated, and one is hidden.
fn chosen(marked: Vec<RepoSummary>, asking: bool) -> ConfirmDialog {
    let is = |name: &'static str| move |repo: &RepoName| repo.to_string() == name;
    ConfirmDialog::of(
        Choice::of(marked, is("zoe/busy"), |repo| !is("zoe/hidden")(repo)),
        model().ticket(),
        asking,
    )
}

fn ready() -> PlanState {
    let cost = GcCost {
        bytes_to_read: 1_700_000,
        bytes_to_download: 0,
        bytes_to_write: 748_339,
        peak_disk: 760_000,
        expected_ms: None,
    };
    let digest = format!("sha256:{}", "1f".repeat(32));
    let phase = GcPlanned { dry_run: true, plan_digest: Some(digest), cost: Some(cost) };
    PlanState::Ready(Box::new(gc_report(&summary("gabriel/notes", 7)).with_phase(phase)))
}

fn failed() -> Failure {
    Failure { kind: FailureKind::Conflict, message: FOREIGN.repeat(3) }
}

fn ask(model: &mut Model, repo: &str) {
    let (ticket, repo) = (model.ticket(), repo.parse::<RepoName>().unwrap());
    model.runs.ask(ticket, repo, Work::Verify, Call::Verify, now());
    model.runs.start(now());
    let step = Event { repo: FOREIGN.to_owned(), phase: Phase::Splice, done: 340, total: 791 };
    model.runs.step(ticket, step, now());
}

/// Screens with their names.
type Screens = Vec<(&'static str, Model)>;

/// All screens.
pub(super) fn screens() -> Screens {
    let known = vec![("nothing known", model()), ("repos", with_repos())];
    [known, lists(), repos(), plans(), runs(), past(), above()].into_iter().flatten().collect()
}

/// The list of repos.
fn lists() -> Screens {
    let mut screens = Vec::new();
    let mut add = |name, model: Model| screens.push((name, model));
    let mut busy = with_repos();
    (busy.read_only, busy.unwatched, busy.keymap) = (true, true, Keymap::new(true));
    busy.repos.sort(Action::SortNext, now());
    busy.repos.mark();
    busy.repos.mark();
    ["gabriel/notes", "gabriel/photos", "zoe/empty"].iter().for_each(|repo| ask(&mut busy, repo));
    add("repos, busy", busy);

    let mut filtered = with_repos();
    filtered.repos.typing = true;
    filtered.repos.paste_filter("gab packs>x", now());
    add("repos, bad filter", filtered);

    let mut foreign = with_repos();
    let ticket = foreign.ticket();
    (foreign.store, foreign.notice) = (FOREIGN.repeat(3), Some(FOREIGN.to_owned()));
    foreign.repos.begin(ticket, now());
    let long = format!("{}/{}", "o".repeat(100), "s".repeat(100));
    foreign.repos.take(Ok(vec![hostile("a/b"), hostile(&long)]), now());
    foreign.repos.begin(ticket, now());
    foreign.repos.take(Err(failed()), now());
    foreign.repos.paste_filter("東京", now());
    add("repos, hostile", foreign);
    screens
}

/// One repo.
fn repos() -> Screens {
    let mut screens = Vec::new();
    let mut add = |name, model: Model| screens.push((name, model));
    let mut reading = with_repos();
    let ticket = reading.ticket();
    reading.screens.push(Screen::Repo(Box::new(Repo::new("a/b".parse().unwrap(), ticket))));
    add("repo, reading", reading);
    add(
        "repo",
        with_repo(detail(
            RepoSummary { superseded_bytes: 118_784, ..summary("gabriel/notes", 7) },
            9,
            &["main", "live"],
        )),
    );
    add("repo, hostile", with_repo(detail(hostile("a/b"), 10_000, &[FOREIGN, "x"])));
    add(
        "repo, damaged",
        with_repo(detail(
            RepoSummary { damaged: 5, ..summary("gabriel/notes", 7) },
            9,
            &["main", "live"],
        )),
    );
    let mut empty = detail(summary("zoe/empty", 0), 0, &[]);
    (empty.timeline, empty.history) = (Vec::new(), Vec::new());
    add("repo, empty", with_repo(empty));
    let mut broken = with_repo(detail(summary("a/b", 3), 3, &["main"]));
    if let Some(Screen::Repo(repo)) = broken.screens.last_mut() {
        repo.take(Err(failed()));
    }
    add("repo, failed", broken);
    screens
}

/// Confirm dialogs.
fn plans() -> Screens {
    let mut screens = Vec::new();
    let mut add = |name, model: Model| screens.push((name, model));
    add("plan, planning", with_dialog(one(true), None));
    add("plan, ready", with_dialog(one(true), Some(ready())));
    let mut renewed = with_dialog(one(true), Some(ready()));
    renewed.dialog.as_mut().unwrap().renewed = true;
    add("plan, renewed", renewed);
    add("plan, only shown", with_dialog(one(false), Some(ready())));
    add("plan, failed", with_dialog(one(false), Some(PlanState::Failed(failed()))));
    add(
        "plan, idle",
        with_dialog(
            one(false),
            Some(PlanState::Idle(Box::new(gc_plan(&summary("gabriel/notes", 1))))),
        ),
    );
    add("plan, three", with_dialog(many(3, true), None));
    let marked = |more: &[&str]| {
        let repos = [
            summary("gabriel/photos", 1),
            summary("zoe/empty", 0),
            summary("zoe/busy", 4),
            summary("zoe/hidden", 9),
        ];
        repos.into_iter().chain(more.iter().map(|name| summary(name, 3))).collect::<Vec<_>>()
    };
    add(
        "plan, chosen",
        with_dialog(chosen(marked(&["gabriel/notes", "gabriel/takes"]), true), None),
    );
    add("plan, one chosen", with_dialog(chosen(marked(&[]), true), Some(ready())));
    add("plan, none", with_dialog(chosen(marked(&[])[..3].to_vec(), true), None));
    let mut typing = with_dialog(many(1200, true), None);
    let dialog = typing.dialog.as_mut().unwrap();
    if let Asks::Count(input) = &mut dialog.asks {
        input.paste("12");
    }
    dialog.drawn(false);
    assert!(dialog.confirm().is_none());
    add("plan, many", typing);
    screens
}

/// Runs, and the results of runs.
fn runs() -> Screens {
    let mut screens = Vec::new();
    let mut add = |name, model: Model| screens.push((name, model));
    let mut runs = with_repos();
    runs.screens.push(Screen::Runs);
    ask(&mut runs, "gabriel/notes");
    add("runs", runs);
    let mut run = with_repos();
    ask(&mut run, "gabriel/notes");
    let ticket = run.runs.current().unwrap().ticket;
    run.screens.push(Screen::Run(ticket));
    add("run", run);
    let mut done = with_repos();
    ask(&mut done, "gabriel/notes");
    done.runs.end(
        ticket,
        Ok(Outcome::Consolidated(Box::new(gc_report(&summary("gabriel/notes", 7))))),
        now(),
    );
    done.screens.push(Screen::Run(ticket));
    add("result", done);
    screens
}

/// The history and the log.
fn past() -> Screens {
    let mut screens = Vec::new();
    let mut add = |name, model: Model| screens.push((name, model));
    let entry = || GcEntry {
        id: 1,
        repo: "a/b".parse().unwrap(),
        record: hostile("a/b").last_gc.unwrap(),
        report: Some(gc_report(&summary("a/b", 2))),
    };
    let mut history = with_repos();
    history.screens.push(Screen::History);
    let ticket = history.ticket();
    history.history.begin(ticket);
    history.history.take(Ok(vec![entry()]), ticket);
    add("history", history);
    let mut record = with_repos();
    record.screens.push(Screen::Record(Box::new(entry()), Cursor::default()));
    add("record", record);
    let mut prune = with_repos();
    prune.screens.push(Screen::Prune);
    add("prune, loading", {
        let mut loading = with_repos();
        loading.screens.push(Screen::Prune);
        loading
    });
    let mut report = prune_report(vec![replaced(1, "a/b", 30), replaced(2, "", 3)]);
    (report.orphans, report.answers_deleted) = (3, 1);
    prune.prune.pace.begin(ticket, now());
    prune.prune.take(Ok(Box::new(report)), now());
    prune.prune.pace.begin(ticket, now());
    prune.prune.take(Err(failed()), now());
    add("prune", prune);
    let mut policies = with_repos();
    policies.screens.push(Screen::Policies);
    let default = PolicyReport { repo: None, set: false, policy: Policy::default() };
    let foreign = PolicyCheck { reasons: vec![FOREIGN.repeat(3)], ..check("a/b", 60) };
    policies.policies.pace.begin(ticket, now());
    policies.policies.take(Ok((default, vec![foreign, check("c/d", 2)])), now());
    policies.policies.typing = true;
    policies.policies.paste("東京");
    policies.policies.clear();
    add("policies", policies);
    let mut log = with_repos();
    log.log.say(now(), Level::Error, FOREIGN.repeat(4));
    log.screens.push(Screen::Log);
    add("log", log);
    let mut columns = with_repos();
    columns.screens.push(Screen::Columns(TableName::Jobs, Cursor::default()));
    columns.columns.of_mut(TableName::Jobs).turn(1);
    add("columns", columns);
    screens
}

/// What is above a screen: a lost connection, dialogs and the help.
fn above() -> Screens {
    let mut screens = Vec::new();
    let mut add = |name, model: Model| screens.push((name, model));
    let mut cut = with_repos();
    ask(&mut cut, "gabriel/notes");
    let down = Some((now() - SignedDuration::from_secs(14), FOREIGN.repeat(9)));
    cut.connection = Some(ConnectionStatus {
        down,
        latency: None,
        heard_at: Some(now() - SignedDuration::from_secs(20)),
    });
    cut.screens.push(Screen::Runs);
    add("runs, disconnected", cut);

    let mut leave = with_repos();
    ["a/b", "a/c", "a/d", "a/e"].iter().for_each(|repo| ask(&mut leave, repo));
    leave.leave = Some(Leave::Asking);
    add("leave", leave);
    let mut palette = with_repos();
    palette.palette = Some(palette.new_palette());
    palette.palette.as_mut().unwrap().input.paste("repo");
    add("palette", palette);
    let mut help = with_repos();
    help.help = Some(Help::default());
    add("help", help);
    screens
}
