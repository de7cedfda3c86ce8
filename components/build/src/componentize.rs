//! From a core module to a component. What is written here goes into the artifact's bytes.

use std::path::Path;

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

use crate::{Artifact, read_text};

/// Makes the component of a core module, whose bindings carry the WIT of its world, and says in it
/// who it is.
///
/// # Errors
/// When the module does not fit the world, or imports anything that the world does not give.
pub fn componentize(module: &[u8], workspace: &Path, artifact: &Artifact) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default().validate(true).module(module)?.encode()?;
    let manifest: toml::Table = toml::from_str(&read_text(&workspace.join("Cargo.toml"))?)?;
    let field = |name: &str| {
        manifest["workspace"]["package"][name]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("no {name}"))
    };
    let mut about = wasm_metadata::AddMetadata::default();
    about.name = wasm_metadata::AddMetadataField::Set(artifact.name.into());
    about.version = wasm_metadata::AddMetadataField::Set(field("version")?.parse()?);
    about.source = wasm_metadata::AddMetadataField::Set(field("repository")?.parse()?);
    about.licenses = wasm_metadata::AddMetadataField::Set(field("license")?.parse()?);
    about.description = wasm_metadata::AddMetadataField::Set(artifact.description.parse()?);
    about.to_wasm(&component)
}
