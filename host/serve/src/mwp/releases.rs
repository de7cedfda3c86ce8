//! Releases: publish, list, retract. A release is the JSON object that the client sends, stored
//! unchanged.

use axum::Extension;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use packhouse_core::EntityId;
use packhouse_model::names::{BranchName, RepoName};
use packhouse_model::text::escaped;
use packhouse_store::{MAX_RELEASE_BYTES, PutRelease, ReleaseRow, blocking};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::decode;
use super::super::guard::Authorized;
use super::super::limits::BODY;
use super::super::negotiation::Accept;
use super::super::problem::{ApiResult, Problem};
use super::super::state::SharedState;
use super::small_body::whole;
use super::values;

/// Longest id or channel of a release, in bytes.
const NAME: usize = 255;

/// Limit for the values of a release: enough for a changelog of ten thousand commits.
const VALUES: usize = 100_000;

/// The fields of a release that are interpreted. All fields are stored.
#[derive(Deserialize)]
struct Release {
    release_id: String,
    tag: String,
    commit_id: String,
    channel: Option<String>,
    is_draft: Option<bool>,
}

#[derive(Serialize)]
struct Posted {
    release_id: String,
}

pub(super) async fn post(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    request: Request,
) -> ApiResult<Response> {
    let accept = Accept::of(request.headers());
    let (release, _held) = whole(&state, &authorized, request, BODY, read).await?;
    match authorized.store(&state).put_release(&authorized.repo, &release).await? {
        PutRelease::Published => accept.respond(&Posted { release_id: release.release_id }),
        PutRelease::Taken(other) => Err(taken(&release, &other)),
        PutRelease::UnknownCommit => Err(Problem::malformed(format!(
            "commit {} is not in repo `{}`: push its branch, then the release",
            release.commit, authorized.repo
        ))),
        PutRelease::TooMuch => Err(Problem::too_much(format!(
            "the releases of a repo may have {MAX_RELEASE_BYTES} bytes in total; retract some: muse release delete TAG --remote REMOTE"
        ))),
        PutRelease::NoRepo => Err(Problem::no_repo(&authorized.repo.to_string())),
    }
}

/// A release, from the JSON of a client.
fn read(body: &[u8]) -> ApiResult<ReleaseRow> {
    let wrong = |what: &dyn std::fmt::Display| {
        Problem::malformed(format!("a release is a JSON object: {what}"))
    };
    let text = decode::object(body).map_err(|malformed| wrong(&malformed.reason))?;
    // All of it is parsed, because lists are also returned as MessagePack.
    values::check(VALUES, text).map_err(|error| wrong(&error))?;
    let Release { release_id, tag, commit_id, channel, is_draft } =
        decode::json(text.as_bytes()).map_err(|malformed| wrong(&malformed.reason))?;
    let channel = channel.unwrap_or_default();
    if tag.parse::<BranchName>().is_err() {
        return Err(Problem::malformed(format!(
            "tag: `{}` is not a release name; use one like v1.0.0",
            escaped(&tag)
        )));
    }
    for (what, given, least) in [("release_id", &release_id, 1), ("channel", &channel, 0)] {
        if !(least..=NAME).contains(&given.len()) || given.chars().any(char::is_control) {
            return Err(Problem::malformed(format!(
                "{what}: expected {least} to {NAME} bytes without control characters"
            )));
        }
    }
    let commit = EntityId::parse(commit_id.as_bytes()).map_err(|_| {
        Problem::malformed(format!("commit_id: `{}` is not a commit id", escaped(&commit_id)))
    })?;
    Ok(ReleaseRow {
        tag,
        release_id,
        channel,
        is_draft: is_draft.unwrap_or(false),
        commit,
        body: text.to_owned(),
    })
}

fn taken(release: &ReleaseRow, other: &ReleaseRow) -> Problem {
    let detail = match other.tag == release.tag {
        true => format!(
            "release `{0}` already exists, of commit {1}; to replace it, retract it first: muse release delete {0} --remote REMOTE",
            other.tag, other.commit
        ),
        false => format!(
            "the release_id `{}` belongs to release `{1}`; publish under another id, or retract that one first: muse release delete {1} --remote REMOTE",
            escaped(&release.release_id),
            other.tag
        ),
    };
    Problem::new(StatusCode::CONFLICT, detail)
}

#[derive(Deserialize)]
pub(super) struct ReleasesQuery {
    channel: Option<String>,
    include_drafts: Option<String>,
}

#[derive(Serialize)]
struct Listed<T> {
    releases: Vec<T>,
}

