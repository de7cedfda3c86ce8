//! The bytes of an answer: those of a stored pack, or those that a plan writes. They are read and
//! checked while they are sent.

use std::sync::Arc;

use packhouse_catalog::{PackRow, RepoRow};
use packhouse_core::{Head, Plan, ROW_BYTES, Step};
use packhouse_model::digest::finish;
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_pack::Directory;
use packhouse_run::{AnswerSource, RunPack};
use ring::digest::{Context, SHA256};

use super::super::Store;
use super::super::prove::base::copies_unread_rows;

/// A plan that was proven, and what it copies from.
#[derive(Debug)]
pub(in super::super) struct AnswerPlan {
    pub(in super::super) plan: Arc<Plan>,
    /// The packs of the repo, with the rows that the component has located or paged.
    pub(in super::super) packs: Arc<Vec<RunPack>>,
    /// The same packs, as the catalog has them.
    pub(in super::super) pack_rows: Vec<PackRow>,
    /// The heads that the plan writes.
    pub(in super::super) heads: Vec<Head>,
}

/// What an answer consists of.
#[derive(Debug)]
pub(super) enum ContentOf {
    Stored(PackRow),
    Planned(AnswerPlan),
}

/// The bytes of an answer, which are read when they are sent.
#[derive(Debug)]
pub struct Content {
    pub(super) repo: i64,
    pub(super) name: RepoName,
    bytes: u64,
    etag: [u8; 32],
    pub(super) of: ContentOf,
    pub(super) source: Arc<AnswerSource>,
}

/// Rows that a plan copies at once, on average, from a pack whose rows are not kept: they are read
/// again, in pages, while the answer is sent.
const LONG_RUN: u64 = 64;

impl Content {
    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Identifies the bytes: the same for equal ones, before and after a consolidation.
    pub fn etag(&self) -> String {
        hex::encode(self.etag)
    }

    /// The key of the stored pack that it is; none for one that is assembled.
    pub fn stored_key(&self) -> Option<MpackKey> {
        self.stored_pack().map(|pack| pack.key)
    }

    pub(super) fn stored_pack(&self) -> Option<&PackRow> {
        match &self.of {
            ContentOf::Stored(pack) => Some(pack),
            ContentOf::Planned(_) => None,
        }
    }

    /// Bytes of memory that it takes.
    pub(super) fn held_bytes(&self) -> u64 {
        let held = match &self.of {
            ContentOf::Stored(_) => 0,
            ContentOf::Planned(planned) => planned.held_bytes(),
        };
        (size_of::<Content>() + self.source.memory() + held) as u64
    }
}

impl AnswerPlan {
    fn held_bytes(&self) -> usize {
        let literal = |step: &Step| match step {
            Step::Literal(bytes) => bytes.capacity(),
            Step::Copy(_) => 0,
        };
        let steps = &self.plan.steps;
        let steps = steps.capacity() * size_of::<Step>() + steps.iter().map(literal).sum::<usize>();
        let rows =
            |pack: &RunPack| size_of::<RunPack>() + pack.directory.len() as usize * ROW_BYTES;
        let packs = self.packs.iter().map(rows).sum::<usize>();
        let head = |head: &Head| size_of::<Head>() + head.branch.capacity();
        steps + packs + self.heads.iter().map(head).sum::<usize>()
    }

    /// The same plan without the rows of packs that it copies long runs of.
    fn without_long_runs(self) -> AnswerPlan {
        let mut spans = vec![0u64; self.packs.len()];
        for step in &self.plan.steps {
            if let Step::Copy(span) = step
                && let Some(spans) = spans.get_mut(span.pack as usize)
            {
                *spans += 1;
            }
        }
        self.paging(|number, pack| pack.directory.len() / spans[number].max(1) >= LONG_RUN)
    }

    /// The same plan. Of packs of which it copies rows that are not known, no row is: all are paged
    /// when they are sent.
    fn without_unread_rows(self) -> AnswerPlan {
        match copies_unread_rows(&self.plan, &self.packs) {
            true => self.paging(|_, pack| !pack.has_all_rows()),
            false => self,
        }
    }

