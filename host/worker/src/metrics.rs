//! Measurements in the text that Prometheus reads.

use std::fmt::Write as _;
use std::io;
use std::io::Write as _;
use std::path::Path;

use packhouse_model::error::Result;
use packhouse_model::report::{JobCount, JobEnded, JobStatus};
use packhouse_store::Store;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Which jobs are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    r#type: String,
    outcome: String,
}

/// Which jobs are measured together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfType {
    r#type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InStatus {
    r#type: String,
    status: String,
}

/// What a worker has done since it began.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ended: Family<Ended, Counter>,
    seconds: Family<OfType, Histogram>,
    bytes: Counter,
    packs_before: Counter,
    packs_after: Counter,
}

impl Metrics {
    /// Nothing was done yet.
    pub fn new(component: &str) -> Metrics {
        let mut registry = Registry::with_prefix("packhouse");
        let ended = Family::default();
        let seconds: Family<OfType, Histogram> = Family::new_with_constructor(durations);
        let (bytes, packs_before, packs_after) =
            (Counter::default(), Counter::default(), Counter::default());
        registry.register(
            "component",
            "The component that plans",
            Info::new(vec![("digest", component.to_owned())]),
        );
        registry.register(
            "job_attempts",
            "Finished attempts at jobs, by type and outcome",
            ended.clone(),
        );
        registry.register_with_unit(
            "job_duration",
            "Duration of attempts at jobs",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register_with_unit(
            "consolidated",
            "Size of packs written by consolidations",
            Unit::Bytes,
            bytes.clone(),
        );
        registry.register(
            "consolidation_packs_before",
            "Source packs of consolidations",
            packs_before.clone(),
        );
        registry.register(
            "consolidation_packs_after",
            "Packs left by consolidations",
            packs_after.clone(),
        );
        Metrics { registry, ended, seconds, bytes, packs_before, packs_after }
    }

    /// Counts an attempt.
    pub fn count(&self, ended: &JobEnded) {
        let r#type = ended.job.operation.job_type().to_owned();
        self.seconds
            .get_or_create(&OfType { r#type: r#type.clone() })
            .observe(ended.elapsed_ms as f64 / 1000.0);
        self.ended.get_or_create(&Ended { r#type, outcome: ended.outcome.into() }).inc();
        if let (Some(before), Some(after), Some(bytes)) =
            (ended.packs_before, ended.packs_after, ended.bytes_after)
            && before > after
        {
            self.packs_before.inc_by(before);
            self.packs_after.inc_by(after);
            self.bytes.inc_by(bytes);
        }
    }

    /// All of it, as text.
    pub fn text(&self) -> String {
        encoded(&self.registry)
    }

    /// Puts it in a file: whole, or not at all.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".new");
        let mut made = std::fs::File::create(&beside)?;
        // The collector runs as another user.
        packhouse_model::files::for_user(&made);
        made.write_all(self.text().as_bytes())?;
        drop(made);
        std::fs::rename(&beside, file)
    }
}

/// From ten milliseconds to three quarters of an hour.
fn durations() -> Histogram {
    Histogram::new((0..10).map(|n| 0.01 * 4_f64.powi(n)))
}

/// What a registry holds, as text.
pub fn encoded(registry: &Registry) -> String {
    let mut encoded = String::new();
    if text::encode(&mut encoded, registry).is_err() {
        // Writing to a string does not fail; should it, half a text would be taken for all.
        encoded.clear();
        let _ = write!(encoded, "# EOF");
    }
    encoded
}

/// What a store holds now, as text.
///
/// # Errors
/// When the catalog can't be read.
pub async fn store_metrics(store: &Store) -> Result<String> {
    let mut registry = Registry::with_prefix("packhouse");
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        // Sizes and counts are far below the limit.
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    let totals = store.totals().await?;
    gauge(&mut registry, "repos", "Repos", totals.repos);
    gauge(&mut registry, "packs", "Packs in use", totals.packs);
    gauge(&mut registry, "pack_bytes", "Size of packs in use", totals.bytes);
    gauge(
        &mut registry,
        "duplicate_bytes",
        "Bytes that consolidations would save",
        totals.duplicate_bytes,
    );
    gauge(
        &mut registry,
        "superseded_bytes",
        "Bytes of packs pending deletion",
        totals.superseded_bytes,
    );
    let damaged = "Known missing or damaged packs, and repos with a damaged index";
    gauge(&mut registry, "damaged_packs", damaged, totals.damaged);
    let scrub = store.scrub_state().await?;
    let due = "Packs that were not read and found intact within the scrub age";
    gauge(&mut registry, "packs_due_for_scrubbing", due, scrub.due);
    let oldest = "When the pack that was read longest ago was last found intact, since 1970";
    let seconds = scrub.oldest.map_or(0, |oldest| oldest.as_second().max(0) as u64);
    gauge(&mut registry, "oldest_pack_check_timestamp_seconds", oldest, seconds);
    gauge(&mut registry, "objects", "Objects, counted for each repo", totals.objects);
    gauge(&mut registry, "most_packs", "Packs of the repo with the most packs", totals.most_packs);
    let jobs = Family::<InStatus, Gauge>::default();
    let set = |r#type: &str, status: &str, count: u64| {
        let labels = InStatus { r#type: r#type.to_owned(), status: status.to_owned() };
        jobs.get_or_create(&labels).set(count as i64);
    };
    for JobCount { r#type, status, healed, count } in store.job_counts().await? {
        set(&r#type, status.as_str(), count - healed);
        if status == JobStatus::Failed {
            set(&r#type, "healed", healed);
        }
    }
    let help = "Jobs, by type and status; healed: failed because of damage that was repaired since";
    registry.register("jobs", help, jobs);
    Ok(encoded(&registry))
}
