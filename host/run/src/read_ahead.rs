//! Small packs are read before a run copies from them: all of them, each once, by several threads.
//!
//! A consolidation of many small packs needs each of them for the first bytes that it writes. And it
//! hashes those with records that it leaves out: in memory they are read for both at once.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::Bytes;
use futures::{StreamExt, stream};
use packhouse_core::{Plan, Step};
use packhouse_model::blocking::blocking;
use packhouse_model::digest::sha256;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_model::progress::{Phase, Progress};

use crate::damage::changed_pack;
use crate::directories::{BATCH, BATCHES};
use crate::reader::{PackReader, Places};

/// A small pack in memory.
struct SmallPack {
    number: u32,
    bytes: Bytes,
    path: PathBuf,
    /// Its key, if its bytes were hashed: they match.
    hashed: Option<MpackKey>,
}

impl PackReader {
    /// Reads small packs of the vault that a plan copies from into memory, as many as there is room
    /// for. Those in `to_hash` are hashed: their bytes match their keys. Gives which these are.
    ///
    /// # Errors
    /// When one is missing, damaged, or can't be read; [`packhouse_model::error::Error::Cancelled`].
    pub async fn read_small(
        &mut self,
        plan: &Plan,
        to_hash: &BTreeSet<MpackKey>,
        progress: &Progress,
    ) -> Result<BTreeSet<MpackKey>> {
        let mut is_copied = vec![false; self.places.packs.len()];
        for step in &plan.steps {
            if let Step::Copy(span) = step {
                is_copied[span.pack as usize] = true;
            }
        }
        let small = self.small_packs(&is_copied);
        let batches: Vec<_> = small
            .chunks(BATCH)
            .map(|numbers| {
                let is_hashed = |number: &u32| to_hash.contains(&self.places.key(*number));
                let wanted = numbers.iter().map(|number| (*number, is_hashed(number))).collect();
                read_batch(self.places.clone(), wanted)
            })
            .collect();
        let mut batches = stream::iter(batches).buffered(BATCHES);
        let mut hashed = BTreeSet::new();
        let repo = self.places.repo.to_string();
        while let Some(batch) = batches.next().await {
            progress.at(&repo, Phase::Splice, 0, plan.bytes)?;
            for pack in batch? {
                hashed.extend(pack.hashed);
                self.open.keep(pack.number, pack.bytes, pack.path);
            }
        }
        Ok(hashed)
    }
}

