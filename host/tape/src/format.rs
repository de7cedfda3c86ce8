//! The lines of a tape: `docs/replay.md` in types.

use packhouse_core::{AccessError, Answer, Edges, Page, Plan, PlanError, Request, Step};
use packhouse_model::error::Error;
use packhouse_model::names::MpackKey;
use packhouse_run::{Indexed, RunError, SandboxLimits};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The version of the format that this packhouse writes, and the only one that it reads.
pub const VERSION: u32 = 2;

/// Maximum number of steps, and of edges, per line.
const STEPS: usize = 4096;
const EDGES: usize = 1024;

/// The exported function that was called, and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "run", content = "arguments")]
pub enum Question {
    /// A consolidation.
    #[serde(rename = "consolidation.plan")]
    Consolidation {},
    /// A fetch.
    #[serde(rename = "assembly.plan")]
    Assembly {
        /// The wants and haves.
        request: Request,
    },
    /// Indexing a push.
    #[serde(rename = "indexing.index")]
    Indexing {
        /// How many of the run's packs, from the first, are being pushed.
        pushed: u32,
        /// Whether the last file's heads win.
        force: bool,
    },
}

/// The runtime, and its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EngineSettings {
    /// The runtime and its version.
    pub runtime: String,
    /// Memory limit in bytes.
    pub memory: u64,
    /// Limit of bytes that the component passes to the host in one call.
    pub handed_over: u64,
    /// Time limit in milliseconds.
    pub time_ms: u64,
    /// Limit of calls of imports.
    pub calls: u64,
}

impl EngineSettings {
    /// The limits of a replay: those of the recorded run, within the limits of this host.
    pub(super) fn limits(&self, records: u64) -> SandboxLimits {
        let ours = SandboxLimits::default();
        let bytes = |theirs: u64, ours: usize| {
            usize::try_from(theirs).map_or(ours, |theirs| theirs.min(ours))
        };
        SandboxLimits {
            memory: bytes(self.memory, ours.memory_for(records)),
            memory_per_record: 0,
            records: ours.records,
            time: std::time::Duration::from_millis(self.time_ms).min(ours.time),
            handed_over: bytes(self.handed_over, ours.handed_over),
            calls: self.calls.min(ours.calls_for(records)),
            calls_per_record: 0,
        }
    }
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// Version of the format.
    pub tape: u32,
    /// Program and version.
    pub made_by: String,
    /// Digest of the component.
    pub component: String,
    /// The world, with its WIT version.
    pub world: String,
    /// The runtime.
    pub engine: EngineSettings,
    /// The verb.
    pub verb: String,
    /// The repo.
    pub repo: String,
    /// The exported function that was called.
    #[serde(flatten)]
    pub question: Question,
    /// The keys of the run's packs, by number.
    pub packs: Vec<MpackKey>,
    /// Rows of their directories.
    pub records: u64,
}

/// A line with a call, unparsed: arguments and result are parsed when their types are known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallLine<'a> {
    pub(super) call: String,
    #[serde(borrow)]
    pub(super) args: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) ok: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) err: Option<AccessError>,
    #[serde(default)]
    pub(super) trap: Option<String>,
}

/// A value that is there, also if it is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The plan of a consolidation.
    Plan(Plan),
    /// The plan of a fetch.
    Answer(Answer),
    /// The index changes of a push.
    Index(Indexed),
    /// Why there is no plan.
    PlanError(PlanError),
    /// Why the component was stopped.
    Stopped(String),
}

impl From<Plan> for Outcome {
    fn from(plan: Plan) -> Outcome {
        Outcome::Plan(plan)
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Outcome {
        Outcome::Answer(answer)
    }
}

impl From<Indexed> for Outcome {
    fn from(indexed: Indexed) -> Outcome {
        Outcome::Index(indexed)
    }
}

#[derive(Serialize, Deserialize)]
struct Summary {
    records: packhouse_core::Counts,
    bytes: u64,
    steps: u64,
    duplicates: u64,
}

impl Summary {
    fn of(plan: &Plan) -> Summary {
        Summary {
            records: plan.records,
            bytes: plan.bytes,
            steps: plan.steps.len() as u64,
            duplicates: plan.duplicates,
        }
    }

