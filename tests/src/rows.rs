//! Pack-indexes that are made as they are read: a run over them takes no memory but the planner's.

use std::cmp::Ordering;

use packhouse_core::ports::{MAX_ROWS, page_size};
use packhouse_core::{
    AccessError, EntityId, Form, Head, Kind, Limits, PackInfo, Page, ROW_BYTES, Row, Span, Storage,
};
use packhouse_host::sandbox::PacksOnly;

/// Size of each record.
const RECORD: u64 = 100;

/// Packs of so many objects each, with ids in no order: in a plan, each is a step of its own. That is
/// the most memory that a record takes.
#[derive(Clone, Copy, Debug)]
pub struct ScatteredObjects {
    /// How many packs.
    pub packs: u32,
    /// How many objects are in each.
    pub objects: u64,
}

impl ScatteredObjects {
    /// All records.
    pub fn records(self) -> u64 {
        u64::from(self.packs) * self.objects
    }

    /// A run over them.
    pub fn host(self) -> PacksOnly<ScatteredObjects> {
        let (bytes, rows) = (self.objects * RECORD, self.objects);
        let info = |number: u32| PackInfo { key: format!("sha256:{number:064x}"), bytes, rows };
        PacksOnly { storage: self, packs: (0..self.packs).map(info).collect(), heads: Vec::new() }
    }

    fn row(self, pack: u32, number: u64) -> Row {
        let mut digest = [0; 32];
        let mut state = (u64::from(pack) << 40) + number;
        for word in digest.chunks_exact_mut(8) {
            state = splitmix(state);
            word.copy_from_slice(&state.to_le_bytes());
        }
        Row {
            kind: Kind::Object,
            id: EntityId::new(Form::Prefixed, digest),
            offset: number * RECORD,
            length: RECORD,
            fingerprint: [0; 16],
        }
    }
}

/// A bijection that scatters numbers (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators").
fn splitmix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn no_records<T>() -> Result<T, AccessError> {
    Err(AccessError::Other("these packs have no records that can be read".into()))
}

impl Storage for ScatteredObjects {
    fn limits(&mut self) -> Limits {
        Limits::default()
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        let end = (first + page_size(limit, MAX_ROWS) as u64).min(self.objects);
        let mut items = Vec::with_capacity((end - first) as usize * ROW_BYTES);
        (first..end).for_each(|number| items.extend(self.row(pack, number).encode()));
        Ok(Page { items, done: end == self.objects })
    }

    fn spine(&mut self, _: u32, _: u64, _: u32) -> Result<Page<u32>, AccessError> {
        no_records()
    }

    fn read_records(&mut self, _: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        no_records()
    }

    fn compare_records(&mut self, _: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        no_records()
    }

    fn branch_heads(&mut self, _: u32, _: u32, _: u32) -> Result<Page<Head>, AccessError> {
        Ok(Page::default())
    }
}