pub(super) async fn list(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    Query(asked): Query<ReleasesQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let drafts = match asked.include_drafts.as_deref() {
        None | Some("" | "0" | "false") => false,
        Some("1" | "true") => true,
        Some(_) => return Err(Problem::malformed("include_drafts: expected `1` or `0`")),
    };
    let channel = asked.channel.filter(|channel| !channel.is_empty());
    let mut releases = authorized.store(&state).releases(&authorized.repo).await?;
    releases.retain(|release| drafts || !release.is_draft);
    releases.retain(|release| is_object(&authorized.repo, release));
    releases.retain(|release| channel.as_ref().is_none_or(|channel| *channel == release.channel));
    let accept = Accept::of(&headers);
    // They may be many megabytes, and are parsed and serialised again: off the async threads.
    blocking(move || Ok(listed(&releases, accept))).await?
}

/// Whether a release is a JSON object. An older packhouse also took arrays: clients can't read a
/// list with one.
fn is_object(repo: &RepoName, release: &ReleaseRow) -> bool {
    let is_object = release.body.starts_with('{');
    if !is_object {
        tracing::warn!(
            "release {} of {repo} is not listed: it is not a JSON object; retract it, and publish it again",
            release.tag
        );
    }
    is_object
}

/// One release is read at a time, while it is written.
fn listed(releases: &[ReleaseRow], accept: Accept) -> ApiResult<Response> {
    match accept.is_msgpack() {
        true => accept.respond(&Listed { releases: releases.iter().map(AsValue).collect() }),
        false => accept.respond(&Listed { releases: releases.iter().map(AsSent).collect() }),
    }
}

struct AsValue<'a>(&'a ReleaseRow);

impl Serialize for AsValue<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<Value>(&self.0.body).map_err(S::Error::custom)?.serialize(to)
    }
}

struct AsSent<'a>(&'a ReleaseRow);

impl Serialize for AsSent<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0.body).map_err(S::Error::custom)?.serialize(to)
    }
}

#[derive(Deserialize)]
pub(super) struct TagPath {
    tag: String,
}

#[derive(Serialize)]
struct Retracted {
    retracted: String,
}

pub(super) async fn delete(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    Path(TagPath { tag }): Path<TagPath>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    match authorized.store(&state).delete_release(&authorized.repo, &tag).await? {
        true => Accept::of(&headers).respond(&Retracted { retracted: tag }),
        false => Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no release `{}`", escaped(&tag)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_that_an_older_packhouse_took_is_not_listed() {
        let release = |body: &str| ReleaseRow {
            tag: "v1".into(),
            release_id: "r".into(),
            channel: String::new(),
            is_draft: false,
            commit: EntityId::parse("a".repeat(64).as_bytes()).unwrap(),
            body: body.into(),
        };
        let repo = "a/b".parse().unwrap();
        assert!(is_object(&repo, &release("{}")) && !is_object(&repo, &release("[\"r\"]")));
    }

    #[test]
    fn a_release_is_read_and_kept_as_it_was_sent() {
        let commit = "a".repeat(64);
        let sent = format!(
            " {{\"tag\": \"v1\",\"release_id\":\"r\", \"commit_id\":\"{commit}\", \"more\": [1,  2]}}\n"
        );
        let release = read(sent.as_bytes()).unwrap();
        assert_eq!(
            (release.body.as_str(), release.channel.as_str(), release.is_draft),
            (sent.trim(), "", false)
        );
        let refused = |sent: &str| {
            let problem = read(sent.as_bytes()).unwrap_err();
            assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY);
            problem.detail
        };
        for (from, to, word) in [
            ("\"v1\"", "\"../x\"", "tag"),
            ("\"v1\"", "1", "string"),
            ("\"r\"", "\"\"", "release_id"),
            ("\"r\"", "\"\\u0000\"", "release_id"),
            ("\"tag\"", "\"tug\"", "tag"),
            (&commit, "none", "commit_id"),
            ("[1,", "[1e999,", "number"),
            ("}", "", "JSON"),
            ("[1,", &format!("[{}", "0,".repeat(VALUES)), "values"),
            ("[1,", "[18446744073709551616,", "`more[0]`"),
            ("\"more\"", "\"tag\"", "`tag`"),
        ] {
            let told = refused(&sent.replace(from, to));
            assert!(told.contains(word), "{to}: {told}");
        }
        let fields = format!("[\"r\", \"v1\", \"{commit}\", null, null]");
        for (sent, word) in [(fields.as_str(), "array"), ("", "empty"), ("7", "object")] {
            let told = refused(sent);
            assert!(told.contains(word), "{sent}: {told}");
        }
    }
}
