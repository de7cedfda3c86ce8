//! The OpenAPI document: the parts that don't belong to a single route.

use packhouse_model::report::{GcDone, RunEvent, RunFailed, Step};
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Content, OpenApi as Document, Ref, RefOr, ResponseBuilder, SecurityRequirement,
};

use super::super::problem::ProblemBody;

// A parameter of a generic type is not collected automatically: `GcDone` is part of a `GcReport`.
#[derive(OpenApi)]
#[openapi(
    info(title = "packhouse", description = "The administration API of a packhouse store. Errors are a ProblemBody."),
    components(schemas(ProblemBody, RunEvent, RunFailed, Step, GcDone)),
    tags(
        (name = "store", description = "The store as a whole"),
        (name = "repos", description = "Repos and their packs"),
        (name = "runs", description = "Work that the server does now, with a stream of events"),
        (name = "jobs", description = "Work that is queued for workers"),
        (name = "policies", description = "When repos are consolidated automatically"),
        (name = "tokens", description = "Access tokens"),
    )
)]
struct Begun;

/// The document before the routes.
pub(super) fn begun() -> Document {
    let mut document = Begun::openapi();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert("token".into(), bearer.into());
    document.security = Some(vec![SecurityRequirement::new("token", [] as [&str; 0])]);
    document
}

/// Adds the errors that any route may return.
pub(super) fn finished(mut document: Document) -> Document {
    for path in document.paths.paths.values_mut() {
        for operation in operations(path) {
            with_problems(operation);
            without_schema_of_events(operation);
        }
    }
    document
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.put, &mut path.post, &mut path.patch, &mut path.delete]
        .into_iter()
        .flatten()
}

/// A stream of events has no schema: its description documents the events.
fn without_schema_of_events(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && let Some(RefOr::T(content)) = response.content.get_mut("text/event-stream")
        {
            content.schema = None;
        }
    }
}

fn with_problems(operation: &mut Operation) {
    let mut problems = vec![
        (400, "The request is malformed"),
        (401, "A token is required, or this one is not valid"),
        (403, "The token does not allow this"),
        (404, "Not found, or not in the scope of the token"),
        (409, "Conflict: it already exists, or has changed"),
        (422, "The request is not valid"),
        (429, "Too many requests; retry later"),
        (500, "The server failed, or found damage; see its log"),
        (503, "The server is busy or stopping; nothing was changed"),
        (507, "Not enough disk space"),
    ];
    if operation.request_body.is_some() {
        problems.push((413, "The body is too long"));
        problems.push((415, "Unsupported media type"));
    }
    for (status, words) in problems {
        let content = Content::new(Some(Ref::from_schema_name("ProblemBody")));
        let response =
            ResponseBuilder::new().description(words).content("application/json", content).build();
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| response.into());
    }
}
