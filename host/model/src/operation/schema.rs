//! Operations and requests in the OpenAPI document: made from the options' own schemas.

use utoipa::openapi::schema::{AdditionalProperties, SchemaType};
use utoipa::openapi::{Object, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::request::{Form, JOB, RUN};
use super::{JobRequest, NOT_IN_JOBS, Operation, QueuedPack, RunRequest};
use crate::names::{MpackKey, RepoName};

/// As it is in the report of a job.
impl PartialSchema for Operation {
    fn schema() -> RefOr<Schema> {
        let jobs = Operation::each().into_iter().filter(|one| !matches!(one, Operation::Plan(_)));
        let items = jobs.map(|operation| {
            ObjectBuilder::new()
                .property("type", only(operation.job_type()))
                .property("payload", options(&operation, &NOT_IN_JOBS))
                .required("type")
                .required("payload")
        });
        items.fold(OneOfBuilder::new(), OneOfBuilder::item).into()
    }
}

impl ToSchema for Operation {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((QueuedPack::name().into_owned(), QueuedPack::schema()));
        schemas.push((MpackKey::name().into_owned(), MpackKey::schema()));
    }
}

impl PartialSchema for JobRequest {
    fn schema() -> RefOr<Schema> {
        JOB.schema().description(Some("Work for a worker.")).into()
    }
}

impl ToSchema for JobRequest {}

impl PartialSchema for RunRequest {
    fn schema() -> RefOr<Schema> {
        let words = "Work that a server runs at once, with a stream of events.";
        RUN.schema().description(Some(words)).into()
    }
}

impl ToSchema for RunRequest {}

impl Form {
    /// The schema of such requests.
    fn schema(&self) -> OneOfBuilder {
        let each = Operation::each();
        let named = each.iter().filter_map(|one| Some((one, (self.name)(one)?)));
        let items = named.map(|(operation, name)| self.request(operation, name));
        items.fold(OneOfBuilder::new(), OneOfBuilder::item)
    }

    fn request(&self, operation: &Operation, name: &'static str) -> Object {
        let mut request = options(operation, self.without);
        let mut require = |name: &str, schema: RefOr<Schema>| {
            request.properties.insert(name.into(), schema);
            request.required.push(name.into());
        };
        require(self.tag, only(name).into());
        if operation.needs_repo() {
            require("repo", RepoName::schema());
        }
        if self.tag == RUN.tag && matches!(operation, Operation::Gc(_)) {
            let text = SchemaType::from_iter([Type::String, Type::Null]);
            let digest = ObjectBuilder::new().schema_type(text).pattern(Some(RunRequest::DIGEST));
            request.properties.insert("plan_digest".into(), digest.into());
        }
        request.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        request
    }
}

/// The options of an operation, without some.
fn options(operation: &Operation, without: &[&str]) -> Object {
    match operation.options_schema() {
        RefOr::T(Schema::Object(mut object)) => {
            object.properties.retain(|name, _| !without.contains(&name.as_str()));
            object
        }
        _ => unreachable!("options are structs"),
    }
}

/// The schema of one text.
fn only(text: &'static str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some([text]))
}