    /// The same plan without the rows of some packs: they are paged when they are sent.
    fn paging(self, is_paged: impl Fn(usize, &RunPack) -> bool) -> AnswerPlan {
        let kept = |(number, pack): (usize, &RunPack)| {
            let directory = &pack.directory;
            match (is_paged(number, pack), pack.has_all_rows()) {
                (true, _) => {
                    RunPack::in_part(Directory::new(directory.key, directory.pack_bytes, &[]))
                }
                (false, true) => RunPack::stored(directory.clone()),
                (false, false) => RunPack::in_part(directory.clone()),
            }
        };
        let packs = Arc::new(self.packs.iter().enumerate().map(kept).collect());
        AnswerPlan { packs, ..self }
    }

    /// Digest of what the plan writes, wherever the records are: two plans with the same digest
    /// write the same bytes. Records that are not known are named by their place.
    fn digest(&self) -> [u8; 32] {
        let mut sum = Context::new(&SHA256);
        sum.update(b"packhouse answer 1\n");
        for step in &self.plan.steps {
            match step {
                Step::Literal(bytes) => {
                    sum.update(&[0]);
                    sum.update(&(bytes.len() as u64).to_le_bytes());
                    sum.update(bytes);
                }
                Step::Copy(span) => {
                    let Some(pack) = self.packs.get(span.pack as usize) else { continue };
                    let directory = &pack.directory;
                    let Some(rows) = directory.whole_rows(span.offset, span.length) else {
                        sum.update(&[2]);
                        sum.update(directory.key.digest());
                        sum.update(&span.offset.to_le_bytes());
                        sum.update(&span.length.to_le_bytes());
                        continue;
                    };
                    for row in rows.filter_map(|number| directory.row(number)) {
                        sum.update(&[1, row.kind as u8]);
                        sum.update(&row.id.to_bytes());
                        sum.update(&row.length.to_le_bytes());
                        sum.update(&row.fingerprint);
                    }
                }
            }
        }
        finish(sum)
    }
}

impl Store {
    /// The bytes of a stored pack.
    pub(super) fn stored_content(&self, row: &RepoRow, pack: PackRow) -> Content {
        let directories = self.directories_of(&row.name);
        let heads = self.directory_heads.clone();
        Content {
            repo: row.id,
            name: row.name.clone(),
            bytes: pack.bytes,
            etag: *pack.key.digest(),
            source: Arc::new(AnswerSource::of_pack(directories, heads, pack.clone())),
            of: ContentOf::Stored(pack),
        }
    }

    /// The bytes that a plan writes.
    pub(super) fn planned_content(&self, row: &RepoRow, planned: AnswerPlan) -> Content {
        let planned = planned.without_unread_rows();
        Content {
            repo: row.id,
            name: row.name.clone(),
            bytes: planned.plan.bytes,
            etag: planned.digest(),
            source: self.source_of(&row.name, &planned),
            of: ContentOf::Planned(planned),
        }
    }

    /// The same bytes, in less memory: to be streamed, and kept for others.
    pub(super) fn to_be_kept(&self, content: Content) -> Content {
        match content.of {
            ContentOf::Planned(planned) => {
                let planned = planned.without_long_runs();
                let source = self.source_of(&content.name, &planned);
                Content { of: ContentOf::Planned(planned), source, ..content }
            }
            of @ ContentOf::Stored(_) => Content { of, ..content },
        }
    }

    fn source_of(&self, repo: &RepoName, planned: &AnswerPlan) -> Arc<AnswerSource> {
        let AnswerPlan { plan, packs, pack_rows, .. } = planned;
        Arc::new(AnswerSource::of_plan(
            self.directories_of(repo),
            self.directory_heads.clone(),
            plan.clone(),
            pack_rows.clone(),
            packs.clone(),
        ))
    }
}
