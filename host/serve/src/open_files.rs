//! The limit of open files and sockets of this process: if it is too low, the server can't even
//! respond to health checks.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a server opens in addition to those of its connections: the catalog, packs that are
/// read and written, uploads.
const BESIDES: u64 = 64;

/// The limits of open files of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// The current limit.
    pub soft: u64,
    /// The maximum to which it may be raised.
    pub hard: u64,
}

impl OpenFiles {
    /// The current limits.
    pub fn now() -> OpenFiles {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        // None: no limit.
        OpenFiles { soft: current.unwrap_or(u64::MAX), hard: maximum.unwrap_or(u64::MAX) }
    }

    /// The limit after raising it to its maximum.
    pub fn raised() -> OpenFiles {
        let before = OpenFiles::now();
        // Some systems report no maximum, but don't accept that as a limit.
        let to = before.hard.min(1 << 20).max(before.soft);
        let maximum = getrlimit(Resource::Nofile).maximum;
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(to), maximum }) {
            tracing::warn!("the limit on open files stays at {}: {error}", before.soft);
        }
        OpenFiles::now()
    }

    /// Maximum number of connections: each may also read a file.
    pub fn connections(self) -> usize {
        usize::try_from(self.soft.saturating_sub(BESIDES) / 2).unwrap_or(usize::MAX).max(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_opened_is_raised_and_shared_out() {
        let (before, after) = (OpenFiles::now(), OpenFiles::raised());
        assert!(
            after.soft >= before.soft && after.soft >= after.hard.min(1 << 20),
            "{before:?} {after:?}"
        );
        let of = |soft| OpenFiles { soft, hard: soft }.connections();
        assert_eq!((of(128), of(1024), of(0)), (32, 480, 8));
    }
}
