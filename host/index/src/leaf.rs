//! Leaves: up to 121 rows, in columns.
//!
//! ```text
//! head, with the number of rows
//! base 8 · width 1 · sections 1    a row's shelf is the base plus its number of so many bytes
//! sections   × 3   kind, form, and how many rows have them
//! digests    × 32  ascending in each section
//! shelves    × width
//! flags      × 1   bits 0 and 1: new, replaces, dropped; bit 2: has a fingerprint
//! fingerprints × 16, of the rows that have one
//! zeros
//! ```
//!
//! A push puts its rows on few shelves: then a shelf takes a byte of a row, or none.

use packhouse_core::row::Fingerprint;
use packhouse_model::names::ShelfId;

use crate::block::{
    BLOCK_BYTES, BlockFault, BlockId, BlockType, Fault, HEAD_BYTES, open_block, seal,
};
use crate::row::{Change, DIGEST_BYTES, KEY_BYTES, Key, PREFIX_BYTES, Row};

/// Where the sections begin.
const SECTIONS: usize = HEAD_BYTES + 10;

/// Size of a section.
const SECTION_BYTES: usize = PREFIX_BYTES + 1;

/// Size of a fingerprint.
const FINGERPRINT_BYTES: usize = size_of::<Fingerprint>();

/// Rows of the fullest leaf: all of one section and one shelf.
pub(crate) const MAX_ROWS: usize = (BLOCK_BYTES - SECTIONS - SECTION_BYTES) / (DIGEST_BYTES + 1);

const NEW: u8 = 0;
const REPLACES: u8 = 1;
const DROPPED: u8 = 2;
const CHANGE: u8 = 0b011;
const HAS_FINGERPRINT: u8 = 0b100;

/// A leaf, checked when it was opened.
#[derive(Clone, Debug)]
pub struct Leaf {
    bytes: Vec<u8>,
    /// Where the columns begin.
    digests: usize,
    shelves: usize,
    flags: usize,
    fingerprints: usize,
    /// The least shelf.
    base: i64,
    /// Bytes of what is added to it.
    width: usize,
}

impl Leaf {
    /// Reads a leaf of the tree.
    ///
    /// # Errors
    /// If the bytes are not that leaf, as it was written.
    pub fn open(bytes: Vec<u8>, id: BlockId) -> Result<Leaf, BlockFault> {
        let rows = open_block(&bytes, id, BlockType::Leaf)?;
        Leaf::of(bytes, id, rows)
    }

    /// Finds the columns of a leaf whose head was compared. After this, nothing is out of bounds.
    pub(crate) fn of(bytes: Vec<u8>, id: BlockId, rows: u16) -> Result<Leaf, BlockFault> {
        let fault = || id.fault(Fault::Content);
        let rows = usize::from(rows);
        let [base @ .., width, sections] =
            *bytes[HEAD_BYTES..].first_chunk::<10>().ok_or_else(fault)?;
        let (width, sections) = (usize::from(width), usize::from(sections));
        let digests = SECTIONS + sections * SECTION_BYTES;
        let shelves = digests + rows * DIGEST_BYTES;
        let flags = shelves + rows * width;
        let fingerprints = flags + rows;
        if width > size_of::<i64>() || fingerprints > bytes.len() {
            return Err(fault());
        }
        let leaf = Leaf {
            bytes,
            digests,
            shelves,
            flags,
            fingerprints,
            base: i64::from_le_bytes(base),
            width,
        };
        let in_sections: usize = leaf.sections().iter().map(|[.., rows]| usize::from(*rows)).sum();
        let are_known = leaf.flags().iter().all(|flags| flags & CHANGE <= DROPPED && *flags < 8);
        let end = fingerprints + FINGERPRINT_BYTES * fingerprinted(leaf.flags());
        match in_sections == rows && are_known && end <= leaf.bytes.len() {
            true => Ok(leaf),
            false => Err(fault()),
        }
    }

    /// The row of a key, if the leaf has it.
    pub fn find(&self, key: &Key) -> Option<Row> {
        let (prefix, digest) = key.split_first_chunk::<PREFIX_BYTES>()?;
        let digest: &[u8; DIGEST_BYTES] = digest.try_into().ok()?;
        let mut start = 0;
        for [kind, form, rows] in self.sections() {
            let end = start + usize::from(*rows);
            if [*kind, *form] == *prefix {
                let row = start + self.digests()[start..end].binary_search(digest).ok()?;
                return Some(self.row(*prefix, row, fingerprinted(&self.flags()[..row])));
            }
            start = end;
        }
        None
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let of_section = |[kind, form, rows]: &[u8; SECTION_BYTES]| {
            std::iter::repeat_n([*kind, *form], usize::from(*rows))
        };
        let mut fingerprint = 0;
        self.sections().iter().flat_map(of_section).enumerate().map(move |(row, prefix)| {
            let found = self.row(prefix, row, fingerprint);
            fingerprint += usize::from(self.flags()[row] & HAS_FINGERPRINT != 0);
            found
        })
    }

    /// A row, with its place among those that have fingerprints.
    fn row(&self, [kind, form]: [u8; PREFIX_BYTES], row: usize, fingerprint: usize) -> Row {
        let mut key = [0; KEY_BYTES];
        key[0] = kind;
        key[1] = form;
        key[PREFIX_BYTES..].copy_from_slice(&self.digests()[row]);
        let flags = self.flags()[row];
        let change = match flags & CHANGE {
            NEW => Change::New(self.shelf(row)),
            REPLACES => Change::Replaces(self.shelf(row)),
            _ => Change::Dropped,
        };
        let fingerprint = match flags & HAS_FINGERPRINT {
            0 => Fingerprint::default(),
            _ => self.fingerprints()[fingerprint],
        };
        Row { key, change, fingerprint }
    }

