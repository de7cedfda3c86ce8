//! `componentize FOLDER RUSTC [--check]`: the last step of `components/rebuild.sh`.
//!
//! Makes the components of the core modules in a folder. Without `--check` they become the
//! checked-in artifacts; with it, the artifacts are compared and left alone.

use std::path::Path;

use anyhow::{Context, Result, bail};
use packhouse_component_build::{
    ARTIFACTS, Artifact, Provenance, REFERENCE, component_digest, componentize, source_digest,
    workspace,
};

/// How a comparison ends where the compiler is another one than the recorded.
const OTHER_COMPILER: i32 = 3;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, rustc, check) = match arguments.as_slice() {
        [folder, rustc] => (folder, rustc, false),
        [folder, rustc, flag] if flag == "--check" => (folder, rustc, true),
        _ => bail!("usage: componentize FOLDER RUSTC [--check]"),
    };
    let workspace = workspace();
    let mut same_compiler = true;
    for artifact in &ARTIFACTS {
        let module = Path::new(folder).join(artifact.module);
        let module =
            std::fs::read(&module).with_context(|| format!("reading {}", module.display()))?;
        let component = componentize(&module, &workspace, artifact)?;
        let built = Provenance {
            digest: component_digest(&component),
            bytes: component.len() as u64,
            sources: source_digest(&workspace, artifact)?,
            world: artifact.world.into(),
            rustc: rustc.clone(),
        };
        match check {
            false => keep(&workspace, artifact, &component, &built)?,
            true => same_compiler &= compare(&workspace, artifact, &component, &built)?,
        }
    }
    if !same_compiler {
        std::process::exit(OTHER_COMPILER);
    }
    Ok(())
}

/// Makes what was built the artifact.
fn keep(workspace: &Path, artifact: &Artifact, component: &[u8], built: &Provenance) -> Result<()> {
    std::fs::write(workspace.join(artifact.file), component)?;
    let heading = "# What components/rebuild.sh built. Don't edit: run it.\n";
    std::fs::write(
        workspace.join(artifact.provenance),
        format!("{heading}{}", toml::to_string(built)?),
    )?;
    println!(
        "{}: built {} ({} bytes) with {}",
        artifact.name, built.digest, built.bytes, built.rustc
    );
    Ok(())
}

/// Compares what was built with the artifact; false when another compiler made it, whose bytes can
/// be others.
fn compare(
    workspace: &Path,
    artifact: &Artifact,
    component: &[u8],
    built: &Provenance,
) -> Result<bool> {
    let name = artifact.name;
    let recorded: Provenance =
        toml::from_str(&std::fs::read_to_string(workspace.join(artifact.provenance))?)?;
    if recorded.sources != built.sources {
        bail!(
            "{name}: the artifact was built from other sources; run components/rebuild.sh and commit what it makes"
        );
    }
    if recorded.digest == built.digest {
        println!("{name}: the artifact is what its sources build: {}", built.digest);
        return Ok(true);
    }
    if recorded.rustc == built.rustc {
        bail!(
            "{name}: the same compiler built {} where the artifact is {}",
            built.digest,
            recorded.digest
        );
    }
    println!(
        "{name}: built with {} where the artifact was built with {}: comparing behaviour",
        built.rustc, recorded.rustc
    );
    if artifact.name == REFERENCE.name {
        // Then behaviour is compared. The path of the new component is for the tests that do so.
        let other = workspace.join("target/component/other.wasm");
        std::fs::write(&other, component)?;
        println!("other component: {}", other.display());
    }
    Ok(false)
}
