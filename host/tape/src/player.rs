//! A host that returns the results on a tape: each call must be the next one on it.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, Database, EncodingConflict, EntityId, Head, Kind,
    Limits, Location, PackInfo, Page, Span, Storage,
};
use packhouse_model::error::{Error, Result, TapeError};
use packhouse_run::Host;
use serde_json::Value;

use super::call;
use super::call::Call;
use super::format::CallLine;
use super::reader::TapeReader;

/// Maximum characters of each side of a divergence in messages.
const SHOWN: usize = 300;

/// The position of a replay on its tape.
pub(super) struct Position {
    pub(super) reader: TapeReader,
    /// Number of calls so far.
    pub(super) calls: u64,
    /// A line after the calls, which was read while looking for a call.
    pub(super) behind: Option<String>,
}

impl Position {
    pub(super) fn new(reader: TapeReader) -> Position {
        Position { reader, calls: 0, behind: None }
    }

    /// The next line, which is a call or follows the calls.
    pub(super) fn next(&mut self) -> Result<Option<String>> {
        match self.behind.take() {
            Some(line) => Ok(Some(line)),
            None => Ok(self.reader.next()?.map(str::to_owned)),
        }
    }

    /// Returns the result of a call on the tape.
    fn answer<C: Call>(&mut self, call: &C) -> Result<Result<C::Output, AccessError>> {
        let asked = serde_json::to_string(call).expect("a call always has a JSON form");
        let Some(line) = self.next()? else {
            return Err(self.reader.damaged("the tape is truncated"));
        };
        if !is_call(&line) {
            let words = format!(
                "call {}: the component calls {}({}), but the tape has no more calls",
                self.calls + 1,
                C::NAME,
                cut(&asked)
            );
            self.behind = Some(line);
            return Err(TapeError::Diverged(words).into());
        }
        let recorded = match serde_json::from_str::<CallLine<'_>>(&line) {
            Ok(recorded) => recorded,
            Err(error) => return Err(self.reader.damaged(error.to_string())),
        };
        if recorded.call != C::NAME || !is_same_call(recorded.args.get(), &asked, call) {
            let words = format!(
                "call {}: the tape has {}({}), but the component calls {}({})",
                self.calls + 1,
                recorded.call,
                cut(recorded.args.get()),
                C::NAME,
                cut(&asked)
            );
            return Err(TapeError::Diverged(words).into());
        }
        self.calls += 1;
        match (recorded.ok, recorded.err, recorded.trap) {
            (Some(answer), None, None) => match serde_json::from_str(answer.get()) {
                Ok(answer) => Ok(Ok(answer)),
                Err(error) => Err(self
                    .reader
                    .damaged(format!("the answer of {} is malformed: {error}", C::NAME))),
            },
            (None, Some(refusal), None) => Ok(Err(refusal)),
            // The host failed in the recorded run, so it fails now.
            (None, None, Some(words)) => Err(TapeError::Trapped(words).into()),
            _ => Err(self.reader.damaged("a call has one of `ok`, `err` and `trap`")),
        }
    }
}

/// Whether a line is a call: decided by its first characters, before it is parsed.
pub(super) fn is_call(line: &str) -> bool {
    line.trim_start()
        .strip_prefix('{')
        .is_some_and(|rest| rest.trim_start().starts_with("\"call\""))
}

/// Whether arguments on a tape are those of a call. If packhouse wrote them, the texts are
/// identical.
fn is_same_call<C: Call>(recorded: &str, asked: &str, call: &C) -> bool {
    recorded == asked || serde_json::from_str::<C>(recorded).is_ok_and(|recorded| recorded == *call)
}

/// Maximum size of a text that is parsed as arbitrary JSON, which takes twenty times the memory.
const SHAPELESS: usize = 16 << 20;

/// Whether two JSON texts are equal as values. If packhouse wrote them, the texts are identical.
pub(super) fn same(one: &str, other: &str) -> bool {
    one == other || (one.len().max(other.len()) <= SHAPELESS && is_same_value(one, other))
}

fn is_same_value(one: &str, other: &str) -> bool {
    matches!((serde_json::from_str::<Value>(one), serde_json::from_str::<Value>(other)), (Ok(a), Ok(b)) if a == b)
}

/// As much of a text as fits into a message.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

/// The host. Its creator can see how much of the tape is left.
pub(super) struct Player {
    position: Arc<Mutex<Position>>,
    fault: Option<Error>,
}

impl Player {
    pub(super) fn new(position: Arc<Mutex<Position>>) -> Player {
        Player { position, fault: None }
    }

    fn play<C: Call>(&mut self, call: C) -> Result<C::Output, AccessError> {
        // A component is stopped after a fault, so the result does not matter.
        if self.fault.is_some() {
            return Err(failed());
        }
        let answer = locked(&self.position).answer(&call);
        answer.unwrap_or_else(|fault| {
            self.fault = Some(fault);
            Err(failed())
        })
    }
}

/// What a component would see of a failure, if it were not stopped.
pub(super) fn failed() -> AccessError {
    AccessError::Other("the host failed".to_owned())
}

pub(super) fn locked(position: &Mutex<Position>) -> MutexGuard<'_, Position> {
    position.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storage for Player {
    fn limits(&mut self) -> Limits {
        // A failure is seen by the next call: this one has no result for it.
        self.play(call::GetLimits {}).unwrap_or_default()
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        self.play(call::PackIndex { pack, first, limit }).map(Into::into)
    }

    fn spine(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u32>, AccessError> {
        self.play(call::Spine { pack, first, limit })
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        let records = self.play(call::ReadRecords { spans: spans.to_vec() })?;
        Ok(records.into_iter().map(|record| record.0).collect())
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        let orders = self.play(call::CompareRecords { pairs: pairs.to_vec() })?;
        Ok(orders.into_iter().map(Into::into).collect())
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Page<Head>, AccessError> {
        self.play(call::BranchHeads { pack, first, limit })
    }
}

impl Database for Player {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        self.play(call::ListPacks { first, limit })
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        self.play(call::ListHeads { after: after.map(str::to_owned), limit })
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError> {
        self.play(call::History { commits: commits.to_vec(), limit })
    }

    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError> {
        self.play(call::WalkFloor {})
    }

    fn locate(
        &mut self,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Location>>, AccessError> {
        self.play(call::Locate::of(kind, ids))
    }

    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        self.play(call::Locate::of_tags(tags))
    }

    fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        self.play(call::Tags::of(commits, after, limit))
    }

    fn base(&mut self) -> Result<Option<Base>, AccessError> {
        self.play(call::GetBase {})
    }

    fn base_heads(&mut self, first: u64, limit: u32) -> Result<Page<EntityId>, AccessError> {
        self.play(call::BaseHeads { first, limit })
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        self.play(call::Known { kind, ids: ids.to_vec() })
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        self.play(call::Conflicts { first, limit })
    }
}

impl Host for Player {
    fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }
}
