//! `packhouse replay`: replays recorded runs. It opens and creates no store.

use std::path::{Path, PathBuf};

use clap::Args;
use packhouse_host::Error;
use packhouse_host::sandbox::{Planner, Sandbox};
use packhouse_host::tape::{self, Replay as Replayed, Verdict};

use crate::context::Context;
use crate::exit::Exit;
use crate::location;
use crate::output::Output;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::{count, escaped, plural, short_id};

/// `packhouse replay …`
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Tapes, or folders of tapes
    #[arg(value_name = "TAPE", required = true)]
    tapes: Vec<PathBuf>,
    /// Print the tape as JSON lines without running it
    #[arg(long)]
    dump: bool,
}

/// Replays tapes, or prints them.
pub(crate) async fn run(args: Replay, context: &Context) -> anyhow::Result<Exit> {
    let tapes = listed(&args.tapes)?;
    let output = &context.output;
    if args.dump {
        let mut worst = Exit::Done;
        for tape in &tapes {
            match dump(tape, output) {
                Err(error) if tapes.len() > 1 && error.is::<Error>() => {
                    worst = worst.max(output.failure(&error))
                }
                dumped => dumped?,
            }
        }
        return Ok(worst);
    }
    let sandbox = sandbox(context).await?;
    let other = context.globals.component.is_some();
    let (mut worst, mut results) = (Exit::Done, Vec::new());
    for tape in &tapes {
        let (sandbox, file) = (sandbox.clone(), tape.clone());
        let replaying = tokio::task::spawn_blocking(move || replay(&file, &sandbox, other)).await;
        let replayed = replaying.unwrap_or_else(|panic| {
            Err(Error::Unsupported(format!("replaying the tape failed: {panic}")))
        });
        let exit = match replayed {
            Ok(replayed) => {
                let exit = if replayed.ok { Exit::Done } else { Exit::Damage };
                output.result(&replayed, || {
                    if tapes.len() == 1 { describe(&replayed, output) } else { Vec::new() }
                })?;
                results.push(replayed);
                exit
            }
            Err(error) if tapes.len() == 1 => return Err(error.into()),
            Err(error) => output.failure_of(Some(&tape.display().to_string()), &error.into()),
        };
        worst = worst.max(exit);
    }
    if tapes.len() > 1 {
        output.table(&table(&results), 0)?;
        output.line(sum(&results, tapes.len()))?;
    }
    Ok(worst)
}

/// The tapes of all paths; a folder means the tapes in it.
fn listed(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut tapes = Vec::new();
    for path in paths {
        if !path.is_dir() {
            tapes.push(path.clone());
            continue;
        }
        let io = |source| Error::Io { doing: "listing", path: path.clone(), source };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(io)? {
            let file = entry.map_err(io)?.path();
            if file.extension().is_some_and(|ending| ending == "tape") {
                found.push(file);
            }
        }
        if found.is_empty() {
            return Err(Error::Unsupported(format!(
                "there is no .tape file in {}",
                path.display()
            ))
            .into());
        }
        found.sort();
        tapes.extend(found);
    }
    Ok(tapes)
}

/// The component to replay with. Uses the compilation cache of the store, if there is one.
async fn sandbox(context: &Context) -> anyhow::Result<Sandbox> {
    let options = location::options(&context.globals)?;
    let cache = options.cache.filter(|cache| cache.is_dir());
    let made = tokio::task::spawn_blocking(move || match options.component {
        None => Sandbox::reference(cache.as_deref()),
        Some(file) => Sandbox::open(&file, cache.as_deref()),
    });
    Ok(made.await??)
}

fn replay(tape: &Path, sandbox: &Sandbox, other: bool) -> packhouse_host::Result<Replayed> {
    let recorded = tape::replay::header(tape)?.component;
    if !other && recorded != sandbox.digest() {
        return Err(Error::Unsupported(format!(
            "the tape {} was recorded with the component {recorded}, but this packhouse has {}; pass a component with --component FILE",
            tape.display(),
            sandbox.digest()
        )));
    }
    tape::replay(tape, sandbox)
}

fn dump(tape: &Path, output: &Output) -> anyhow::Result<()> {
    let mut failed = None;
    let read = tape::dump(tape, |line| {
        output.raw(&format!("{line}\n")).map_err(|error| {
            failed = Some(error);
            Error::Cancelled
        })
    });
    match (read, failed) {
        (_, Some(error)) => Err(error),
        (read, None) => Ok(read?),
    }
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Identical => Tone::Good,
        Verdict::SameKey => Tone::Warn,
        Verdict::Different => Tone::Bad,
    }
}

fn describe(replayed: &Replayed, output: &Output) -> Vec<String> {
    let verdict = output.paint(tone(replayed.verdict), replayed.verdict.words());
    let calls = format!("{} as recorded", plural(replayed.calls, "call"));
    let mut lines = vec![format!(
        "{}  {verdict}, {calls}",
        output.paint(Tone::Name, escaped(&replayed.tape.display().to_string()))
    )];
    lines.push(format!("  {} {}", output.paint(Tone::Dim, "component"), replayed.component));
    if replayed.component != replayed.recorded_component {
        lines.push(format!(
            "  {} {}",
            output.paint(Tone::Dim, "recorded "),
            replayed.recorded_component
        ));
    }
    lines.extend(replayed.divergence.as_ref().map(|text| format!("  {}", escaped(text))));
    lines
}

fn table(replayed: &[Replayed]) -> Table {
    use Side::{Left, Right};
    let mut table = Table::new(&[
        ("TAPE", Left),
        ("VERDICT", Left),
        ("CALLS", Right),
        ("RECORDED WITH", Left),
        ("FIRST DIVERGENCE", Left),
    ]);
    for one in replayed {
        let full = one.divergence.as_deref().unwrap_or_default();
        let cut: String = full.chars().take(DIVERGENCE).collect();
        let divergence = if cut.len() < full.len() { format!("{cut}…") } else { cut };
        table.row([
            one.tape
                .file_name()
                .map_or_else(String::new, |name| escaped(&name.to_string_lossy()).to_string())
                .into(),
            Cell::new(tone(one.verdict), one.verdict.words()),
            count(one.calls).into(),
            Cell::new(Tone::Dim, short_id(&one.recorded_component)),
            escaped(&divergence).to_string().into(),
        ]);
    }
    table
}

/// Characters of a divergence in the table. Replaying that tape alone shows all of it.
const DIVERGENCE: usize = 100;

fn sum(replayed: &[Replayed], tapes: usize) -> String {
    let of = |verdict| replayed.iter().filter(|one| one.verdict == verdict).count() as u64;
    let mut counts: Vec<String> = [Verdict::Identical, Verdict::SameKey, Verdict::Different]
        .into_iter()
        .filter(|verdict| of(*verdict) > 0)
        .map(|verdict| format!("{} {}", count(of(verdict)), verdict.words()))
        .collect();
    if tapes > replayed.len() {
        counts.push(format!("{} not replayed", tapes - replayed.len()));
    }
    format!("{}: {}", plural(tapes as u64, "tape"), counts.join("; "))
}

#[cfg(test)]
mod tests {
    use crate::args::read;
    use crate::verbs::Verb;

    #[test]
    fn it_takes_tapes_and_a_component() {
        let Verb::Replay(replay) = read("replay t d --component c").unwrap().verb else {
            panic!("not replay")
        };
        assert_eq!(replay.tapes.len(), 2);
        assert_eq!(read("replay").unwrap_err().exit_code(), 2);
    }
}
