//! The bytes of an answer, read and checked while they are sent.
//!
//! ```text
//! steps, rows ──▶ reader ──batches──▶ verifier ──chunks──▶ client
//!                 a task; one batch ahead    hashes off the async threads
//! ```
//!
//! A batch goes to the client when each record that ends in it is right: so no wrong record is ever
//! sent whole, and what was sent before is right. Memory is a few batches, whatever is sent.

mod expected;
mod files;
mod reader;
mod stream;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use packhouse_catalog::PackRow;
use packhouse_core::{Plan, Span, Step};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;

use self::stream::Sending;
use crate::damage::{damaged_pack, missing_pack};
use crate::directories::Directories;
use crate::heads::DirectoryHeads;
use crate::reader::RunPack;

/// The bytes of a proven plan, or of a stored pack.
#[derive(Debug)]
pub struct AnswerSource {
    directories: Directories,
    heads: Arc<DirectoryHeads>,
    plan: Arc<Plan>,
    /// Where each step ends in the answer.
    ends: Vec<u64>,
    packs: Vec<PackRow>,
    known: Arc<Vec<RunPack>>,
    /// Whether it is a stored pack, with its frame.
    is_pack: bool,
}

impl AnswerSource {
    /// The bytes of a plan that was proven. `packs` are those of its run, by number; `known` has
    /// the rows of them that are in memory. Other rows are read from the directories when they are
    /// needed. `heads` is shared by all runs of the process.
    pub fn of_plan(
        directories: Directories,
        heads: Arc<DirectoryHeads>,
        plan: Arc<Plan>,
        packs: Vec<PackRow>,
        known: Arc<Vec<RunPack>>,
    ) -> AnswerSource {
        let ends = plan.steps.iter().scan(0, |end, step| {
            *end += step.bytes();
            Some(*end)
        });
        let ends = ends.collect();
        AnswerSource { directories, heads, plan, ends, packs, known, is_pack: false }
    }

    /// The bytes of a stored pack.
    pub fn of_pack(
        directories: Directories,
        heads: Arc<DirectoryHeads>,
        pack: PackRow,
    ) -> AnswerSource {
        let all = Step::Copy(Span { pack: 0, offset: 0, length: pack.bytes });
        let plan = Plan { bytes: pack.bytes, steps: vec![all], ..Plan::default() };
        let known = Arc::default();
        let source = AnswerSource::of_plan(directories, heads, Arc::new(plan), vec![pack], known);
        AnswerSource { is_pack: true, ..source }
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Bytes of memory that it takes, without the plan and the known rows, which are shared.
    pub fn memory(&self) -> usize {
        self.ends.capacity() * size_of::<u64>() + self.packs.capacity() * size_of::<PackRow>()
    }

    /// Some of the bytes, in chunks of at most 256 KiB. A range outside of the answer has none.
    ///
    /// An error ends the stream: [`packhouse_model::error::DamageError`] when a pack is missing or
    /// damaged, with the record and the byte. What was given before is right, except that of a
    /// record of more than a batch the beginning may be wrong; its end is never given.
    ///
    /// It must be polled in a Tokio runtime. Dropping it ends the reading.
    pub fn stream(
        self: &Arc<Self>,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes>> + Send + 'static + use<> {
        Sending::stream(self.clone(), range)
    }

    fn key(&self, pack: u32) -> MpackKey {
        self.packs[pack as usize].key
    }

    fn missing(&self, pack: u32) -> Error {
        missing_pack(&self.directories.vault, self.directories.repo(), &self.key(pack))
    }

    fn damaged(&self, pack: u32, detail: String) -> Error {
        damaged_pack(&self.directories.vault, self.directories.repo(), &self.key(pack), detail)
    }
}
