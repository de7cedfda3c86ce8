//! The reference artifact: the component's bytes, the same in every host.
//!
//! `components/rebuild.sh` builds it; `provenance.toml` beside it says from what and with what.

/// The component.
pub const COMPONENT: &[u8] = include_bytes!("../packhouse.wasm");

/// What was built, from what, with what; TOML.
pub const PROVENANCE: &str = include_str!("../provenance.toml");

/// The world that the component exports.
pub const WORLD: &str = "packhouse:engine/engine@0.2.0";

/// The WIT package that the component speaks, file by file: name and text.
pub const WIT: [(&str, &str); 4] = [
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("storage.wit", include_str!("../../../wit/storage.wit")),
    ("database.wit", include_str!("../../../wit/database.wit")),
    ("engine.wit", include_str!("../../../wit/engine.wit")),
];
