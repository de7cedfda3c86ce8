//! Errors of requests.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use packhouse_model::error::{
    BackupError, Class, DeletionError, Error, ExhaustedBudget, PushError, RestoreError,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request_id;

pub(super) type ApiResult<T> = Result<T, Problem>;

/// An error of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// What went wrong, where, and what to do. Contains no secrets, and no details of a failure of
    /// the server.
    pub(super) detail: String,
    pub(super) class: Class,
    /// Whether its detail is about internals of the store: callers who don't administer it get a
    /// general one.
    pub(super) inside: bool,
}

/// The body of an error response.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// What went wrong, where, and what to do.
    pub(crate) detail: String,
    /// Its class: `usage`, `refused`, `conflict` (safe to retry) or `damage`.
    pub(crate) class: String,
    /// The ID of the request, for its lines in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        let class = match status {
            StatusCode::CONFLICT
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::TOO_MANY_REQUESTS => Class::Conflict,
            StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED => Class::Usage,
            _ => Class::Refused,
        };
        Problem { status, detail: detail.into(), class, inside: false }
    }

    /// A request that its client has to change.
    pub(super) fn usage(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { class: Class::Usage, ..Problem::new(status, detail) }
    }

    /// An invalid body.
    pub(super) fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// More than the server accepts.
    pub(super) fn too_much(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// There is no repo, or the caller may not know of it: both get the same response.
    pub(super) fn no_repo(name: &str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no repo `{name}` here"))
    }

    /// A token is required, or another one.
    pub(super) fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let class = error.class();
        let status = status_of(&error);
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), "{error}");
        }
        Problem {
            status,
            detail: error.to_string(),
            class,
            inside: !matches!(error, Error::RequestsFull { .. }),
        }
    }
}

fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::PruneUnfinished { cause, .. } => status_of(cause),
        Error::TokenEnded { .. } => StatusCode::UNAUTHORIZED,
        Error::UnknownRepo(_)
        | Error::MistypedRepo { .. }
        | Error::DeletedMeanwhile
        | Error::UnknownBranch { .. }
        | Error::UnknownRecord { .. }
        | Error::UnknownPath { .. }
        | Error::UnknownJob(_)
        | Error::UnknownToken(_) => StatusCode::NOT_FOUND,
        Error::Restore(RestoreError::NameTaken { .. } | RestoreError::Pruned { .. }) => {
            StatusCode::CONFLICT
        }
        Error::Restore(_) => StatusCode::NOT_FOUND,
        Error::Push(
            PushError::HeadConflict(_)
            | PushError::BranchInTheWay { .. }
            | PushError::SameBranch { .. },
        ) => StatusCode::CONFLICT,
        Error::Push(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::RepoExists(_) | Error::PlanChanged(_) | Error::Job(_) => StatusCode::CONFLICT,
        // The server's clock, or the catalog's, is wrong.
        Error::Deletion(DeletionError::ClockSkew(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        Error::Deletion(_) => StatusCode::CONFLICT,
        Error::Backup(BackupError::OnServer { .. } | BackupError::CatalogNotAFile(_)) => {
            StatusCode::NOT_IMPLEMENTED
        }
        Error::Backup(_) => StatusCode::CONFLICT,
        Error::Usage(_)
        | Error::Name(_)
        | Error::UnknownWant { .. }
        | Error::AmbiguousId { .. }
        | Error::TooManyRecords { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        full if full.is_full() => StatusCode::INSUFFICIENT_STORAGE,
        Error::SpoolTooSmall { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Error::RequestsFull {
            used_up: ExhaustedBudget::Caller | ExhaustedBudget::Strangers,
            ..
        } => StatusCode::TOO_MANY_REQUESTS,
        Error::RequestsFull { used_up: ExhaustedBudget::All | ExhaustedBudget::Disk, .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Error::Cancelled
        | Error::Busy { .. }
        | Error::LeaseLost { .. }
        | Error::Catalog { busy: true, .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Problem {
    /// For callers who administer nothing: they only learn that the server failed; the log has the
    /// details.
    pub(super) fn for_strangers(self) -> Problem {
        if !self.inside {
            return self;
        }
        let detail = match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => "internal error; see the server's log",
            StatusCode::INSUFFICIENT_STORAGE => {
                "not enough disk space on the server; tell its operator"
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                "the server is busy or shutting down; nothing was changed, try again"
            }
            _ => return self,
        };
        Problem { detail: detail.to_owned(), ..self }
    }

    pub(super) fn body(&self) -> ProblemBody {
        let (detail, class) = (self.detail.clone(), self.class.as_str().to_owned());
        ProblemBody { detail, class, request_id: request_id::current() }
    }

    /// The headers that belong to its status.
    pub(super) fn mark(&self, response: &mut Response) {
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"packhouse\""),
                );
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        self.mark(&mut response);
        // For layers that hide details from other callers.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use packhouse_model::error::{ClockDifference, JobError};
    use packhouse_model::names::RepoName;

    use super::*;

    #[test]
    fn a_full_disk_is_507_wherever_it_shows() {
        let catalog = Error::Catalog {
            catalog: "c".into(),
            doing: "storing a token".into(),
            reason: "database or disk is full".into(),
            busy: false,
            read_only: false,
            full: true,
        };
        let io = |kind: std::io::ErrorKind| Error::Io {
            doing: "writing",
            path: "p".into(),
            source: kind.into(),
        };
        for error in
            [catalog, io(std::io::ErrorKind::StorageFull), io(std::io::ErrorKind::QuotaExceeded)]
        {
            let problem = Problem::from(error);
            assert_eq!(problem.status, StatusCode::INSUFFICIENT_STORAGE, "{}", problem.detail);
            assert_eq!(problem.class, Class::Refused, "{}", problem.detail);
        }
    }

    #[test]
    fn a_status_says_what_failed() {
        let repo: RepoName = "a/b".parse().unwrap();
        let skew = ClockDifference { behind: SignedDuration::from_hours(1), catalog: "c".into() };
        let place = || "p".to_owned();
        for (error, status) in [
            (Error::Usage("no".into()), 422),
            ("nothing".parse::<RepoName>().unwrap_err().into(), 422),
            (Error::TokenEnded { reason: "it was revoked".into() }, 401),
            (Error::UnknownRepo(repo.clone()), 404),
            (Error::MistypedRepo { repo: repo.clone(), nearest: repo.clone() }, 404),
            (Error::DeletedMeanwhile, 404),
            (RestoreError::NeverDeleted(repo.clone()).into(), 404),
            (PushError::HeadConflict(Vec::new()).into(), 409),
            (Error::PlanChanged(repo.clone()), 409),
            (JobError::NoRepo(1).into(), 409),
            (DeletionError::AllUnreachable(repo.clone()).into(), 409),
            (DeletionError::ClockSkew(skew).into(), 500),
            (Error::ReadBackDiffers { place: place() }, 500),
            (BackupError::CatalogNotAFile(place()).into(), 501),
            (Error::Busy { repo, what: "it was pushed to" }, 503),
        ] {
            let problem = Problem::from(error);
            assert_eq!(problem.status.as_u16(), status, "{}", problem.detail);
        }
    }
}