    fn shelf(&self, row: usize) -> ShelfId {
        let mut above = [0; size_of::<i64>()];
        let at = self.shelves + row * self.width;
        above[..self.width].copy_from_slice(&self.bytes[at..at + self.width]);
        ShelfId(self.base.wrapping_add(i64::from_le_bytes(above)))
    }

    fn sections(&self) -> &[[u8; SECTION_BYTES]] {
        self.bytes[SECTIONS..self.digests].as_chunks().0
    }

    fn digests(&self) -> &[[u8; DIGEST_BYTES]] {
        self.bytes[self.digests..self.shelves].as_chunks().0
    }

    fn flags(&self) -> &[u8] {
        &self.bytes[self.flags..self.fingerprints]
    }

    fn fingerprints(&self) -> &[Fingerprint] {
        self.bytes[self.fingerprints..].as_chunks().0
    }
}

/// How many rows with these flags have a fingerprint.
fn fingerprinted(flags: &[u8]) -> usize {
    flags.iter().map(|flags| usize::from(flags & HAS_FINGERPRINT != 0)).sum()
}

/// Bytes that a number takes.
fn width_of(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()).div_ceil(u8::BITS) as usize
}

/// Rows that become a leaf.
#[derive(Debug)]
pub(crate) struct LeafBuilder {
    rows: Vec<Row>,
    sections: usize,
    fingerprints: usize,
    /// The least and the greatest shelf; none as long as all rows are dropped ones.
    shelves: Option<(i64, i64)>,
}

impl LeafBuilder {
    pub(crate) fn new() -> LeafBuilder {
        let rows = Vec::with_capacity(MAX_ROWS);
        LeafBuilder { rows, sections: 0, fingerprints: 0, shelves: None }
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds a row; false if there is no room for it. Rows come in ascending order.
    pub(crate) fn push(&mut self, row: &Row) -> bool {
        let begins_section =
            self.rows.last().is_none_or(|last| last.key[..PREFIX_BYTES] != row.key[..PREFIX_BYTES]);
        let sections = self.sections + usize::from(begins_section);
        let fingerprints = self.fingerprints + usize::from(has_fingerprint(row));
        let shelves = match (self.shelves, row.change.shelf()) {
            (shelves, None) => shelves,
            (None, Some(shelf)) => Some((shelf.0, shelf.0)),
            (Some((least, most)), Some(shelf)) => Some((least.min(shelf.0), most.max(shelf.0))),
        };
        let bytes = SECTIONS
            + sections * SECTION_BYTES
            + (self.rows.len() + 1) * (DIGEST_BYTES + width(shelves) + 1)
            + fingerprints * FINGERPRINT_BYTES;
        if bytes > BLOCK_BYTES {
            return false;
        }
        (self.sections, self.fingerprints, self.shelves) = (sections, fingerprints, shelves);
        self.rows.push(*row);
        true
    }

    /// Appends the leaf to some bytes, and begins another. A root has no zeros at its end.
    pub(crate) fn finish(&mut self, id: BlockId, to: &mut Vec<u8>) {
        let start = to.len();
        let width = width(self.shelves);
        let base = self.shelves.map_or(0, |(least, _)| least);
        to.extend_from_slice(&[0; HEAD_BYTES]);
        to.extend_from_slice(&base.to_le_bytes());
        to.extend_from_slice(&[width as u8, self.sections as u8]);
        for section in self.rows.chunk_by(|a, b| a.key[..PREFIX_BYTES] == b.key[..PREFIX_BYTES]) {
            to.extend_from_slice(&[section[0].key[0], section[0].key[1], section.len() as u8]);
        }
        for row in &self.rows {
            to.extend_from_slice(&row.key[PREFIX_BYTES..]);
        }
        for row in &self.rows {
            let above = row.change.shelf().map_or(0, |shelf| shelf.0.wrapping_sub(base));
            to.extend_from_slice(&above.to_le_bytes()[..width]);
        }
        to.extend(self.rows.iter().map(flags_of));
        for row in self.rows.iter().filter(|row| has_fingerprint(row)) {
            to.extend_from_slice(&row.fingerprint);
        }
        if !id.is_root() {
            to.resize(start + BLOCK_BYTES, 0);
        }
        seal(&mut to[start..], id, BlockType::Leaf, self.rows.len() as u16);
        self.rows.clear();
        (self.sections, self.fingerprints, self.shelves) = (0, 0, None);
    }
}

/// Bytes of a row's shelf, above the least.
fn width(shelves: Option<(i64, i64)>) -> usize {
    shelves.map_or(0, |(least, most)| width_of(most.wrapping_sub(least) as u64))
}

fn has_fingerprint(row: &Row) -> bool {
    row.fingerprint != Fingerprint::default()
}

fn flags_of(row: &Row) -> u8 {
    let change = match row.change {
        Change::New(_) => NEW,
        Change::Replaces(_) => REPLACES,
        Change::Dropped => DROPPED,
    };
    change | if has_fingerprint(row) { HAS_FINGERPRINT } else { 0 }
}
