//! Test data: repos with round numbers, and their reports.

use jiff::{SignedDuration, Timestamp};
use packhouse_host::access::{Reach, Scope, TokenReport};
use packhouse_host::contents::Kind;
use packhouse_host::report::ServerReport;
use packhouse_host::{
    CommittedFile, Damage, FoundRecord, GcDone, GcOptions, GcPlanReport, GcPlanned, GcProof,
    GcRecord, GcReport, JobReport, JobStatus, KeptPack, LoggedCommit, MpackKey, Operation,
    PackFate, PackRecord, Policy, PolicyCheck, PruneReport, RecordReport, ReplacedPack,
    RepoSummary,
};

use crate::console::state::Opened;

/// The time of every test.
pub(in crate::console) fn now() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

/// A repo with `packs` packs. With several, a tenth is reclaimable.
pub(in crate::console) fn summary(name: &str, packs: u64) -> RepoSummary {
    let bytes = packs * 118_784;
    RepoSummary {
        repo: name.parse().unwrap(),
        packs,
        objects: packs * 16,
        commits: packs * 2,
        snapshots: packs * 2,
        tags: 0,
        bytes,
        stored_bytes: bytes,
        duplicate_bytes: if packs > 1 { bytes / 10 } else { 0 },
        superseded_bytes: 0,
        last_gc: None,
        damaged: 0,
        created_at: "2026-06-28T12:00:00Z".parse().unwrap(),
    }
}

/// A consolidation with this outcome.
pub(in crate::console) fn last_gc(outcome: &str, finished_at: &str) -> GcRecord {
    let failed = outcome == "failed";
    GcRecord {
        finished_at: finished_at.parse().unwrap(),
        outcome: outcome.to_owned(),
        packs_before: match outcome {
            "failed" => 0,
            "skipped" => 1,
            _ => 23,
        },
        packs_after: u64::from(!failed),
        consolidated_key: (!failed).then(|| MpackKey::new([0xab; 32]).to_string()),
        bytes_before: if failed { 0 } else { 2_732_032 },
        bytes_after: if failed { 0 } else { 2_458_829 },
        elapsed_ms: 1234,
        component: component(),
        error: failed.then(|| "writing a pack in /srv/packs failed: no space left on device; free some and try again".to_owned()),
        error_code: failed.then(|| "refused".to_owned()),
    }
}

/// The report of a consolidation of a repo.
pub(in crate::console) fn gc_report(repo: &RepoSummary) -> GcReport {
    let skipped = repo.packs < 2;
    let bytes_after = repo.bytes - repo.duplicate_bytes;
    let records = repo.objects + repo.commits + repo.snapshots + repo.tags;
    let proven = GcProof {
        entities: records,
        records,
        objects_hashed: repo.objects,
        bytes_read_back: bytes_after,
        sources_hashed: repo.packs.saturating_sub(1),
    };
    GcReport {
        repo: repo.repo.clone(),
        packs_before: repo.packs,
        packs_after: repo.packs.min(1),
        consolidated_key: (repo.packs > 0).then(|| MpackKey::new([0xab; 32])),
        skipped,
        budget_reached: false,
        geometric: None,
        objects: repo.objects,
        commits: repo.commits,
        snapshots: repo.snapshots,
        tags: repo.tags,
        bytes_before: repo.bytes,
        bytes_after,
        bytes_written: if skipped { 0 } else { bytes_after },
        duplicates_dropped: if skipped { 0 } else { 34 },
        elapsed_ms: 1234,
        component: component(),
        rows_changed: if skipped { 0 } else { 7 },
        phase: GcDone { plan_digest: None, proven: (!skipped).then_some(proven) },
        dropped: None,
    }
}

/// The report of its plan.
pub(in crate::console) fn gc_plan(repo: &RepoSummary) -> GcPlanReport {
    let phase = GcPlanned { dry_run: true, plan_digest: None, cost: None };
    gc_report(repo).with_phase(phase)
}

