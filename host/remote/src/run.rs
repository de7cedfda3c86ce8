//! Runs: started under an id that the client generates, and followed to their end, through lost
//! connections and restarts of the server.

use std::time::Duration;

use packhouse_model::error::{Class, Error, Result};
use packhouse_model::operation::RunRequest;
use packhouse_model::progress::{self, Phase, Progress};
use packhouse_model::report::{Report, RunFailed, RunReport, RunState, Step};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::Remote;
use super::call::{CallError, ClientResult};
use super::sse::{Event, Events};

/// First pause before a retry.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a server may be silent; it sends a keep-alive every 10 seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// How often cancellation is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long a cancelled client waits for an unreachable server.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout of requests that the server answers at once.
const ANSWER: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct RunDone {
    report: Box<RawValue>,
}

#[derive(Deserialize)]
struct RunFailure {
    problem: RunFailed,
}

/// A run, as its client sees it.
struct RemoteRun<'a> {
    remote: &'a Remote,
    id: String,
    asked: &'a RunRequest,
    progress: &'a Progress,
    /// The number of the last event received.
    last: u64,
    /// Whether the server has received the cancellation.
    stopping: bool,
    heard_at: Instant,
    pause: Duration,
}

/// Runs it on the server, and reports progress here.
pub(super) async fn run(
    remote: &Remote,
    asked: &RunRequest,
    progress: &Progress,
) -> Result<Report> {
    let id = hex::encode(remote.clock.random_id());
    let mut run = RemoteRun {
        remote,
        id,
        asked,
        progress,
        last: 0,
        stopping: false,
        heard_at: Instant::now(),
        pause: FIRST_PAUSE,
    };
    match run.begin().await {
        Ok(()) => {}
        // The server did not receive it: it is not started.
        Err(CallError::Broken { unheard: true, error }) => return Err(error),
        Err(failed) => run.again(failed).await?,
    }
    let ended = loop {
        match run.listen().await {
            Ok(Some(ended)) => break ended,
            // The server closes the connection when it shuts down.
            Ok(None) => {
                run.again(remote.client.silent("the server has closed the connection")).await?
            }
            // The server was restarted, and does not know the run.
            Err(CallError::Refused(StatusCode::NOT_FOUND, _)) if progress.is_cancelled() => {
                return Err(Error::Cancelled);
            }
            Err(CallError::Refused(StatusCode::NOT_FOUND, _)) => {
                run.last = 0;
                if let Err(failed) = run.begin().await {
                    run.again(failed).await?;
                }
            }
            Err(failed) => run.again(failed).await?,
        }
    };
    run.read(&ended)
}

impl RemoteRun<'_> {
    fn path(&self) -> String {
        format!("runs/{}", self.id)
    }

    async fn begin(&mut self) -> ClientResult<()> {
        let client = &self.remote.client;
        let _: RunReport = client
            .json(client.admin(Method::PUT, &self.path()).json(self.asked).timeout(ANSWER))
            .await?;
        self.heard();
        Ok(())
    }

    fn heard(&mut self) {
        self.heard_at = Instant::now();
        self.pause = FIRST_PAUSE;
    }

    /// Waits before the next retry, if there is one.
    async fn again(&mut self, failed: CallError) -> Result<()> {
        match &failed {
            // The server is busy, or a proxy in front can't reach it.
            CallError::Refused(status, _)
                if status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS => {}
            CallError::Refused(..) => return Err(failed.into()),
            CallError::Broken { .. } => {}
        }
        let away = self.heard_at.elapsed();
        if self.remote.gives_up(self.heard_at)
            || (self.progress.is_cancelled() && away >= CANCEL_TIMEOUT)
        {
            return Err(failed.into());
        }
        tracing::debug!(run = self.id, "retrying in {:?}: {failed:?}", self.pause);
        self.wait().await
    }

    async fn wait(&mut self) -> Result<()> {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// Reads events until the run has finished, or the server closes the connection.
    async fn listen(&mut self) -> ClientResult<Option<Event>> {
        let client = self.remote.client.clone();
        let request = client
            .admin(Method::GET, &format!("{}/events", self.path()))
            .header("last-event-id", self.last);
        let mut response = match tokio::time::timeout(ANSWER, client.send(request)).await {
            Ok(response) => response?,
            Err(_) => return Err(client.silent("it does not respond")),
        };
        self.heard();
        let mut events = Events::default();
        let mut look = tokio::time::interval(POLL_INTERVAL);
        loop {
            tokio::select! {
                piece = response.chunk() => match piece.map_err(|error| client.broken(&error))? {
                    None => return Ok(None),
                    Some(piece) => {
                        self.heard();
                        client.heard();
                        for event in events.take(&piece) {
                            if let Some(ended) = self.handle(event) {
                                return Ok(Some(ended));
                            }
                        }
                    }
                },
                _ = look.tick() => {
                    if self.heard_at.elapsed() > SILENCE {
                        return Err(client.silent("no event came for 30 s"));
                    }
                    if self.progress.is_cancelled() && !self.stopping {
                        let request = client.admin(Method::DELETE, &self.path()).timeout(ANSWER);
                        let _: RunReport = client.json(request).await?;
                        self.stopping = true;
                    }
                }
            }
        }
    }

    /// Handles an event. Returns the one that ends the run.
    fn handle(&mut self, event: Event) -> Option<Event> {
        self.last = event.id.unwrap_or(self.last);
        if event.name != "progress" {
            return matches!(event.name.as_str(), "done" | "failed").then_some(event);
        }
        if let Ok(Step { repo, phase, done, total }) = serde_json::from_str(&event.data)
            && let Some(phase) = Phase::labelled(&phase)
        {
            self.progress.emit(progress::Event { repo, phase, done, total });
        }
        None
    }

    /// The result of the verb.
    fn read(&self, ended: &Event) -> Result<Report> {
        let client = &self.remote.client;
        if ended.name == "done" {
            let RunDone { report } = client.read(StatusCode::OK, ended.data.as_bytes())?;
            return Report::read(&self.asked.operation, report.get())
                .map_err(|error| client.not_understood(&error));
        }
        let RunFailure { problem } = client.read(StatusCode::OK, ended.data.as_bytes())?;
        Err(match problem.state {
            RunState::Cancelled => Error::Cancelled,
            _ => Error::Remote { class: Class::named(&problem.class), message: problem.detail },
        })
    }
}
