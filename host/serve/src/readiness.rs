//! Tests for the readiness check whether the store is writable.

use std::sync::atomic::{AtomicU64, Ordering};

use packhouse_model::error::Result;

/// Whether a path is a health check, which must work even if the server is busy.
pub(super) fn is_health(path: &str) -> bool {
    matches!(path, "/health" | "/healthz" | "/readyz")
}

/// Test writes for the readiness check, one at a time: any client may ask, and each write waits for
/// the disk.
#[derive(Debug, Default)]
pub(super) struct ReadinessProbe {
    /// Number of requests so far.
    asked: AtomicU64,
    /// How many of them the last test covers, and its result.
    last: tokio::sync::Mutex<(u64, bool)>,
}

impl ReadinessProbe {
    /// Whether a test write that starts from now on succeeds. All requests that came before its
    /// start share it.
    pub(super) async fn succeeds(&self, trial: impl Future<Output = Result<()>>) -> bool {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.0 < mine {
            let all = self.asked.load(Ordering::SeqCst);
            let done = trial.await;
            if let Err(error) = &done {
                tracing::warn!("not ready: {error}");
            }
            *last = (all, done.is_ok());
        }
        last.1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use packhouse_model::error::Error;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_share_a_trial_that_began_after_they_asked() {
        let (readiness, ran, may) = (
            Arc::new(ReadinessProbe::default()),
            Arc::new(AtomicU64::new(0)),
            Arc::new(Semaphore::new(0)),
        );
        let ask = |full| {
            let (readiness, ran, may) = (readiness.clone(), ran.clone(), may.clone());
            tokio::spawn(async move {
                let work = async {
                    ran.fetch_add(1, Ordering::SeqCst);
                    may.acquire().await.unwrap().forget();
                    if full { Err(Error::Cancelled) } else { Ok(()) }
                };
                readiness.succeeds(work).await
            })
        };
        let first = ask(false);
        while ran.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // The disk fills up while the first check runs: later requests must not get its success.
        let later: Vec<_> = (0..50).map(|_| ask(true)).collect();
        while readiness.asked.load(Ordering::SeqCst) < 51 {
            tokio::task::yield_now().await;
        }
        may.add_permits(2);
        assert!(first.await.unwrap());
        for one in later {
            assert!(!one.await.unwrap());
        }
        assert_eq!(
            ran.load(Ordering::SeqCst),
            2,
            "one trial for the first, one for all who came while it ran"
        );
    }
}
