//! How the component is built from its sources, and what is recorded of it.
//!
//! The built component is checked in as the *reference artifact*, so that every host runs the same
//! bytes and `cargo build` needs no WebAssembly toolchain. `components/rebuild.sh` builds it anew;
//! the tests of `packhouse-artifact` fail when sources and artifact have parted.

mod componentize;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use componentize::componentize;

/// What was built, from what, with what. Kept beside the artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// `sha256:` and the hex of the SHA-256 of the component's bytes.
    pub digest: String,
    /// Size of the component in bytes.
    pub bytes: u64,
    /// Digest of the sources, as [`source_digest`] makes it.
    pub sources: String,
    /// The world it exports.
    pub world: String,
    /// What `rustc --version` of the compiler said.
    pub rustc: String,
}

/// A component that is checked in as bytes. Paths are relative to the workspace.
#[derive(Debug)]
pub struct Artifact {
    /// What it is called.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub description: &'static str,
    /// The module that it is made of, as cargo names it.
    pub module: &'static str,
    /// Its world.
    pub world: &'static str,
    /// Where its bytes are.
    pub file: &'static str,
    /// Where its provenance is.
    pub provenance: &'static str,
    /// Everything that goes into its bytes: folders are taken whole.
    sources: &'static [&'static str],
}

/// The component that every host runs.
pub const REFERENCE: Artifact = Artifact {
    name: "packhouse",
    description: "Plans the consolidation and the fetches of Muse packs",
    module: "packhouse_guest.wasm",
    world: "packhouse:engine/engine@0.2.0",
    file: "components/artifact/packhouse.wasm",
    provenance: "components/artifact/provenance.toml",
    sources: &[
        "wit",
        "components/core/src",
        "components/core/Cargo.toml",
        "components/guest/src",
        "components/guest/Cargo.toml",
        "components/build/src/componentize.rs",
    ],
};

/// The component that hosts are tested with.
pub const HOSTILE: Artifact = Artifact {
    name: "packhouse-hostile",
    description: "Does what a component must not, to test its hosts",
    module: "packhouse_hostile.wasm",
    world: "packhouse:hostile/hostile@0.2.0",
    file: "components/hostile/hostile.wasm",
    provenance: "components/hostile/provenance.toml",
    sources: &[
        "wit",
        "components/core/src",
        "components/core/Cargo.toml",
        "components/guest/src",
        "components/hostile/wit",
        "components/hostile/src",
        "components/hostile/Cargo.toml",
        "components/build/src/componentize.rs",
    ],
};

/// All of them.
pub const ARTIFACTS: [Artifact; 2] = [REFERENCE, HOSTILE];

