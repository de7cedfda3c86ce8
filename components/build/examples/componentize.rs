//! `componentize MODULE RUSTC [--check]`: the last step of `components/rebuild.sh`.
//!
//! Makes the component of a core module. Without `--check` it becomes the reference artifact; with it, the
//! artifact is compared and left alone.

use anyhow::{Context, Result, bail};
use packhouse_component_build::{ARTIFACT, PROVENANCE, Provenance, component_digest, componentize, source_digest, workspace};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (module, rustc, check) = match arguments.as_slice() {
        [module, rustc] => (module, rustc, false),
        [module, rustc, flag] if flag == "--check" => (module, rustc, true),
        _ => bail!("usage: componentize MODULE RUSTC [--check]"),
    };
    let workspace = workspace();
    let module = std::fs::read(module).with_context(|| format!("reading {module}"))?;
    let component = componentize(&module, &workspace)?;
    let built = Provenance {
        digest: component_digest(&component),
        bytes: component.len() as u64,
        sources: source_digest(&workspace)?,
        world: "packhouse:engine/engine@0.1.0".into(),
        rustc: rustc.clone(),
    };
    if !check {
        std::fs::write(workspace.join(ARTIFACT), &component)?;
        let heading = "# What components/rebuild.sh built. Don't edit: run it.\n";
        std::fs::write(workspace.join(PROVENANCE), format!("{heading}{}", toml::to_string(&built)?))?;
        println!("built {} ({} bytes) with {}", built.digest, built.bytes, built.rustc);
        return Ok(());
    }
    let recorded: Provenance = toml::from_str(&std::fs::read_to_string(workspace.join(PROVENANCE))?)?;
    if recorded.sources != built.sources {
        bail!("the artifact was built from other sources; run components/rebuild.sh and commit what it makes");
    }
    if recorded.digest == built.digest {
        println!("the artifact is what its sources build: {}", built.digest);
        return Ok(());
    }
    if recorded.rustc == built.rustc {
        bail!("the same compiler built {} where the artifact is {}", built.digest, recorded.digest);
    }
    // Another compiler gives other bytes: then behaviour is compared. The path of the new component is for
    // the tests that do so.
    let other = workspace.join("target/component/other.wasm");
    std::fs::write(&other, &component)?;
    println!("built with {} where the artifact was built with {}: comparing behaviour", built.rustc, recorded.rustc);
    println!("other component: {}", other.display());
    std::process::exit(3)
}
