//! Replaying: runs a recorded run again, with the tape as the host, and compares.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use packhouse_core::{Row, Span, Step};
use packhouse_model::error::{Error, Result, TapeError};
use packhouse_run::{Host, Planner, RunError};
use serde::Serialize;
use serde_json::Value;

use super::data::TapeData;
use super::format::{Header, Outcome, Question, end_of};
use super::host::TapeHost;
use super::player::{Player, Position, cut, is_call, locked, same};
use super::reader::TapeReader;

/// The verdict of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The same calls, the same result.
    Identical,
    /// Other calls or another plan, but the same pack, byte for byte.
    SameKey,
    /// Another result.
    Different,
}

impl Verdict {
    /// The verdict in words.
    pub const fn words(self) -> &'static str {
        match self {
            Verdict::Identical => "identical",
            Verdict::SameKey => "same key, other calls",
            Verdict::Different => "different",
        }
    }
}

/// A replay of one tape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// The tape.
    pub tape: PathBuf,
    /// The component that ran.
    pub component: String,
    /// The component that is on the tape.
    pub recorded_component: String,
    /// Number of calls that matched the tape.
    pub calls: u64,
    /// Whether everything matched the tape.
    pub ok: bool,
    /// The verdict: more precise than `ok`.
    pub verdict: Verdict,
    /// The first divergence, with both sides.
    pub divergence: Option<String>,
}

/// Replays a tape in `planner`, with the limits on the tape.
///
/// # Errors
/// [`TapeError::Damaged`], or [`TapeError::OtherVersion`]. A component
/// that diverges is not an error: see the result.
pub fn replay(tape: &Path, planner: &dyn Planner) -> Result<Replay> {
    let mut reader = TapeReader::open(tape)?;
    let header = reader.header()?;
    let position = Arc::new(Mutex::new(Position::new(reader)));
    let player = Player::new(position.clone());
    let outcome = run(&header, planner, player)?;
    let mut position = locked(&position);
    let diverged = match &outcome {
        ReplayResult::Diverged(words) => Some(words.clone()),
        ReplayResult::Ended(outcome) => rest_differs(&header, outcome, &mut position)?,
    };
    let calls = position.calls;
    let verdict = match &diverged {
        None => Verdict::Identical,
        Some(_) => judge(tape, planner)?,
    };
    Ok(Replay {
        tape: tape.to_owned(),
        component: planner.digest().to_owned(),
        recorded_component: header.component,
        calls,
        ok: diverged.is_none(),
        verdict,
        divergence: diverged,
    })
}

/// Reads the header of a tape.
///
/// # Errors
/// As [`replay`].
pub fn header(tape: &Path) -> Result<Header> {
    TapeReader::open(tape)?.header()
}

/// Passes on the lines of a tape, and checks that it is complete.
///
/// # Errors
/// As [`replay`], or the error of `line`.
pub fn dump(tape: &Path, mut line: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut reader = TapeReader::open(tape)?;
    let header = reader.header()?;
    line(&serde_json::to_string(&header).expect("a header always has a JSON form"))?;
    let mut ended = false;
    while let Some(text) = reader.next()? {
        ended = end_of(text).is_some();
        line(text)?;
    }
    if ended { Ok(()) } else { Err(reader.damaged("the tape is truncated")) }
}

/// How a run on a tape ended.
enum ReplayResult {
    Ended(Outcome),
    Diverged(String),
}

/// Calls a component as on the tape.
fn run(header: &Header, planner: &dyn Planner, host: impl Host) -> Result<ReplayResult> {
    let planner = planner.with_limits(header.engine.limits(header.records));
    let host: Box<dyn Host> = Box::new(host);
    let answer = match &header.question {
        Question::Consolidation {} => planner.consolidate(host, header.records).map(Outcome::from),
        Question::Assembly { request } => {
            planner.assemble(host, header.records, request).map(Outcome::from)
        }
        Question::Indexing { pushed, force } => {
            planner.index(host, header.records, *pushed, *force).map(Outcome::from)
        }
    };
    match answer {
        Ok(outcome) => Ok(ReplayResult::Ended(outcome)),
        Err(RunError::Host(Error::Tape(TapeError::Diverged(words)))) => {
            Ok(ReplayResult::Diverged(words))
        }
        Err(RunError::Host(error @ Error::Tape(TapeError::Damaged { .. }))) => Err(error),
        Err(error) => Ok(ReplayResult::Ended(Outcome::from(&error))),
    }
}

