//! Requests for operations, in JSON: the options beside the repo and the name of the operation.
//!
//! Unknown fields are refused: an option that is not known here may change what is deleted.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, forward_to_deserialize_any};
use serde_json::{Map, Value};

use super::{NOT_IN_JOBS, Operation};
use crate::error::{Error, Result};
use crate::names::RepoName;

/// A job to queue: `POST jobs`.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRequest {
    /// Its repo; none: the whole store.
    pub repo: Option<RepoName>,
    /// What it does.
    pub operation: Operation,
}

/// Work that a server does at once, with a stream of events: `PUT runs/ID`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// Its repo; none: the whole store.
    pub repo: Option<RepoName>,
    /// What it does.
    pub operation: Operation,
    /// For [`Operation::Gc`], the digest of a plan that was shown: exactly that is applied, or
    /// nothing. [`RunRequest::NOTHING`] is the digest of a plan that has nothing to do.
    pub plan_digest: Option<String>,
}

impl RunRequest {
    /// The digest of a plan that has nothing to do.
    pub const NOTHING: &str = "nothing";

    /// The pattern of a digest.
    pub(super) const DIGEST: &str = "^(nothing|sha256:[0-9a-f]{64})$";

    /// Refuses values that no client means.
    ///
    /// # Errors
    /// [`Error::Usage`] with the field, and what is expected.
    pub fn check(&self) -> Result<()> {
        if self.plan_digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
            return Err(Error::Usage(
                "plan_digest is not a plan digest: expected sha256: and 64 hexadecimal digits"
                    .into(),
            ));
        }
        self.operation.check()
    }
}

impl JobRequest {
    /// Refuses values that no client means.
    ///
    /// # Errors
    /// [`Error::Usage`] with the field, and what is expected.
    pub fn check(&self) -> Result<()> {
        self.operation.check()
    }
}

/// Whether a text is the digest of a plan.
fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text == RunRequest::NOTHING || (hex.len() == 64 && hex.bytes().all(is_hex))
}

/// How requests of one kind are written.
pub(super) struct Form {
    /// The field with the name of the operation.
    pub(super) tag: &'static str,
    /// The name of an operation; none: there are no such requests for it.
    pub(super) name: fn(&Operation) -> Option<&'static str>,
    /// Options that such requests don't have.
    pub(super) without: &'static [&'static str],
}

pub(super) const JOB: Form = Form {
    tag: "type",
    name: |operation| match operation {
        Operation::Index(_) | Operation::Plan(_) => None,
        operation => Some(operation.job_type()),
    },
    without: &NOT_IN_JOBS,
};

pub(super) const RUN: Form = Form {
    tag: "kind",
    name: |operation| match operation {
        Operation::Index(_) | Operation::Mirror(_) => None,
        operation => Some(operation.kind()),
    },
    without: &[],
};

impl Serialize for JobRequest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        JOB.write(self.repo.as_ref(), &self.operation).serialize(to)
    }
}

impl<'de> Deserialize<'de> for JobRequest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Fields(fields) = Fields::deserialize(from)?;
        let (repo, operation) = JOB.read(fields).map_err(D::Error::custom)?;
        Ok(JobRequest { repo, operation })
    }
}

impl Serialize for RunRequest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = RUN.write(self.repo.as_ref(), &self.operation);
        if let Some(digest) = &self.plan_digest {
            fields.insert("plan_digest".into(), digest.as_str().into());
        }
        fields.serialize(to)
    }
}

impl<'de> Deserialize<'de> for RunRequest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Fields(mut fields) = Fields::deserialize(from)?;
        let plan_digest = match fields.get("kind").and_then(Value::as_str) {
            Some("gc") => take(&mut fields, "plan_digest").map_err(D::Error::custom)?.flatten(),
            _ => None,
        };
        let (repo, operation) = RUN.read(fields).map_err(D::Error::custom)?;
        Ok(RunRequest { repo, operation, plan_digest })
    }
}

impl Form {
    fn write(&self, repo: Option<&RepoName>, operation: &Operation) -> Map<String, Value> {
        let mut fields = operation.options();
        fields.insert(self.tag.into(), (self.name)(operation).into());
        if let Some(repo) = repo {
            fields.insert("repo".into(), repo.to_string().into());
        }
        fields
    }

    fn read(
        &self,
        mut fields: Map<String, Value>,
    ) -> serde_json::Result<(Option<RepoName>, Operation)> {
        let missing = serde_json::Error::missing_field;
        let name: String = take(&mut fields, self.tag)?.ok_or_else(|| missing(self.tag))?;
        let repo: Option<RepoName> = take(&mut fields, "repo")?;
        let each = Operation::each();
        let known = each.iter().filter_map(|one| Some(((self.name)(one)?, one)));
        let Some((_, operation)) = known.clone().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = known.map(|(name, _)| name).collect();
            return Err(serde_json::Error::custom(format!(
                "unknown variant `{name}`, expected one of `{}`",
                names.join("`, `")
            )));
        };
        match (operation.needs_repo(), &repo) {
            (true, None) => return Err(missing("repo")),
            (false, Some(_)) => return Err(serde_json::Error::custom("unknown field `repo`")),
            _ => {}
        }
        if let Some(option) = self.without.iter().find(|name| fields.contains_key(**name)) {
            return Err(serde_json::Error::custom(format!("unknown field `{option}`")));
        }
        Ok((repo, operation.with(fields)?))
    }
}

/// The fields of an object, each once.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Fields, A::Error> {
        let mut fields = Map::new();
        while let Some((name, value)) = from.next_entry::<String, Value>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("duplicate field `{name}`")));
            }
            fields.insert(name, value);
        }
        Ok(Fields(fields))
    }
}

/// Takes a field out of others.
fn take<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &str,
) -> serde_json::Result<Option<T>> {
    fields.remove(name).map(serde_json::from_value).transpose()
}

/// Reads a struct, and refuses fields that it does not have.
pub(super) fn strict<T: DeserializeOwned>(fields: Map<String, Value>) -> serde_json::Result<T> {
    T::deserialize(Strict(fields))
}

/// A struct says which fields it has when it is read.
struct Strict(Map<String, Value>);

impl<'de> Deserializer<'de> for Strict {
    type Error = serde_json::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        match self.0.keys().find(|given| !fields.contains(&given.as_str())) {
            Some(unknown) => Err(serde_json::Error::unknown_field(unknown, fields)),
            None => self.0.deserialize_struct(name, fields, visitor),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        self.0.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
