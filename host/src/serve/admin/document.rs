//! The document that describes the administration: what no single route says.

use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Content, OpenApi as Document, Ref, RefOr, ResponseBuilder, Schema, SecurityRequirement,
};

use super::super::problem::ProblemBody;
use crate::report::{RunEvent, RunFailed, Step};

#[derive(OpenApi)]
#[openapi(
    info(title = "packhouse", description = "The administration of a packhouse store from afar. Whatever is wrong is answered as a ProblemBody."),
    components(schemas(ProblemBody, RunEvent, RunFailed, Step)),
    tags(
        (name = "store", description = "The store as a whole"),
        (name = "repos", description = "Repos and their packs"),
        (name = "runs", description = "Work that the server does at once, and tells of"),
        (name = "jobs", description = "Work that is done later"),
        (name = "policies", description = "When repos are consolidated by themselves"),
        (name = "tokens", description = "Who may do what"),
    )
)]
struct Begun;

/// What the routes add theirs to.
pub(super) fn begun() -> Document {
    let mut document = Begun::openapi();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert("token".into(), bearer.into());
    document.security = Some(vec![SecurityRequirement::new("token", [] as [&str; 0])]);
    document
}

/// With the problems that any route may answer with.
pub(super) fn finished(mut document: Document) -> Document {
    // What these know no name for is refused, and said so: of an enum, the derived schema does not.
    for (name, schema) in
        document.components.iter_mut().flat_map(|components| &mut components.schemas)
    {
        if let (true, RefOr::T(Schema::OneOf(one_of))) = (STRICT.contains(&name.as_str()), schema) {
            one_of.items.iter_mut().for_each(closed);
        }
    }
    for path in document.paths.paths.values_mut() {
        for operation in operations(path) {
            with_problems(operation);
            without_schema_of_events(operation);
        }
    }
    document
}

/// Bodies of requests that are one thing or another.
const STRICT: [&str; 2] = ["RunRequest", "JobRequest"];

fn closed(item: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(object)) = item {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.put, &mut path.post, &mut path.delete].into_iter().flatten()
}

/// A stream of events is no one value: what each says is in its description.
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
        (400, "The request can't be read"),
        (401, "A token is needed, or another one"),
        (403, "The token does not allow this"),
        (404, "There is no such thing here, or none that the token reaches"),
        (409, "Something is in the way: it is there already, or somebody else was first"),
        (422, "The request can be read and makes no sense"),
        (429, "Too many requests; wait a moment"),
        (500, "The server failed, or has found damage; its log says more"),
        (503, "The server is busy or stopping; nothing was changed"),
        (507, "The server has no room for this"),
    ];
    if operation.request_body.is_some() {
        problems.push((413, "The body is too long"));
        problems.push((415, "The body is of another kind"));
    }
    for (status, words) in problems {
        let content = Content::new(Some(Ref::from_schema_name("ProblemBody")));
        let response =
            ResponseBuilder::new().description(words).content("application/json", content).build();
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| response.into());
    }
}
