//! Recording: a recorder between a component and its host writes the calls to a tape.
//!
//! A tape is written to a temporary file next to its path, and renamed when it is complete. The
//! path always has a complete tape, the new or the previous one.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, Database, EncodingConflict, EntityId, Head, Kind,
    Limits, Location, PackInfo, Page, Span, Storage,
};
use packhouse_model::error::{Error, Result, TapeError};
use packhouse_model::files::replaceable;
use packhouse_run::Host;

use super::call;
use super::call::{Bytes, Call, CallResult};
use super::format::{Header, Outcome};

/// A tape that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// Calls on it.
    pub calls: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A tape that is being written. It is removed if it is dropped before its end.
#[derive(Debug)]
pub struct TapeWriter {
    path: PathBuf,
    temporary: PathBuf,
    to: Option<GzEncoder<BufWriter<File>>>,
    header: Header,
    calls: u64,
}

impl TapeWriter {
    /// Begins a tape for `path`; `random_id` is for its temporary name.
    pub fn begin(path: &Path, random_id: [u8; 16], header: Header) -> Result<TapeWriter> {
        replaceable(path)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = folder.join(format!(".packhouse-{}", hex::encode(random_id)));
        let file = File::create_new(&temporary).map_err(Error::io("writing the tape", path))?;
        packhouse_model::files::for_user(&file);
        let to = Some(GzEncoder::new(BufWriter::new(file), Compression::default()));
        let mut writer = TapeWriter { path: path.to_owned(), temporary, to, header, calls: 0 };
        let header =
            serde_json::to_string(&writer.header).expect("a header always has a JSON form");
        writer.line(&header)?;
        Ok(writer)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let Some(to) = &mut self.to else { return Ok(()) };
        writeln!(to, "{line}").map_err(Error::io("writing the tape", &self.path))
    }

