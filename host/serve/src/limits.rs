//! Limits for clients.

use std::time::Duration;

use packhouse_model::client::FetchRequest;

/// Limits of a server. The limits on counts are those of the protocol.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    /// Largest body with packs or objects, in bytes.
    pub upload_bytes: u64,
    /// Concurrent uploads; others wait. Each has a thread, and a few megabytes.
    pub uploads: usize,
    /// Packs written from uploads at once; others wait. Each has some threads, and some dozen
    /// megabytes.
    pub making: usize,
    /// How long a client may be silent in the middle of a body.
    pub silence: Duration,
    /// Sustained requests per second of one caller; 0 for no limit.
    pub rate: u32,
    /// Burst of requests of one caller, beyond the rate.
    pub burst: u32,
    /// Maximum number of open connections.
    pub connections: usize,
    /// Maximum number per address, or per network for IPv6. None: half of all, also if there are
    /// fewer because of the limit on open files. Trusted proxies may use all.
    pub connections_per_address: Option<usize>,
    /// How long a connection may be idle.
    pub idle: Duration,
    /// Minimum rate in bytes per second at which a client must read a response.
    pub slowest: u64,
    /// Maximum bytes of fetch requests that are kept because they are too long for a URL, of all
    /// servers of a store; none: a quarter of the disk, at most 256 MiB.
    pub answers: Option<u64>,
    /// Maximum bytes of those of one token; none: a quarter of all.
    pub answers_per_token: Option<u64>,
    /// Bytes of disk reserved for pushes; none: a twentieth of the disk, at most 1 GiB.
    pub keep_free: Option<u64>,
}

/// The disk budgets of fetch requests that are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLimits {
    pub(super) all: u64,
    pub(super) of_token: u64,
    /// Of all callers without a token together: half of all.
    pub(super) strangers: u64,
    /// Of one address without a token: a quarter of that of a token.
    pub(super) of_address: u64,
    pub(super) keep_free: u64,
}

impl RequestLimits {
    pub(super) fn new(limits: &ServeLimits, disk: u64) -> RequestLimits {
        let all = limits.answers.unwrap_or((disk / 4).min(256 << 20));
        let of_token = limits.answers_per_token.unwrap_or(all / 4).min(all);
        let keep_free = limits.keep_free.unwrap_or((disk / 20).min(1 << 30));
        RequestLimits { all, of_token, strangers: all / 2, of_address: of_token / 4, keep_free }
    }
}

impl Default for ServeLimits {
    fn default() -> Self {
        ServeLimits {
            upload_bytes: 2 << 30,
            uploads: 64,
            making: 8,
            silence: Duration::from_secs(60),
            rate: 1000,
            burst: 10_000,
            connections: 1024,
            connections_per_address: None,
            idle: Duration::from_secs(60),
            slowest: 4 << 10,
            answers: None,
            answers_per_token: None,
            keep_free: None,
        }
    }
}

/// Largest body other than uploads, in bytes: 50 000 ids of 71 characters, and room.
pub(super) const BODY: usize = 8 << 20;

/// Largest body with wants and haves, in bytes: 100 000 ids of 73 bytes on either side, and room.
pub(super) const FETCH_BODY: usize = 16 << 20;

/// Largest body of the admin API other than packs, in bytes.
pub(super) const JSON: usize = 1 << 20;

/// Maximum size of a short body, in bytes.
pub(super) const SHORT: usize = 64 << 10;

/// Bytes of short bodies that are in memory at once; others wait.
pub(super) const SHORT_BODY_MEMORY: usize = 8 << 20;

/// Bytes of longer ones other than uploads; others wait. The decoded values and the response each
/// need as much again.
pub(super) const BODY_MEMORY: usize = 32 << 20;

/// Bytes of either that one token may use, or one address without one: half.
pub(super) const fn of_one(memory: usize) -> usize {
    memory / 2
}

/// How long a body waits for that memory.
pub(super) const BODY_MEMORY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take for one.
pub(super) const BODY_WITHIN: Duration = Duration::from_secs(30);

/// How long a client may be silent in the middle of one.
pub(super) const BODY_SILENCE: Duration = Duration::from_secs(10);

/// Connections beyond the limit, on which health checks work and everything else gets 503.
pub(super) const RESERVED: usize = 8;

/// How long a client may read nothing, or too slowly, in the middle of a response.
pub(super) const STALL: Duration = Duration::from_secs(30);

/// Requests of one HTTP/2 connection at once.
pub(super) const STREAMS: u32 = 128;

/// Requests that an HTTP/2 client may reset before they were processed; then the connection is
/// closed.
pub(super) const RESETS: usize = 20;

/// Largest head of a request, in bytes.
pub(super) const HEAD: u32 = 32 << 10;

/// The interval of HTTP/2 pings, and the timeout of a reply.
pub(super) const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(20));

/// How long a client may take for the handshake of TLS.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

/// Minimum rate of an upload, in bytes a second over all of it, with a minute of slack.
pub(super) const SLOWEST: u64 = 16 << 10;

/// Uploads of one token at once: clients send four.
pub(super) const UPLOADS_OF_ONE: usize = 16;

/// How long an upload waits for its turn.
pub(super) const UPLOAD_SLOT_TIMEOUT: Duration = Duration::from_secs(60);

/// Answers that are planned at once.
pub(super) const PLANNED: usize = 8;

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
/// Ids on either side in `/fetch`: the protocol names 1 000. Clients send all the commits that they
/// have, and want every head at once.
pub(super) const FETCHED: usize = FetchRequest::MAX_IDS;
