//! What every verb is given: the call's globals, where to write, and how to show progress.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressDrawTarget};
use packhouse_host::{Error, Remote, RemoteOptions, Store};

use crate::args::Globals;
use crate::house::House;
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

    /// The store that the globals name, here or elsewhere; one that is here is made on first use.
    pub(crate) async fn house(&self) -> anyhow::Result<House> {
        match self.remote()? {
            Some(remote) => Ok(House::There(remote)),
            None => Ok(House::Here(self.open_here().await?)),
        }
    }

    /// The server that the globals name, if they name one. It is asked nothing yet.
    pub(crate) fn remote(&self) -> anyhow::Result<Option<Remote>> {
        let Some(options) = self.remote_options()? else { return Ok(None) };
        tracing::debug!(url = options.url, "asking a server");
        Ok(Some(Remote::new(options)?))
    }

    /// How that server is asked.
    pub(crate) fn remote_options(&self) -> anyhow::Result<Option<RemoteOptions>> {
        let Some(url) = &self.globals.remote else { return Ok(None) };
        let token = place::token(self.globals.token_file.as_deref())?;
        Ok(Some(RemoteOptions { token, ..RemoteOptions::of(url) }))
    }

    /// Refuses what makes sense only where the store is.
    pub(crate) fn only_here(&self, verb: &str) -> anyhow::Result<()> {
        let Some(url) = &self.globals.remote else { return Ok(()) };
        let words =
            format!("`packhouse {verb}` works where the store is, and not from afar; run it there, without --remote {url}");
        Err(Error::Usage(words).into())
    }

    /// The store of this machine that the globals name, for a verb that wants one; made on first use.
    pub(crate) async fn open(&self, verb: &str) -> anyhow::Result<Store> {
        self.only_here(verb)?;
        self.open_here().await
    }

    async fn open_here(&self) -> anyhow::Result<Store> {
        let options = place::options(&self.globals)?;
        tracing::debug!(catalog = %options.catalog, packs = ?options.packs, "opening the store");
        Ok(Store::open(options).await?)
    }
}
