//! Bytes of the packs of an answer. Packs that are files are opened once: what is open stays
//! readable when the pack is deleted. Of others, parts are downloaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Result as IoResult};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use packhouse_model::blocking::blocking;
use packhouse_model::error::{Error, Result};
use packhouse_pack::pieces::{Piece, read_run, runs};
use packhouse_vault::StoredPack;

use super::AnswerSource;
use crate::spans::read_ranges;

/// Packs that a stream has open.
const OPEN_PACKS: usize = 16;
/// Packs that are downloaded from at once.
const DOWNLOADS: usize = 4;

/// The packs that are open, with when they were last used.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: BTreeMap<u32, (Arc<StoredPack>, u64)>,
    uses: u64,
}

impl Files {
    /// Reads pieces into a buffer.
    ///
    /// # Errors
    /// When a pack is missing, too short, or can't be read.
    pub(super) async fn read(
        &mut self,
        source: &Arc<AnswerSource>,
        mut pieces: Vec<Piece>,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>> {
        pieces.sort_unstable_by_key(|piece| piece.span);
        let by_pack: Vec<Vec<Piece>> =
            pieces.chunk_by(|a, b| a.span.pack == b.span.pack).map(<[Piece]>::to_vec).collect();
        if source.directories.vault.is_remote() {
            let downloads: Vec<_> =
                by_pack.into_iter().map(|pieces| download(source.clone(), pieces)).collect();
            let mut read = stream::iter(downloads).buffer_unordered(DOWNLOADS);
            while let Some(pieces) = read.try_next().await? {
                for (to, bytes) in pieces {
                    buffer[to..to + bytes.len()].copy_from_slice(&bytes);
                }
            }
            return Ok(buffer);
        }
        // No more than that are open at once.
        for packs in by_pack.chunks(OPEN_PACKS) {
            let mut opened = Vec::with_capacity(packs.len());
            for pieces in packs {
                opened.push((self.file(source, pieces[0].span.pack).await?, pieces.clone()));
            }
            let source = source.clone();
            let read = move || {
                for (stored, pieces) in &opened {
                    read_file(&stored.file, pieces, &mut buffer).map_err(|e| match e.kind() {
                        ErrorKind::UnexpectedEof => too_short(&source, pieces),
                        _ => Error::io("reading", &stored.path)(e),
                    })?;
                }
                Ok(buffer)
            };
            buffer = blocking(read).await?;
        }
        Ok(buffer)
    }

    /// An open pack.
    async fn file(&mut self, source: &AnswerSource, pack: u32) -> Result<Arc<StoredPack>> {
        self.uses += 1;
        if let Some((stored, used)) = self.open.get_mut(&pack) {
            *used = self.uses;
            return Ok(stored.clone());
        }
        let row = &source.packs[pack as usize];
        let found = source.directories.vault.open(&row.key).await?;
        let stored = Arc::new(found.ok_or_else(|| source.missing(pack))?);
        if stored.bytes != row.bytes {
            let detail = format!("it has {} bytes; {} were stored", stored.bytes, row.bytes);
            return Err(source.damaged(pack, detail));
        }
        if self.open.len() >= OPEN_PACKS
            && let Some((oldest, _)) = self.open.iter().min_by_key(|(_, (_, used))| *used)
        {
            let oldest = *oldest;
            self.open.remove(&oldest);
        }
        self.open.insert(pack, (stored.clone(), self.uses));
        Ok(stored)
    }
}

/// Pieces of one remote pack, with their places.
async fn download(
    source: Arc<AnswerSource>,
    pieces: Vec<Piece>,
) -> Result<Vec<(usize, bytes::Bytes)>> {
    let pack = pieces[0].span.pack;
    let spans: Vec<_> = pieces.iter().map(|piece| piece.span.offset..piece.end()).collect();
    let (vault, repo) = (&source.directories.vault, source.directories.repo());
    let read = read_ranges(vault, repo, &source.key(pack), &spans).await?;
    Ok(pieces.iter().map(|piece| piece.to).zip(read).collect())
}

/// Reads pieces of one file, in order.
fn read_file(file: &File, pieces: &[Piece], buffer: &mut [u8]) -> IoResult<()> {
    let mut scratch = Vec::new();
    runs(pieces).try_for_each(|run| read_run(file, run, buffer, &mut scratch))
}

fn too_short(source: &AnswerSource, pieces: &[Piece]) -> Error {
    let end = pieces.iter().map(Piece::end).max().unwrap_or(0);
    let detail = format!("it ends before byte {end}, which is in its directory");
    source.damaged(pieces[0].span.pack, detail)
}