/// A consolidation of a repo as a job. It was created as many minutes ago as its id says.
pub(in crate::console) fn job(id: i64, repo: &str, status: JobStatus) -> JobReport {
    let at = now() - SignedDuration::from_mins(id);
    let has_begun = status != JobStatus::Queued;
    let has_ended = !matches!(status, JobStatus::Queued | JobStatus::Running);
    JobReport {
        id,
        repo: Some(repo.parse().unwrap()),
        operation: Operation::Gc(GcOptions::default()),
        status,
        attempt: u32::from(has_begun),
        created_at: at,
        run_at: at,
        started_at: has_begun.then_some(at),
        finished_at: has_ended.then_some(now()),
        worker: has_begun.then(|| "studio-1:4711".to_owned()),
        lease_until: (status == JobStatus::Running).then(|| now() + SignedDuration::from_secs(30)),
        reason: (status == JobStatus::Failed).then(|| "there is no space left".to_owned()),
        result: None,
        error_code: None,
        healed: false,
        traceparent: None,
    }
}

/// A pack of a repo that was replaced so many days ago; of a deleted repo, if that has no name.
pub(in crate::console) fn replaced(number: u8, repo: &str, days: i64) -> ReplacedPack {
    let replaced_at = now() - SignedDuration::from_hours(24 * days);
    let due_at = replaced_at + SignedDuration::from_hours(24 * 8);
    ReplacedPack {
        pack: MpackKey::new([number; 32]),
        bytes: 118_784 * u64::from(number),
        repos: repo.parse().into_iter().collect(),
        replaced_at,
        due_at,
        fate: if due_at <= now() { PackFate::Due } else { PackFate::Waiting },
    }
}

/// A repo with so many packs, checked against the default policy: with more than 50 it is due.
pub(in crate::console) fn check(repo: &str, packs: u64) -> PolicyCheck {
    let due = packs > 50;
    PolicyCheck {
        repo: repo.parse().unwrap(),
        packs,
        bytes: packs * 118_784,
        consolidated_bytes: 118_784,
        oldest_unconsolidated: Some(now() - SignedDuration::from_hours(24 * 3)),
        policy: Policy::default(),
        own_policy: false,
        due,
        reasons: due.then(|| format!("it has {packs} packs, more than 50")).into_iter().collect(),
        gc: due.then(GcOptions::default),
        job: None,
    }
}

/// The dry run of a prune of these packs.
pub(in crate::console) fn prune_report(packs: Vec<ReplacedPack>) -> PruneReport {
    let with = |fate| packs.iter().filter(move |pack: &&ReplacedPack| pack.fate == fate);
    let kept = |pack: &ReplacedPack| KeptPack {
        repo: pack.repos[0].clone(),
        pack: pack.pack,
        detail: format!("pack {}, which replaces it, is damaged", MpackKey::new([0xee; 32])),
    };
    PruneReport {
        packs_deleted: with(PackFate::Due).count() as u64,
        bytes_deleted: with(PackFate::Due).map(|pack| pack.bytes).sum(),
        packs_waiting: with(PackFate::Waiting).count() as u64,
        bytes_waiting: with(PackFate::Waiting).map(|pack| pack.bytes).sum(),
        next_due: with(PackFate::Waiting).map(|pack| pack.due_at).min(),
        answers_deleted: 0,
        orphans: 0,
        orphan_bytes: 0,
        orphans_deleted: 0,
        packs_kept: with(PackFate::Kept).count() as u64,
        kept: with(PackFate::Kept).map(kept).collect(),
        dry_run: Some(true),
        packs,
    }
}

/// The commit with this number, and with these parents. It was made as many hours ago as 100 is
/// greater.
pub(in crate::console) fn commit(number: u64, parents: &[u64]) -> LoggedCommit {
    let id = |number: u64| format!("sha256:{number:08x}{}", "c0".repeat(28));
    let ago = SignedDuration::from_hours(100_i64.saturating_sub_unsigned(number));
    LoggedCommit {
        repo: "gabriel/notes".parse().unwrap(),
        commit: id(number),
        parents: parents.iter().map(|parent| id(*parent)).collect(),
        snapshot: None,
        branches: Vec::new(),
        tags: Vec::new(),
        message: Some(format!("take {number}\n\nlouder")),
        author: Some("ines".to_owned()),
        committed_at: Some((now() - ago).to_string()),
    }
}

