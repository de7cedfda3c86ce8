//! The component without catalog and vault: packs in memory, and nothing else.
//!
//! `cargo run --example embed -- OUT PACK…` consolidates packs, as one push to an empty repo. It
//! plans and writes; what a host verifies before it replaces anything is in
//! `packhouse_host::store`.

use std::cmp::{Ordering, Reverse};
use std::error::Error;
use std::sync::Arc;

use packhouse_core::ports::{MAX_ITEMS, MAX_ROWS, page_size};
use packhouse_core::{AccessError, Head, Limits, PackInfo, Page, Span, Step, Storage};
use packhouse_host::MpackKey;
use packhouse_host::pack::{Directory, scan::scan};
use packhouse_host::sandbox::{PacksOnly, Planner, Sandbox};
use ring::digest::{SHA256, digest};

/// A pack: its bytes, its directory, and its heads.
type Pack = (Vec<u8>, Directory, Vec<Head>);

/// What the component may ask of the packs. Their numbers are those of this list.
#[derive(Clone)]
struct Memory(Arc<Vec<Pack>>);

impl Memory {
    fn pack(&self, number: u32) -> Result<&Pack, AccessError> {
        self.0.get(number as usize).ok_or(AccessError::NoSuchPack(number))
    }

    fn bytes(&self, span: Span) -> Result<&[u8], AccessError> {
        let end = span.offset.saturating_add(span.length) as usize;
        self.pack(span.pack)?.0.get(span.offset as usize..end).ok_or(AccessError::OutOfRange(span))
    }

    fn listed(&self) -> Vec<PackInfo> {
        let info = |(_, d, _): &Pack| PackInfo {
            key: d.key.to_string(),
            bytes: d.pack_bytes,
            rows: d.len(),
        };
        self.0.iter().map(info).collect()
    }
}

impl Storage for Memory {
    fn limits(&mut self) -> Limits {
        Limits::default()
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        let directory = &self.pack(pack)?.1;
        let most = page_size(limit, MAX_ROWS) as u64;
        let rows = directory.page(first, most).unwrap_or_default();
        Ok(Page { items: rows.to_vec(), done: first.saturating_add(most) >= directory.len() })
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        spans.iter().map(|span| self.bytes(*span).map(<[u8]>::to_vec)).collect()
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        pairs.iter().map(|(a, b)| Ok(self.bytes(*a)?.cmp(self.bytes(*b)?))).collect()
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Page<Head>, AccessError> {
        Ok(Page::of(&self.pack(pack)?.2, first.into(), limit, MAX_ITEMS))
    }
}

fn read(file: &str) -> Result<Pack, Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let scanned = scan(bytes.as_slice(), |_| Ok(()))?;
    let key = MpackKey::new(digest(&SHA256, &bytes).as_ref().try_into()?);
    let directory = Directory::new(key, bytes.len() as u64, &scanned.rows);
    Ok((bytes, directory, scanned.heads))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let out = words.next().ok_or("usage: embed OUT PACK…")?;
    let mut packs = words.map(|file| read(&file)).collect::<Result<Vec<_>, _>>()?;
    packs.sort_by_key(|(_, directory, _)| (Reverse(directory.len()), directory.key));
    let (records, count) = (packs.iter().map(|(_, d, _)| d.len()).sum(), packs.len() as u32);
    let memory = Memory(Arc::new(packs));

    let sandbox = Sandbox::reference(None)?;
    let mut host = PacksOnly { storage: memory.clone(), packs: memory.listed(), heads: Vec::new() };
    host.heads = sandbox.index(Box::new(host.clone()), records, count, false)?.heads;
    let plan = sandbox.consolidate(Box::new(host), records)?;

    let mut made = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Literal(bytes) => made.extend_from_slice(bytes),
            Step::Copy(span) => made.extend_from_slice(memory.bytes(*span)?),
        }
    }
    std::fs::write(&out, &made)?;
    println!("sha256:{} {} packs became {out}", hex::encode(digest(&SHA256, &made)), count);
    Ok(())
}
