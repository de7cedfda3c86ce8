//! The `packhouse` binary, as a library: benchmarks and generated docs need parts of the console.
//! This file only wires: arguments, output, log, runtime, verb, exit code.
//!
//! In reading order: `args` parses the command line, `config` the config file, `globals` are the options of every verb,
//! `location` says where the store is, `context` opens it or a server, `verbs` has the verbs, each
//! with its arguments; `output`, `style`, `text`, `table` and `progress` print the results; `exit`
//! and `interrupt` end the call.

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
mod verbs;

use std::process::ExitCode;

use crate::context::Context;
use crate::exit::Exit;
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
    let logging = match args.verb {
        // The console needs the screen, and starts a log of its own.
        Verb::Console(_) => Ok(()),
        _ => logging::start(&context),
    };
    let exit = logging
        .and_then(|()| run(args.verb, &context))
        .unwrap_or_else(|error| context.output.failure(&error));
    context.output.end(exit).into()
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