    fn plan(&self) -> Plan {
        Plan {
            records: self.records,
            bytes: self.bytes,
            duplicates: self.duplicates,
            steps: Vec::new(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ResultWord {
    Plan(Summary),
    Answer { plan: Summary, missing: u64, reuse: Option<u32> },
    Index { heads: Vec<packhouse_core::Head>, preferred: Vec<u64>, commits: u64 },
    PlanError(PlanError),
    Stopped(String),
}

/// A line after the calls.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Tail {
    Result(ResultWord),
    Steps(Page<Step>),
    Edges(Page<Edges>),
    #[serde(rename_all = "kebab-case")]
    End {
        calls: u64,
        plan_digest: Option<String>,
    },
}

impl Outcome {
    /// The plan, if there is one.
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Outcome::Plan(plan) => Some(plan),
            Outcome::Answer(answer) => Some(&answer.plan),
            Outcome::Index(_) | Outcome::PlanError(_) | Outcome::Stopped(_) => None,
        }
    }

    /// Passes on each line from the result to the end.
    pub(super) fn lines<E>(
        &self,
        packs: &[MpackKey],
        calls: u64,
        mut line: impl FnMut(String) -> Result<(), E>,
    ) -> Result<(), E> {
        let text = |tail: &Tail| {
            serde_json::to_string(tail).expect("numbers, texts and lists always have a JSON form")
        };
        let word = match self {
            Outcome::Plan(plan) => ResultWord::Plan(Summary::of(plan)),
            Outcome::Answer(a) => ResultWord::Answer {
                plan: Summary::of(&a.plan),
                missing: a.missing,
                reuse: a.reuse,
            },
            Outcome::Index(i) => {
                let commits = i.edges.len() as u64;
                ResultWord::Index {
                    heads: i.heads.clone(),
                    preferred: i.preferred.clone(),
                    commits,
                }
            }
            Outcome::PlanError(error) => ResultWord::PlanError(error.clone()),
            Outcome::Stopped(why) => ResultWord::Stopped(why.clone()),
        };
        line(text(&Tail::Result(word)))?;
        for steps in self.plan().map(|plan| pages(&plan.steps, STEPS)).into_iter().flatten() {
            line(text(&Tail::Steps(steps)))?;
        }
        if let Outcome::Index(indexed) = self {
            for edges in pages(&indexed.edges, EDGES) {
                line(text(&Tail::Edges(edges)))?;
            }
        }
        let plan_digest = self.plan().map(|plan| plan_digest(plan, packs.iter().copied()));
        line(text(&Tail::End { calls, plan_digest }))
    }

    /// Parses the lines that [`Outcome::lines`] writes. `None` for other lines.
    pub(super) fn read(lines: &[String]) -> Option<Outcome> {
        let mut tails = lines.iter().map(|line| serde_json::from_str::<Tail>(line).ok());
        let Tail::Result(word) = tails.next()?? else { return None };
        let mut outcome = match word {
            ResultWord::Plan(summary) => Outcome::Plan(summary.plan()),
            ResultWord::Answer { plan, missing, reuse } => {
                Outcome::Answer(Answer { plan: plan.plan(), missing, reuse })
            }
            ResultWord::Index { heads, preferred, .. } => {
                Outcome::Index(Indexed { heads, preferred, edges: Vec::new() })
            }
            ResultWord::PlanError(error) => Outcome::PlanError(error),
            ResultWord::Stopped(why) => Outcome::Stopped(why),
        };
        for tail in tails {
            match (tail?, &mut outcome) {
                (
                    Tail::Steps(steps),
                    Outcome::Plan(plan) | Outcome::Answer(Answer { plan, .. }),
                ) => plan.steps.extend(steps.items),
                (Tail::Edges(edges), Outcome::Index(indexed)) => indexed.edges.extend(edges.items),
                (Tail::End { .. }, _) => return Some(outcome),
                _ => return None,
            }
        }
        None
    }
}

/// A list in pages of at most `most` items. None for an empty list.
fn pages<T: Clone>(all: &[T], most: usize) -> impl Iterator<Item = Page<T>> + '_ {
    all.chunks(most).enumerate().map(move |(number, items)| Page {
        items: items.to_vec(),
        done: number * most + items.len() == all.len(),
    })
}

/// The number of calls on the last line of a tape.
pub(super) fn end_of(line: &str) -> Option<u64> {
    match serde_json::from_str(line) {
        Ok(Tail::End { calls, .. }) => Some(calls),
        _ => None,
    }
}

/// The digest of a plan: over the keys of its sources and its steps.
pub fn plan_digest(plan: &Plan, packs: impl ExactSizeIterator<Item = MpackKey>) -> String {
    let mut sum = Context::new(&SHA256);
    sum.update(b"packhouse plan 1\n");
    sum.update(&(packs.len() as u64).to_le_bytes());
    for key in packs {
        sum.update(key.digest());
    }
    for step in &plan.steps {
        match step {
            Step::Literal(bytes) => {
                sum.update(&[0]);
                sum.update(&(bytes.len() as u64).to_le_bytes());
                sum.update(bytes);
            }
            Step::Copy(span) => {
                let mut bytes = [1; 21];
                bytes[1..5].copy_from_slice(&span.pack.to_le_bytes());
                bytes[5..13].copy_from_slice(&span.offset.to_le_bytes());
                bytes[13..].copy_from_slice(&span.length.to_le_bytes());
                sum.update(&bytes);
            }
        }
    }
    format!("sha256:{}", hex::encode(sum.finish()))
}

impl From<&RunError> for Outcome {
    fn from(error: &RunError) -> Outcome {
        match error {
            RunError::NoPlan(error) => Outcome::PlanError(error.clone()),
            RunError::Host(Error::Component { reason, .. }) => Outcome::Stopped(reason.clone()),
            RunError::Host(error) => Outcome::Stopped(error.to_string()),
        }
    }
}