/// A file of a commit.
pub(in crate::console) fn file(path: &str) -> CommittedFile {
    CommittedFile {
        repo: "gabriel/notes".parse().unwrap(),
        commit: commit(1, &[]).commit,
        path: path.to_owned(),
        object: format!("sha256:{}", "0b".repeat(32)),
    }
}

/// An object of these bytes, whose ID repeats this digit pair.
pub(in crate::console) fn opened(id: &str, bytes: &[u8]) -> Opened {
    let place = FoundRecord {
        repo: "gabriel/notes".parse().unwrap(),
        kind: Kind::Object,
        id: format!("sha256:{}", id.repeat(32)),
        mpack_key: MpackKey::new([0xab; 32]),
        offset: 18_204,
        length: bytes.len() as u64 + 80,
    };
    let content_bytes = Some(bytes.len() as u64);
    let record = RecordReport { place, content_bytes, fields: None };
    Opened { record, beginning: Ok(bytes.to_vec()) }
}

/// Damage of a pack.
pub(in crate::console) fn damage(key: MpackKey) -> Damage {
    Damage {
        mpack_key: Some(key),
        since: now() - SignedDuration::from_hours(3),
        found_by: "verify".to_owned(),
        detail: "hash mismatch: got another one".to_owned(),
    }
}

/// A token without its text, which was created an hour ago.
pub(in crate::console) fn token(
    id: &str,
    scope: Scope,
    name: &str,
    repos: Vec<Reach>,
    expires_in_seconds: Option<u64>,
) -> TokenReport {
    let lasts = |seconds: u64| SignedDuration::from_secs(i64::try_from(seconds).unwrap());
    let created_at = now() - SignedDuration::from_hours(1);
    TokenReport {
        id: id.to_owned(),
        name: name.to_owned(),
        scope,
        repos,
        created_at,
        expires_at: expires_in_seconds.map(|seconds| created_at + lasts(seconds)),
        revoked_at: None,
        token: None,
    }
}

fn component() -> String {
    format!("sha256:{}", "c0".repeat(32))
}

/// A record of a pack, by its number: of every ten, one is a duplicate.
pub(in crate::console) fn pack_record(number: u64) -> PackRecord {
    let kind = match number {
        0..3 => Kind::Commit,
        3..6 => Kind::Snapshot,
        _ => Kind::Object,
    };
    let needed = number % 10 != 7;
    PackRecord {
        kind,
        id: format!("sha256:{number:08x}{}", "0a".repeat(28)),
        offset: 16 + number * 100,
        length: 100,
        mpack_key: Some(MpackKey::new([if needed { 7 } else { 9 }; 32])),
        needed,
    }
}

/// A server that has handled so many requests since its start: one in a hundred failed, 90 in a
/// hundred took up to 4 ms, nearly all others up to 64 ms, and one waited for changes.
pub(in crate::console) fn server_report(requests: u64, started: i64) -> ServerReport {
    let of = |part: f64| requests as f64 * part;
    let mut metrics = format!(
        "# TYPE packhouse_http_requests counter\n\
         packhouse_http_requests_total{{method=\"GET\",route=\"/a\",status=\"200\"}} {}\n\
         packhouse_http_requests_total{{method=\"PUT\",route=\"/a\",status=\"507\"}} {}\n\
         packhouse_http_under_way 3\n\
         packhouse_http_connections 12\n\
         packhouse_http_received_bytes_total {}\n\
         packhouse_http_sent_bytes_total {}\n\
         packhouse_http_start_time_seconds {started}\n",
        of(0.99),
        of(0.01),
        requests * 2048,
        requests * 1024,
    );
    for (limit, part) in [("0.004", 0.9), ("0.064", 0.998), ("+Inf", 1.0)] {
        for (route, number) in [("/a", of(part)), ("/admin/v1/changes", of(part) * 5.0)] {
            metrics += &format!(
                "packhouse_http_request_duration_seconds_bucket{{le=\"{limit}\",method=\"GET\",route=\"{route}\"}} {number}\n"
            );
        }
    }
    ServerReport { version: "0.1.0".to_owned(), metrics: metrics + "# EOF\n" }
}
