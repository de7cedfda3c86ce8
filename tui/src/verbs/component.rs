//! `packhouse component`: shows or exports the component that plans the work.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use packhouse_artifact::{COMPONENT, WIT, WORLD};
use packhouse_host::Error;
use packhouse_host::files::{for_user, replaceable};
use packhouse_host::sandbox::{Planner, Sandbox};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::style::Tone;
use crate::text;

/// `packhouse component …`
#[derive(Debug, Args)]
pub(crate) struct Component {
    /// Write the component to a file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print its WIT package
    #[arg(long)]
    wit: bool,
}

#[derive(Serialize)]
struct Report {
    digest: String,
    bytes: usize,
    world: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    wit: Option<String>,
}

/// Shows the component, writes it to a file, or prints its WIT.
pub(crate) fn run(args: &Component, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let other =
        context.globals.component.as_deref().map(|file| read_other(file, args.wit)).transpose()?;
    let (component, world) =
        other.as_ref().map_or((COMPONENT, WORLD), |(bytes, world)| (bytes, world));
    if let Some(file) = &args.output {
        write(file, component)?;
    }
    let wit = args.wit.then(|| wit_text(&WIT));
    let (digest, bytes, world) = (digest(component), component.len(), world.to_owned());
    let report = Report { digest, bytes, world, wit };
    if let (Some(wit), false) = (&report.wit, output.json()) {
        output.raw(wit)?;
        return Ok(Exit::Done);
    }
    output.result(&report, || {
        let size = text::size(report.bytes as u64);
        let mut lines =
            vec![output.paint(Tone::Name, &report.digest), format!("{}, {size}", report.world)];
        lines.extend(
            args.output
                .as_ref()
                .map(|file| format!("Wrote {}", text::escaped(&file.display().to_string()))),
        );
        lines
    })?;
    Ok(Exit::Done)
}

/// Reads another component and its world, if packhouse can run it.
fn read_other(file: &Path, wit: bool) -> anyhow::Result<(Vec<u8>, String)> {
    if wit {
        let message = format!(
            "--wit prints the WIT of the built-in component; for that of {0}: wasm-tools component wit {0}",
            file.display()
        );
        return Err(Error::Usage(message).into());
    }
    let bytes = std::fs::read(file).map_err(|source| Error::Io {
        doing: "reading",
        path: file.to_owned(),
        source,
    })?;
    let sandbox = Sandbox::open(file, None)?;
    Ok((bytes, sandbox.world().to_owned()))
}

/// The digest of a component.
fn digest(component: &[u8]) -> String {
    format!("sha256:{}", hex::encode(ring::digest::digest(&ring::digest::SHA256, component)))
}

/// Writes a temporary file and renames it, so that readers see the old bytes or the new ones.
fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let io = |doing| move |source| Error::Io { doing, path: file.to_owned(), source };
    replaceable(file)?;
    let folder =
        file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = builder().tempfile_in(folder).map_err(io("writing"))?;
    for_user(temporary.as_file());
    temporary
        .write_all(bytes)
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(io("writing"))?;
    temporary.persist(file).map_err(|error| io("renaming to")(error.error))?;
    Ok(())
}

/// Temporary files are private by default; this one gets the mode of an ordinary file.
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".packhouse-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// The files of a WIT package as one text: the package once, then the interfaces and the world.
fn wit_text(files: &[(&str, &str)]) -> String {
    let names_package =
        |line: &&str| line.starts_with("package ") && line.trim_end().ends_with(';');
    let package =
        files.iter().flat_map(|(_, text)| text.lines()).find(names_package).unwrap_or_default();
    let mut whole = format!("{package}\n");
    for (_, text) in files {
        let body: Vec<&str> = text.lines().filter(|line| !names_package(line)).collect();
        whole.push('\n');
        whole.push_str(body.join("\n").trim());
        whole.push('\n');
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wit_is_one_text_that_names_its_package_once() {
        let text = wit_text(&WIT);
        assert_eq!(text.lines().filter(|line| line.starts_with("package ")).count(), 1);
        assert!(text.starts_with("package packhouse:engine@"), "{}", &text[..60]);
        assert!(text.contains("\nworld engine {\n") && text.ends_with("}\n"));
        for (name, _) in WIT {
            let interface = name.trim_end_matches(".wit");
            assert!(
                interface == "engine" || text.contains(&format!("interface {interface} {{")),
                "{interface}"
            );
        }
    }

    #[test]
    fn the_digest_is_that_of_the_provenance() {
        assert!(
            packhouse_artifact::PROVENANCE.contains(&format!("digest = \"{}\"", digest(COMPONENT)))
        );
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.wasm");
        std::fs::write(&file, "old").unwrap();
        write(&file, b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        let error = write(&folder.path().join("no/where"), b"").unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Error::Io { .. })), "{error}");
    }
}