/// Reads packs into one allocation, of 2 MiB at most. Each has a number, and whether it is hashed.
async fn read_batch(places: Places, wanted: Vec<(u32, bool)>) -> Result<Vec<SmallPack>> {
    blocking(move || {
        let total = wanted.iter().map(|(number, _)| places.size(*number)).sum::<u64>();
        let mut buffer = vec![0; total as usize];
        let (mut rest, mut read) = (buffer.as_mut_slice(), Vec::with_capacity(wanted.len()));
        for (number, is_hashed) in wanted {
            let stored = places.open(number)?;
            // It has the size that it was opened with.
            let (bytes, after) = rest.split_at_mut(stored.bytes as usize);
            rest = after;
            let all = stored.file.read_exact_at(bytes, 0);
            all.map_err(|e| places.unreadable(number, stored.bytes, stored.path.clone(), e))?;
            let hashed = is_hashed.then(|| MpackKey::new(sha256(bytes)));
            if let Some(found) = hashed
                && found != places.key(number)
            {
                let key = places.key(number);
                let (vault, repo) = (&places.vault, &places.repo);
                return Err(changed_pack(vault, repo, &key, (&stored, found))?);
            }
            read.push((number, bytes.len(), stored.path, hashed));
        }
        let mut buffer = Bytes::from(buffer);
        let pack = |(number, length, path, hashed)| SmallPack {
            number,
            bytes: buffer.split_to(length),
            path,
            hashed,
        };
        Ok(read.into_iter().map(pack).collect())
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use packhouse_core::Span;
    use packhouse_model::error::{DamageError, Error};
    use packhouse_pack::pieces::Piece;
    use packhouse_pack::splice::Sources;
    use packhouse_vault::objects::ObjectName;
    use tokio::runtime::Handle;

    use super::*;
    use crate::reader::RunPack;
    use crate::testing::{Packs, pack_of};

    /// Small packs, and one that is not, in this order.
    fn some_packs(count: usize) -> Vec<Vec<u8>> {
        let small = (1..=count).map(|n| pack_of(2 * n, 100..101));
        small.chain([pack_of(400, 1000..1001)]).collect()
    }

    fn reader(on: &Packs, packs: &[Vec<u8>]) -> PackReader {
        let packs = packs.iter().map(|bytes| RunPack::stored(on.add(bytes).1)).collect();
        PackReader::new(Packs::repo(), on.vault.clone(), Handle::current(), Arc::new(packs))
    }

    /// A plan that copies from some packs.
    fn plan(packs: impl Iterator<Item = u32>) -> Plan {
        let copy = |pack| Step::Copy(Span { pack, offset: 0, length: 1 });
        Plan { steps: packs.map(copy).collect(), ..Plan::default() }
    }

    fn keys(packs: &[Vec<u8>]) -> BTreeSet<MpackKey> {
        packs.iter().map(|bytes| MpackKey::new(sha256(bytes))).collect()
    }

    #[tokio::test]
    async fn small_packs_are_in_memory_before_they_are_needed() {
        let (on, packs) = (Packs::local(), some_packs(3 + BATCH));
        let mut reader = reader(&on, &packs);
        let wanted = keys(&packs[1..3]).union(&keys(&packs[3 + BATCH..])).copied().collect();
        let cancelled = Progress::silent();
        cancelled.cancel();
        let all = plan(0..packs.len() as u32);
        let stopped = reader.read_small(&all, &wanted, &cancelled).await;
        assert!(matches!(stopped, Err(Error::Cancelled)));
        let progress = Progress::silent();
        let some = plan([1, 3 + BATCH as u32].into_iter());
        let hashed = reader.read_small(&some, &wanted, &progress).await.unwrap();
        assert_eq!(hashed, keys(&packs[1..2]), "neither the large one, nor what is not copied");
        let hashed = reader.read_small(&all, &wanted, &progress).await.unwrap();
        assert_eq!(hashed, keys(&packs[2..3]), "what is there is not read again");
        // They are read nowhere else any more.
        for bytes in &packs {
            on.memory.put_bytes(&ObjectName::Pack(MpackKey::new(sha256(bytes))), b"other");
        }
        let read = tokio::task::spawn_blocking(move || {
            (0..packs.len() as u32)
                .map(|pack| {
                    let length = packs[pack as usize].len() as u64;
                    let mut read = vec![0; length as usize];
                    let piece = Piece { span: Span { pack, offset: 0, length }, to: 0 };
                    let found = reader.read_run(&[piece], &mut read);
                    found.is_ok() && read == packs[pack as usize]
                })
                .collect::<Vec<_>>()
        });
        let read = read.await.unwrap();
        assert!(read[..3 + BATCH].iter().all(|right| *right) && !read[3 + BATCH]);
    }

    #[tokio::test]
    async fn a_small_pack_that_has_changed_or_is_too_short_is_named() {
        let packs = some_packs(BATCH + 2);
        for place in [0, BATCH, BATCH + 1] {
            let key = MpackKey::new(sha256(&packs[place]));
            for is_short in [false, true] {
                let on = Packs::local();
                let mut reader = reader(&on, &packs);
                if is_short {
                    on.memory.put_bytes(&ObjectName::Pack(key), b"short");
                } else {
                    on.flip(&ObjectName::Pack(key), packs[place].len() / 2);
                }
                let all = plan(0..packs.len() as u32);
                let (wanted, progress) = (keys(&packs), Progress::silent());
                let failed = reader.read_small(&all, &wanted, &progress).await.unwrap_err();
                let Error::Damage(DamageError::DamagedPack { key: named, detail, .. }) = failed
                else {
                    panic!("{failed}")
                };
                assert_eq!(named, key);
                assert_eq!(detail.contains("it has 5 bytes"), is_short, "{detail}");
            }
        }
    }
}