/// Crates whose locked versions go into the component's bytes.
const CRATES: [&str; 5] =
    ["rmp", "num-traits", "thiserror", "wit-bindgen", "wit-bindgen-rust-macro"];

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One digest over an artifact's sources, the locked versions of what they depend on, and the
/// profile they are built with: paths and contents, by path.
///
/// # Errors
/// When a source can't be read.
pub fn source_digest(workspace: &Path, artifact: &Artifact) -> Result<String> {
    let mut files = Vec::new();
    for source in artifact.sources {
        collect(&workspace.join(source), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    let mut add = |name: &str, content: &[u8]| {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    };
    for file in files {
        let name = file.strip_prefix(workspace)?.to_string_lossy().replace('\\', "/");
        add(&name, &std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
    }
    let manifest: toml::Table = toml::from_str(&read_text(&workspace.join("Cargo.toml"))?)?;
    let profile = manifest
        .get("profile")
        .and_then(|p| p.get("guest"))
        .context("Cargo.toml has no [profile.guest]")?;
    add("profile.guest", toml::to_string(profile)?.as_bytes());
    let lock: toml::Table = toml::from_str(&read_text(&workspace.join("Cargo.lock"))?)?;
    for package in
        lock.get("package").and_then(|p| p.as_array()).context("Cargo.lock lists no packages")?
    {
        let field = |name: &str| package.get(name).and_then(|v| v.as_str()).unwrap_or_default();
        if CRATES.contains(&field("name")) {
            add(field("name"), format!("{} {}", field("version"), field("checksum")).as_bytes());
        }
    }
    Ok(named(&hash.finalize()))
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in
            std::fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?
        {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}

fn named(digest: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest))
}

/// The digest of a component, as hosts name it.
pub fn component_digest(component: &[u8]) -> String {
    named(&Sha256::digest(component))
}

/// Our package's WIT, as it can be read out of a component's bytes.
///
/// # Errors
/// When the bytes are no component, or speak no WIT of ours.
pub fn extract_wit(component: &[u8]) -> Result<String> {
    let decoded = wit_component::decode(component)?;
    let resolve = decoded.resolve();
    // What a component decodes to is a nameless root, and the packages that its world takes
    // interfaces from.
    let ours = |p: &wit_parser::Package| p.name.namespace == "packhouse" && p.name.name == "engine";
    let (package, _) = resolve
        .packages
        .iter()
        .find(|(_, p)| ours(p))
        .context("it speaks no WIT of packhouse:engine")?;
    let mut printer = wit_component::WitPrinter::default();
    printer.print(resolve, package, &[])?;
    Ok(printer.output.to_string())
}

/// A WIT package as an encoding keeps it: one text, with its world `engine`.
///
/// # Errors
/// When the folder is no WIT package.
pub fn encoded_wit(folder: &Path) -> Result<String> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(folder)?;
    let encoded = wit_component::encode(&resolve, package, false)?;
    let decoded = wit_component::decode(&encoded)?;
    let mut printer = wit_component::WitPrinter::default();
    printer.print(decoded.resolve(), decoded.package(), &[])?;
    Ok(printer.output.to_string())
}

/// As [`encoded_wit`], from a component, whose encoding has interfaces and no world of that name.
///
/// # Errors
/// As [`extract_wit`].
pub fn component_wit(component: &[u8]) -> Result<String> {
    let decoded = wit_component::decode(component)?;
    let wit_component::DecodedWasm::Component(resolve, world) = &decoded else {
        anyhow::bail!("it is a WIT package, not a component");
    };
    let mut text = extract_wit(component)?;
    text.push_str("\nworld engine {\n");
    let world = &resolve.worlds[*world];
    for (verb, items) in [("import", &world.imports), ("export", &world.exports)] {
        for key in items.keys() {
            let name = resolve.name_world_key(key);
            let interface = name.split(['/', '@']).nth(1).context("an interface has a name")?;
            text.push_str(&format!("  {verb} {interface};\n"));
        }
    }
    text.push_str("}\n");
    Ok(text)
}

/// Checks that components of one WIT run in a host of another: the host has all that they import,
/// they have all that it calls, and the types are the same. Versions don't count.
///
/// Both are WIT texts with the world `engine`, as [`encoded_wit`] and [`component_wit`] return them.
///
/// # Errors
/// What does not fit.
pub fn fits(components: &str, host: &str) -> Result<()> {
    let mut resolve = wit_parser::Resolve::default();
    let mut world = |text: &str, version: &str| {
        // Two packages of one name need two versions.
        let declared = text.lines().find(|line| line.starts_with("package "));
        let (_, own) = declared.and_then(|line| line.split_once('@')).context("no version")?;
        let own = own.trim_end_matches([';', ' ', '{']);
        let text = text
            .replace(&format!("@{own}"), &format!("@{version}"))
            .replace(&format!("version = {own}"), &format!("version = {version}"));
        let package = resolve.push_str("engine.wit", &text)?;
        resolve.select_world(&[package], Some("engine"))
    };
    let components = world(components, "0.0.1")?;
    let host = world(host, "0.0.2")?;
    wit_component::semver_check(resolve, components, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_digest_depends_on_every_source() {
        let here = workspace();
        for artifact in &ARTIFACTS {
            let digest = source_digest(&here, artifact).unwrap();
            assert!(digest.starts_with("sha256:"));
            assert_eq!(digest, source_digest(&here, artifact).unwrap());
            for source in artifact.sources {
                assert!(
                    here.join(source).exists(),
                    "{source} is gone: the digest would no longer cover it"
                );
            }
        }
    }
}
