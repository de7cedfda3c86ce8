//! SHA-256 of a stream, and of messages in it at the same time.
//!
//! Each round of SHA-256 needs the result of the round before. A processor with SHA instructions
//! could begin the next round before it has that, but a single message has nothing to begin. So
//! two are hashed at once, in nearly the time of one: the bytes of a pack, for its key, and an
//! object in it, for its ID. [`Ahead`] are bytes of the stream that are there already.
//!
//! Processors without these instructions hash one after the other, with ring. The sums are the same.

#[cfg(target_arch = "x86_64")]
mod lane;
#[cfg(target_arch = "x86_64")]
mod unit;

use ring::digest::{Context, SHA256};

#[cfg(target_arch = "x86_64")]
use self::lane::Lane;
#[cfg(target_arch = "x86_64")]
use self::unit::ShaUnit;

/// Bytes that are compressed at once.
const BLOCK: usize = 64;

/// Whether this processor hashes a message and a stream in nearly the time of one.
pub fn hashes_two_at_once() -> bool {
    !matches!(Sha256::new().0, Inner::Ring(_))
}

/// The SHA-256 of bytes that come in parts.
#[derive(Clone, Debug)]
pub struct Sha256(Inner);

#[derive(Clone)]
enum Inner {
    #[cfg(target_arch = "x86_64")]
    Lane(Lane),
    Ring(Context),
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            #[cfg(target_arch = "x86_64")]
            Inner::Lane(_) => "Lane",
            Inner::Ring(_) => "Ring",
        })
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Sha256::new()
    }
}

impl Sha256 {
    /// The sum of no bytes yet.
    pub fn new() -> Sha256 {
        #[cfg(target_arch = "x86_64")]
        if let Some(unit) = ShaUnit::find() {
            return Sha256(Inner::Lane(Lane::new(unit)));
        }
        Sha256::portable()
    }

    fn portable() -> Sha256 {
        Sha256(Inner::Ring(Context::new(&SHA256)))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            #[cfg(target_arch = "x86_64")]
            Inner::Lane(lane) => lane.update(bytes, None),
            Inner::Ring(sum) => sum.update(bytes),
        }
    }

    /// Adds bytes, and meanwhile as many to a stream as there are ahead, in whole blocks.
    pub fn update_beside(&mut self, bytes: &[u8], ahead: &mut Ahead<'_>) {
        match &mut self.0 {
            #[cfg(target_arch = "x86_64")]
            Inner::Lane(lane) => lane.update(bytes, Some(ahead)),
            Inner::Ring(sum) => sum.update(bytes),
        }
    }

    /// The sum of all bytes.
    pub fn finish(self) -> [u8; 32] {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Inner::Lane(lane) => lane.finish(None),
            Inner::Ring(sum) => of_ring(sum),
        }
    }

    /// The sum of all bytes; meanwhile, bytes are added to a stream.
    pub fn finish_beside(self, ahead: &mut Ahead<'_>) -> [u8; 32] {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Inner::Lane(lane) => lane.finish(Some(ahead)),
            Inner::Ring(sum) => of_ring(sum),
        }
    }
}

fn of_ring(sum: Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(sum.finish().as_ref());
    bytes
}

/// A stream, and its next bytes. They are hashed whenever another message is.
#[derive(Debug)]
pub struct Ahead<'a> {
    stream: &'a mut Sha256,
    bytes: &'a [u8],
}

impl<'a> Ahead<'a> {
    /// `bytes` come next in the stream.
    pub fn new(stream: &'a mut Sha256, bytes: &'a [u8]) -> Ahead<'a> {
        Ahead { stream, bytes }
    }

    /// How many of the bytes were not added to the stream.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Adds those that are whole blocks: at most 63 are left.
    pub fn hash_blocks(&mut self) {
        let (now, later) = self.bytes.split_at(self.bytes.len() / BLOCK * BLOCK);
        self.stream.update(now);
        self.bytes = later;
    }
}

#[cfg(test)]
mod tests;