/// Compares the rest of a tape with a result. Returns the first difference.
fn rest_differs(
    header: &Header,
    outcome: &Outcome,
    position: &mut Position,
) -> Result<Option<String>> {
    let mut differs = None;
    let calls = position.calls;
    let outcome = outcome.lines(&header.packs, calls, |line| {
        let Some(recorded) = position.next()? else {
            return Err(position.reader.damaged("the tape is truncated"));
        };
        if same(&recorded, &line) {
            return Ok(());
        }
        if end_of(&recorded).is_some() && end_of(&line).is_some() {
            return Err(position
                .reader
                .damaged("its last line does not match the lines before it"));
        }
        differs = Some(if is_call(&recorded) {
            let why = match outcome {
                Outcome::Stopped(why) => format!("was stopped: {}", cut(why)),
                _ => "makes no more calls".to_owned(),
            };
            format!("call {}: the tape has {}, but the component {why}", calls + 1, cut(&recorded))
        } else {
            first_difference(&recorded, &line)
        });
        // The rest does not matter.
        Err(TapeError::Diverged(String::new()).into())
    });
    match outcome {
        Ok(()) if position.next()?.is_some() => {
            Err(position.reader.damaged("there is data after the end of the tape"))
        }
        Ok(()) => Ok(None),
        Err(Error::Tape(TapeError::Diverged(_))) => Ok(differs),
        Err(error) => Err(error),
    }
}

/// Compares two lines after the calls: for pages, the first item that differs; otherwise the first
/// field.
fn first_difference(recorded: &str, now: &str) -> String {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    if let (Some(recorded), Some(now)) = (read(recorded), read(now)) {
        for list in ["steps", "edges"] {
            let items = |line: &Value| line[list]["items"].as_array().cloned();
            if let (Some(recorded), Some(now)) = (items(&recorded), items(&now))
                && recorded != now
            {
                let at = recorded
                    .iter()
                    .zip(&now)
                    .position(|(a, b)| a != b)
                    .unwrap_or(recorded.len().min(now.len()));
                let shown = |items: &[Value]| {
                    items.get(at).map_or("nothing".to_owned(), |item| cut(&item.to_string()))
                };
                let (item, recorded, now) =
                    (&list[..list.len() - 1], shown(&recorded), shown(&now));
                return format!(
                    "result, {item} {at} of a page: the tape has {recorded}, but the component answers {now}"
                );
            }
        }
        let (path, recorded, now) = first_field(&recorded, &now);
        let (recorded, now) = (cut(&recorded.to_string()), cut(&now.to_string()));
        return format!("{path}: the tape has {recorded}, but the component answers {now}");
    }
    format!("result: the tape has {}, but the component answers {}", cut(recorded), cut(now))
}

/// The path to the first difference of two values, with dots.
fn first_field<'v>(recorded: &'v Value, now: &'v Value) -> (String, &'v Value, &'v Value) {
    let (mut path, mut sides) = (Vec::new(), (recorded, now));
    while let (Some(one), Some(other)) = (sides.0.as_object(), sides.1.as_object()) {
        // If only one side has a name, both values are shown completely.
        let differs = one.iter().find_map(|(name, value)| {
            Some((name, value, other.get(name)?)).filter(|(_, a, b)| a != b)
        });
        let Some((name, one, other)) = differs else { break };
        path.push(name.as_str());
        sides = (one, other);
    }
    let path = if path.is_empty() { "result".to_owned() } else { path.join(".") };
    (path, sides.0, sides.1)
}

/// Maximum bytes after the calls that are kept for the comparison: a plan of millions of steps.
const TAIL: usize = 512 << 20;

