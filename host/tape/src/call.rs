//! The calls between host and component as values: their names, arguments and results. Serialised,
//! they have the names of the WIT.

use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, EncodingConflict, EntityId, Head, Kind, Limits,
    Location, PackInfo, Page, Span,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A call of an import.
pub(super) trait Call: Serialize + DeserializeOwned + PartialEq {
    /// Interface and function.
    const NAME: &'static str;
    type Output: Serialize + DeserializeOwned;
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CallResult<T> {
    Ok(T),
    Err(AccessError),
    /// Why the host failed and stopped the run.
    Trap(String),
}

/// `list<u8>`, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bytes(#[serde(with = "hex")] pub(super) Vec<u8>);

/// A page of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RowsPage {
    pub(super) items: Bytes,
    pub(super) done: bool,
}

impl From<Page<u8>> for RowsPage {
    fn from(page: Page<u8>) -> RowsPage {
        RowsPage { items: Bytes(page.items), done: page.done }
    }
}

impl From<RowsPage> for Page<u8> {
    fn from(page: RowsPage) -> Page<u8> {
        Page { items: page.items.0, done: page.done }
    }
}

/// How two records compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    Less,
    Equal,
    Greater,
}

impl From<std::cmp::Ordering> for Order {
    fn from(order: std::cmp::Ordering) -> Order {
        match order {
            std::cmp::Ordering::Less => Order::Less,
            std::cmp::Ordering::Equal => Order::Equal,
            std::cmp::Ordering::Greater => Order::Greater,
        }
    }
}

impl From<Order> for std::cmp::Ordering {
    fn from(order: Order) -> std::cmp::Ordering {
        match order {
            Order::Less => std::cmp::Ordering::Less,
            Order::Equal => std::cmp::Ordering::Equal,
            Order::Greater => std::cmp::Ordering::Greater,
        }
    }
}

/// Declares the calls: the arguments by name, the function, the result.
macro_rules! calls {
    ($($name:ident { $($argument:ident: $type:ty),* } = $function:literal -> $answer:ty;)+) => {
        $(
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub(super) struct $name {
                $(pub(super) $argument: $type,)*
            }

            impl Call for $name {
                const NAME: &'static str = $function;
                type Output = $answer;
            }
        )+
    };
}

calls! {
    GetLimits {} = "storage.limits" -> Limits;
    PackIndex { pack: u32, first: u64, limit: u32 } = "storage.pack-index" -> RowsPage;
    Spine { pack: u32, first: u64, limit: u32 } = "storage.spine" -> Page<u32>;
    ReadRecords { spans: Vec<Span> } = "storage.read-records" -> Vec<Bytes>;
    CompareRecords { pairs: Vec<(Span, Span)> } = "storage.compare-records" -> Vec<Order>;
    BranchHeads { pack: u32, first: u32, limit: u32 } = "storage.branch-heads" -> Page<Head>;
    ListPacks { first: u32, limit: u32 } = "database.packs" -> Page<PackInfo>;
    ListHeads { after: Option<String>, limit: u32 } = "database.heads" -> Page<Head>;
    History { commits: Vec<EntityId>, limit: u32 } = "database.history" -> Page<Ancestor>;
    WalkFloor {} = "database.walk-floor" -> Option<u64>;
    Locate { kind: Kind, ids: Vec<String> } = "database.locate" -> Vec<Option<Location>>;
    Tags { commits: Vec<EntityId>, after: Option<String>, limit: u32 } = "database.tags" -> Page<CommitTag>;
    GetBase {} = "database.base" -> Option<Base>;
    BaseHeads { first: u64, limit: u32 } = "database.base-heads" -> Page<EntityId>;
    Known { kind: Kind, ids: Vec<EntityId> } = "database.known" -> Vec<bool>;
    Conflicts { first: u64, limit: u32 } = "database.conflicts" -> Page<EncodingConflict>;
}

impl Locate {
    pub(super) fn of(kind: Kind, ids: &[EntityId]) -> Locate {
        Locate { kind, ids: ids.iter().map(EntityId::to_string).collect() }
    }

    pub(super) fn of_tags(tags: &[&str]) -> Locate {
        Locate { kind: Kind::Tag, ids: tags.iter().map(|tag| (*tag).to_owned()).collect() }
    }
}

impl Tags {
    pub(super) fn of(commits: &[EntityId], after: Option<&str>, limit: u32) -> Tags {
        Tags { commits: commits.to_vec(), after: after.map(str::to_owned), limit }
    }
}
