//! What a client may ask for.

use std::time::Duration;

use crate::store::FetchRequest;

/// Limits of a server. Those on counts are the protocol's.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest body with packs or objects, in bytes.
    pub upload_bytes: u64,
    /// Uploads that are taken at once; others wait. Each has a thread, and a few megabytes.
    pub uploads: usize,
    /// Packs that are made of uploads at once; others wait. Each has some threads, and some dozen megabytes.
    pub making: usize,
    /// How long a client may be silent in the middle of a body.
    pub silence: Duration,
    /// Requests a second of one caller, over a while; 0: any number.
    pub rate: u32,
    /// Requests of one caller at once, beyond the rate.
    pub burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { upload_bytes: 2 << 30, uploads: 64, making: 8, silence: Duration::from_secs(60), rate: 1000, burst: 10_000 }
    }
}

/// Largest body that is no upload, in bytes: 50 000 ids of 71 characters, and room.
pub(super) const BODY: usize = 8 << 20;

/// Largest body with wants and haves, in bytes: 100 000 ids of 73 bytes on either side, and room.
pub(super) const FETCH_BODY: usize = 16 << 20;

/// How long a client may take for one.
pub(super) const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Bytes a second that an upload must come with, over all of it; with a minute more for whoever stumbles.
pub(super) const SLOWEST: u64 = 16 << 10;

/// Uploads of one token at once: clients send four.
pub(super) const UPLOADS_OF_ONE: usize = 16;

/// How long an upload waits for its turn.
pub(super) const TURN_WITHIN: Duration = Duration::from_secs(60);

/// Answers that are assembled at once.
pub(super) const ASSEMBLED: usize = 8;

/// Ids in `/filter-objects`.
pub(super) const FILTERED: usize = 50_000;
/// Ids in `/presign`.
pub(super) const PRESIGNED: usize = 10_000;
/// Objects in `/push/objects`.
pub(super) const OBJECTS: u32 = 1_000;
/// Commits or snapshots in `/push`.
pub(super) const RECORDS: u32 = 10_000;
/// Branches that a bundle names: as many as a pack may.
pub(super) const BRANCHES: usize = 65_536;
/// Ids on either side in `/negotiate`: the protocol names 256, and clients send more.
pub(super) const NEGOTIATED: usize = FETCHED;
/// Ids on either side in `/fetch`: the protocol names 1 000. Clients send all the commits that they have, and want every head at once.
pub(super) const FETCHED: usize = FetchRequest::MOST_IDS;
