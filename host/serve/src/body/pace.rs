//! The minimum rate of a body.

use std::time::Duration;

use axum::http::StatusCode;

use super::super::limits::SLOWEST;
use super::super::problem::Problem;

/// Whether this many bytes have arrived too slowly: a client earns time by sending, and has some
/// slack.
pub(super) fn too_slow(elapsed: Duration, received: u64, slack: Duration) -> bool {
    elapsed > slack + Duration::from_secs(received / SLOWEST)
}

/// The problem of such a body.
pub(super) fn slow() -> Problem {
    let detail = format!("the body is slower than {SLOWEST} bytes a second; nothing was changed");
    Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::BODY_SILENCE;

    #[test]
    fn a_client_earns_time_by_sending() {
        let slow =
            |seconds, received| too_slow(Duration::from_secs(seconds), received, BODY_SILENCE);
        assert!(!slow(10, 0) && slow(11, 0));
        assert!(!slow(20, 10 * SLOWEST) && slow(21, 10 * SLOWEST));
    }
}