    fn call<C: Call>(&mut self, call: &C, answered: &CallResult<C::Output>) -> Result<()> {
        self.calls += 1;
        let form = "a call always has a JSON form";
        let args = serde_json::to_string(call).expect(form);
        let answer = serde_json::to_string(answered).expect(form);
        // The result is an object with one key: the line continues with it.
        let line = format!(r#"{{"call":"{}","args":{args},{}"#, C::NAME, &answer[1..]);
        self.line(&line)
    }

    /// Finishes the tape, and renames it to its path.
    fn finish(&mut self, outcome: &Outcome) -> Result<Recorded> {
        let packs = self.header.packs.clone();
        outcome.lines(&packs, self.calls, |line| self.line(&line))?;
        let to = self.to.take().ok_or(TapeError::Finished)?;
        let written = to.finish().and_then(|mut file| {
            file.flush()?;
            file.get_ref().sync_all()?;
            let bytes = file.get_ref().metadata()?.len();
            std::fs::rename(&self.temporary, &self.path).map(|()| bytes)
        });
        let bytes = written.map_err(Error::io("writing the tape", &self.path))?;
        Ok(Recorded { path: self.path.clone(), calls: self.calls, bytes })
    }
}

impl Drop for TapeWriter {
    fn drop(&mut self) {
        // After the end the file no longer exists.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// A tape that a run writes, and its caller finishes.
#[derive(Clone, Debug)]
pub struct Tape(Arc<Mutex<TapeWriter>>);

impl Tape {
    /// A tape with this writer.
    pub fn new(writer: TapeWriter) -> Tape {
        Tape(Arc::new(Mutex::new(writer)))
    }

    fn writer(&self) -> MutexGuard<'_, TapeWriter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finishes it with the outcome of the run.
    pub fn finish(&self, outcome: &Outcome) -> Result<Recorded> {
        self.writer().finish(outcome)
    }
}

/// A host whose results are recorded.
#[derive(Debug)]
pub struct RecordingHost<H> {
    host: H,
    tape: Tape,
    /// The error if the tape could not be written: then the run ends, because a tape was requested.
    fault: Option<Error>,
}

impl<H: Host> RecordingHost<H> {
    /// Records the results of a host.
    pub fn new(host: H, tape: Tape) -> RecordingHost<H> {
        RecordingHost { host, tape, fault: None }
    }

    fn note<C: Call, T>(
        &mut self,
        call: C,
        answer: Result<T, AccessError>,
        output: impl FnOnce(&T) -> C::Output,
    ) -> Result<T, AccessError> {
        let answered = match (self.host.fault(), &answer) {
            (Some(fault), _) => CallResult::Trap(fault.to_string()),
            (None, Ok(value)) => CallResult::Ok(output(value)),
            (None, Err(refusal)) => CallResult::Err(refusal.clone()),
        };
        if let Err(error) = self.tape.writer().call(&call, &answered) {
            self.fault.get_or_insert(error);
        }
        answer
    }

    /// As [`RecordingHost::note`], for a result that is written as it is.
    fn keep<C: Call>(
        &mut self,
        call: C,
        answer: Result<C::Output, AccessError>,
    ) -> Result<C::Output, AccessError>
    where
        C::Output: Clone,
    {
        self.note(call, answer, C::Output::clone)
    }
}

impl<H: Host> Storage for RecordingHost<H> {
    fn limits(&mut self) -> Limits {
        let limits = self.host.limits();
        // The result is only for the tape; if that can't be written, the next call fails.
        let _ = self.keep(call::GetLimits {}, Ok(limits));
        limits
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        let rows = self.host.pack_index(pack, first, limit);
        self.note(call::PackIndex { pack, first, limit }, rows, |rows| rows.clone().into())
    }

    fn spine(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u32>, AccessError> {
        let spine = self.host.spine(pack, first, limit);
        self.keep(call::Spine { pack, first, limit }, spine)
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        let records = self.host.read_records(spans);
        self.note(call::ReadRecords { spans: spans.to_vec() }, records, |records| {
            records.iter().cloned().map(Bytes).collect()
        })
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        let orders = self.host.compare_records(pairs);
        self.note(call::CompareRecords { pairs: pairs.to_vec() }, orders, |orders| {
            orders.iter().map(|o| (*o).into()).collect()
        })
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Page<Head>, AccessError> {
        let heads = self.host.branch_heads(pack, first, limit);
        self.keep(call::BranchHeads { pack, first, limit }, heads)
    }
}

impl<H: Host> Database for RecordingHost<H> {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        let packs = self.host.packs(first, limit);
        self.keep(call::ListPacks { first, limit }, packs)
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        let heads = self.host.heads(after, limit);
        self.keep(call::ListHeads { after: after.map(str::to_owned), limit }, heads)
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError> {
        let ancestors = self.host.history(commits, limit);
        self.keep(call::History { commits: commits.to_vec(), limit }, ancestors)
    }

    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError> {
        let floor = self.host.walk_floor();
        self.keep(call::WalkFloor {}, floor)
    }

    fn locate(
        &mut self,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Location>>, AccessError> {
        let places = self.host.locate(kind, ids);
        self.keep(call::Locate::of(kind, ids), places)
    }

    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        let places = self.host.locate_tags(tags);
        self.keep(call::Locate::of_tags(tags), places)
    }

    fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        let tags = self.host.tags(commits, after, limit);
        self.keep(call::Tags::of(commits, after, limit), tags)
    }

    fn base(&mut self) -> Result<Option<Base>, AccessError> {
        let base = self.host.base();
        self.keep(call::GetBase {}, base)
    }

    fn base_heads(&mut self, first: u64, limit: u32) -> Result<Page<EntityId>, AccessError> {
        let heads = self.host.base_heads(first, limit);
        self.keep(call::BaseHeads { first, limit }, heads)
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        let known = self.host.known(kind, ids);
        self.keep(call::Known { kind, ids: ids.to_vec() }, known)
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        let conflicts = self.host.conflicts(first, limit);
        self.keep(call::Conflicts { first, limit }, conflicts)
    }
}

impl<H: Host> Host for RecordingHost<H> {
    fn fault(&self) -> Option<&Error> {
        self.host.fault().or(self.fault.as_ref())
    }

    fn take_fault(&mut self) -> Option<Error> {
        self.host.take_fault().or_else(|| self.fault.take())
    }
}