/// Whether a component that diverged still creates the same pack: it runs again, with a host from
/// the data on the tape.
fn judge(tape: &Path, planner: &dyn Planner) -> Result<Verdict> {
    let mut reader = TapeReader::open(tape)?;
    let header = reader.header()?;
    let mut data = TapeData::default();
    let (mut tail, mut kept) = (Vec::new(), 0);
    while let Some(line) = reader.next()? {
        if tail.is_empty() && is_call(line) {
            if serde_json::from_str(line).ok().and_then(|line| data.learn(&line)).is_none() {
                return Err(reader.damaged("it is not a call with its answer"));
            }
        } else {
            kept += line.len();
            if kept > TAIL {
                return Err(reader
                    .damaged(format!("the lines after the calls have more than {TAIL} bytes")));
            }
            tail.push(line.to_owned());
        }
    }
    let Some(recorded) = Outcome::read(&tail) else {
        return Err(reader.damaged("the result on the tape is malformed"));
    };
    let rows = data.rows(header.packs.len() as u32);
    Ok(match run(&header, planner, TapeHost::new(data))? {
        ReplayResult::Ended(outcome) if same_pack(&recorded, &outcome, &rows) => Verdict::SameKey,
        ReplayResult::Ended(_) | ReplayResult::Diverged(_) => Verdict::Different,
    })
}

/// Whether two results write the same bytes, regardless of where each record is copied from.
fn same_pack(one: &Outcome, other: &Outcome, rows: &[Vec<Row>]) -> bool {
    let same_steps = |a: &[Step], b: &[Step]| matches!((written(a, rows), written(b, rows)), (Some(a), Some(b)) if a == b);
    match (one, other) {
        (Outcome::Plan(a), Outcome::Plan(b)) => {
            (a.records, a.bytes) == (b.records, b.bytes) && same_steps(&a.steps, &b.steps)
        }
        (Outcome::Answer(a), Outcome::Answer(b)) => {
            (a.missing, a.reuse, a.plan.records, a.plan.bytes)
                == (b.missing, b.reuse, b.plan.records, b.plan.bytes)
                && same_steps(&a.plan.steps, &b.plan.steps)
        }
        (a, b) => a == b,
    }
}

/// What steps write.
#[derive(PartialEq)]
enum Piece {
    Bytes(Vec<u8>),
    /// A record: rows that only differ in the offset have the same bytes.
    Record(Row),
    /// Records of a base whose rows the run did not look at.
    Unread(Span),
}

/// Adds bytes of a pack between known rows, if there are any.
fn unread(pieces: &mut Vec<Piece>, span: Span) {
    if span.length > 0 {
        match pieces.last_mut() {
            Some(Piece::Unread(last))
                if last.pack == span.pack && last.offset + last.length == span.offset =>
            {
                last.length += span.length;
            }
            _ => pieces.push(Piece::Unread(span)),
        }
    }
}

/// What steps write, record for record, as far as rows are known. `None` if a span does not begin or
/// end where its pack allows that.
fn written(steps: &[Step], rows: &[Vec<Row>]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    for step in steps {
        let span = match step {
            Step::Literal(bytes) => {
                match pieces.last_mut() {
                    Some(Piece::Bytes(before)) => before.extend(bytes),
                    _ => pieces.push(Piece::Bytes(bytes.clone())),
                }
                continue;
            }
            Step::Copy(span) => span,
        };
        let rows = rows.get(span.pack as usize)?;
        let first = rows.partition_point(|row| row.offset < span.offset);
        let (mut at, end) = (span.offset, span.offset.checked_add(span.length)?);
        for row in rows[first..].iter().take_while(|row| row.offset < end) {
            unread(&mut pieces, Span { offset: at, length: row.offset.checked_sub(at)?, ..*span });
            at = row.offset.checked_add(row.length)?;
            pieces.push(Piece::Record(Row { offset: 0, ..*row }));
        }
        unread(&mut pieces, Span { offset: at, length: end.checked_sub(at)?, ..*span });
    }
    Some(pieces)
}
