//! The `packhouse` binary, as a library: benchmarks and generated docs need parts of the console.
//! This file only wires: arguments, output, log, runtime, verb, exit code.
//!
//! In reading order: `args` parses the command line, `config` the config file, `globals` are the options of every verb,
//! `location` says where the store is, `context` opens it or a server, `verbs` has the verbs, each
//! with its arguments; `output`, `style`, `text`, `table` and `progress` print the results; `exit`
//! and `interrupt` end the call; `logging` and `traces` say what it did.

mod args;
mod config;
mod console;
mod context;
mod disk;
mod exit;
mod globals;
mod interrupt;
mod location;
mod logging;
#[cfg(test)]
mod manual;
mod output;
mod progress;
mod style;
mod table;
mod text;
mod toml_file;
mod traces;
mod verbs;

use std::process::ExitCode;

use tracing::Span;

use crate::context::Context;
use crate::exit::Exit;
use crate::traces::Traces;
use crate::verbs::Verb;

#[doc(hidden)]
pub use crate::console::bench;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    packhouse_host::files::make_private();
    let args = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => return exit::of_clap(&error).into(),
    };
    let context = Context::new(args.globals);
    let exit = logged(args.verb, &args.words, &context)
        .unwrap_or_else(|error| context.output.failure(&error));
    context.output.end(exit).into()
}

/// Runs a verb, with a log of what happens and a trace of what takes how long.
fn logged(verb: Verb, words: &str, context: &Context) -> anyhow::Result<Exit> {
    // The console needs the screen, and starts a log of its own.
    if matches!(verb, Verb::Console(_)) {
        return run(verb, context);
    }
    let (traces, problem) = Traces::start(&context.globals)?;
    logging::start(context, traces.layer())?;
    problem.into_iter().for_each(|problem| tracing::warn!("{problem}"));
    // What serves or works until it is stopped has a trace for each request and job.
    let span = if verb.handles_signals() { Span::none() } else { traces::call(words) };
    let ended = span.in_scope(|| run(verb, context));
    traces::ended(&span, ended.as_ref().map_or_else(Exit::of, |exit| *exit));
    traces.end();
    ended
}

fn run(verb: Verb, context: &Context) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let ended =
            interrupt::until_terminated(verb.handles_signals(), verbs::run(verb, context)).await;
        context.close().await;
        ended
    });
    // After a second Ctrl-C a thread may still be copying a gigabyte. Don't wait for it: what it
    // writes has no name yet.
    runtime.shutdown_background();
    ended
}
