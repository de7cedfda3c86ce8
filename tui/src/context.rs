//! What every verb is given: the call's globals, where to write, and how to show progress.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressDrawTarget};
use packhouse_host::Store;

use crate::args::Globals;
use crate::output::Output;
use crate::place;
use crate::progress::Bars;
use crate::style::{Environment, Style};

/// What every verb is given.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The call's globals.
    pub(crate) globals: Globals,
    /// Where to write.
    pub(crate) output: Output,
    /// How to show progress.
    pub(crate) bars: Bars,
}

impl Context {
    /// Looks at the streams and the environment, once.
    pub(crate) fn new(globals: Globals) -> Context {
        let environment = Environment::read();
        let terminal = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let shown = terminal.1 && !environment.dumb && !globals.quiet && !globals.json;
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let multi = MultiProgress::with_draw_target(target);
        let styles =
            (Style::choose(globals.color, terminal.0, environment), Style::choose(globals.color, terminal.1, environment));
        Context { output: Output::new(&globals, styles, multi.clone()), bars: Bars::new(multi, shown, styles.1), globals }
    }

    /// The same without colours and bars.
    pub(crate) fn plain(&self) -> Context {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Context {
            output: Output::new(&self.globals, (Style::PLAIN, Style::PLAIN), multi.clone()),
            bars: Bars::new(multi, false, Style::PLAIN),
            globals: self.globals.clone(),
        }
    }

    /// The store that the globals name; made on first use.
    pub(crate) async fn open(&self) -> anyhow::Result<Store> {
        let options = place::options(&self.globals)?;
        tracing::debug!(catalog = %options.catalog, packs = ?options.packs, "opening the store");
        Ok(Store::open(options).await?)
    }
}
