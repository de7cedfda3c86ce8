//! The planning core of packhouse.
//!
//! Everything that decides *what a pack holds and in which order* lives here, and nothing else
//! does: no file, no database, no clock, no hash, no WebAssembly type. The core asks a host two
//! things, through [`Storage`] and [`Database`], and answers with a [`Plan`]. The same answers
//! always give the same plan.
//!
//! In reading order:
//!
//! 1. [`id`] and [`row`]: what a record is called, and what a pack-index says of it.
//! 2. [`msgpack`] and [`record`]: MessagePack as far as a planner reads it, and what a record
//!    reaches.
//! 3. [`ports`]: what the core asks of a host.
//! 4. [`table`]: the union of the directories of a run, each entity once, in packed rows.
//! 5. [`order`]: the canonical order of commits, snapshots and objects.
//! 6. [`plan`]: steps, and how adjacent records become one span.
//! 7. [`consolidate`](mod@consolidate), [`assemble`](mod@assemble), [`index`](mod@index): the three
//!    questions a component answers.

pub mod assemble;
pub mod consolidate;
pub mod id;
mod id_numbers;
pub mod index;
pub mod msgpack;
pub mod order;
mod packed;
pub mod plan;
pub mod plan_error;
pub mod ports;
pub mod record;
pub mod row;
#[cfg(feature = "serde")]
mod serde_impls;
pub mod table;

pub use assemble::{Answer, Request, assemble};
pub use consolidate::consolidate;
pub use id::{EntityId, Form, IdError, Kind};
pub use index::{Index, index};
pub use plan::{Counts, Plan, Step};
pub use plan_error::{BranchConflict, PlanError};
pub use ports::{
    AccessError, Ancestor, Base, CommitTag, Database, Edges, EncodingConflict, Entity, Head,
    Limits, Location, PackInfo, Page, Span, Storage,
};
pub use row::{ROW_BYTES, Row};
