//! Sends what was read and is right.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, stream};
use packhouse_model::blocking::{blocking, joined};
use packhouse_model::error::{Error, Result};
use packhouse_pack::{Verifier, WrongRecord};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::AnswerSource;
use super::expected::ExpectedIn;
use super::reader::{AnswerReader, Batch};

/// Largest chunk, in bytes.
const CHUNK: usize = 256 << 10;

/// A task that reads one batch ahead. It ends with this.
struct Reading {
    batches: Receiver<Result<Batch>>,
    task: Option<JoinHandle<()>>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Reading {
    fn start(source: Arc<AnswerSource>, range: Range<u64>, doubted: BTreeSet<u32>) -> Reading {
        let (sender, batches) = channel(1);
        let task = tokio::spawn(async move {
            if let Err(error) = read(source, range, doubted, &sender).await {
                // If no one waits for it, the stream was dropped.
                let _ = sender.send(Err(error)).await;
            }
        });
        Reading { batches, task: Some(task) }
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        match self.batches.recv().await {
            Some(batch) => batch.map(Some),
            None => {
                // If it has panicked, this must not look like an end.
                if let Some(task) = self.task.take() {
                    joined(task).await?;
                }
                Ok(None)
            }
        }
    }
}

async fn read(
    source: Arc<AnswerSource>,
    range: Range<u64>,
    doubted: BTreeSet<u32>,
    sender: &Sender<Result<Batch>>,
) -> Result<()> {
    let mut reader = AnswerReader::open(source, range, doubted).await?;
    while let Some(batch) = reader.next().await? {
        if sender.send(Ok(batch)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// A wrong record, and what was expected there.
struct Doubt {
    wrong: WrongRecord,
    what: Option<ExpectedIn>,
}

/// A stream of some bytes of an answer.
pub(super) struct Sending {
    source: Arc<AnswerSource>,
    /// The bytes that are still to be checked.
    left: Range<u64>,
    reading: Option<Reading>,
    verifier: Verifier,
    /// What was expected last.
    last: Option<ExpectedIn>,
    /// Chunks that are right.
    ready: VecDeque<Bytes>,
    doubt: Option<Doubt>,
    /// Packs whose directories were wrong, perhaps.
    doubted: BTreeSet<u32>,
}

impl Sending {
    pub(super) fn stream(
        source: Arc<AnswerSource>,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes>> + Send + 'static + use<> {
        let left = range.start..range.end.min(source.bytes());
        let sending = Sending {
            source,
            left,
            reading: None,
            verifier: Verifier::default(),
            last: None,
            ready: VecDeque::new(),
            doubt: None,
            doubted: BTreeSet::new(),
        };
        stream::unfold(Some(sending), |sending| async {
            let mut sending = sending?;
            match sending.next().await {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), Some(sending))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Ok(Some(chunk));
            }
            if let Some(doubt) = self.doubt.take() {
                self.resolve(doubt)?;
            }
            if self.left.is_empty() {
                return Ok(None);
            }
            let reading = self.reading.get_or_insert_with(|| {
                Reading::start(self.source.clone(), self.left.clone(), self.doubted.clone())
            });
            // The reader ends when all was read, and then nothing is left.
            let batch = reading.next().await?.ok_or(Error::Cancelled)?;
            self.check(batch).await?;
        }
    }

    /// Checks a batch, and puts what is right of it with what is ready.
    async fn check(&mut self, batch: Batch) -> Result<()> {
        let (mut verifier, mut last) = (std::mem::take(&mut self.verifier), self.last);
        let Batch { start, bytes, expected } = batch;
        let (verifier, last, bytes, checked) = blocking(move || {
            let mut expected = expected.into_iter().map(|what| {
                last = Some(what);
                what.expected
            });
            let checked = verifier.push(&bytes, &mut expected);
            Ok((verifier, last, bytes, checked))
        })
        .await?;
        (self.verifier, self.last) = (verifier, last);
        match checked {
            Ok(()) => self.pass(start, &bytes),
            Err(wrong) => {
                self.pass(start, &bytes.slice(..wrong.before));
                self.doubt = Some(Doubt { wrong, what: self.last });
            }
        }
        Ok(())
    }

    /// Bytes are right; those before the range are not sent.
    fn pass(&mut self, start: u64, bytes: &Bytes) {
        let before = usize::try_from(self.left.start.saturating_sub(start)).unwrap_or(usize::MAX);
        if before >= bytes.len() {
            return;
        }
        let mut bytes = bytes.slice(before..);
        self.left.start += bytes.len() as u64;
        while bytes.len() > CHUNK {
            self.ready.push_back(bytes.split_to(CHUNK));
        }
        self.ready.push_back(bytes);
    }

    /// Either the pack is damaged, or the directory that was read in parts. Then the rest is read
    /// again, with the directory checked.
    ///
    /// # Errors
    /// If it is the pack.
    fn resolve(&mut self, Doubt { wrong, what }: Doubt) -> Result<()> {
        match what {
            Some(ExpectedIn { pack: Some(pack), is_checked: false, .. })
                if self.doubted.insert(pack) =>
            {
                (self.reading, self.verifier, self.last) = (None, Verifier::default(), None);
                Ok(())
            }
            Some(ExpectedIn { pack: Some(pack), .. }) => {
                Err(self.source.damaged(pack, wrong.bad.to_string()))
            }
            // A plan gives as many bytes as its steps have.
            _ => Err(Error::Cancelled),
        }
    }
}
