//! What every verb is given: the call's globals, where to write, and how to show progress.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressDrawTarget};
use packhouse_host::{Error, Remote, RemoteOptions, Result, Store, StoreOptions};

use crate::args::Globals;
use crate::client::Client;
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
    /// Stores that were opened for the verb.
    opened: Arc<Mutex<Vec<Store>>>,
}

/// How long the end of a call may take that has nothing more to do.
const LEAVING: Duration = Duration::from_secs(5);

impl Context {
    /// Looks at the streams and the environment, once.
    pub(crate) fn new(globals: Globals) -> Context {
        let environment = Environment::read();
        let terminal = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let shown = terminal.1 && !environment.dumb && !globals.quiet && !globals.json;
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let multi = MultiProgress::with_draw_target(target);
        let styles = (
            Style::choose(globals.color, terminal.0, environment),
            Style::choose(globals.color, terminal.1, environment),
        );
        Context {
            output: Output::new(&globals, styles, multi.clone()),
            bars: Bars::new(multi, shown, styles.1),
            globals,
            opened: Arc::default(),
        }
    }

    /// The same without colours and bars.
    pub(crate) fn plain(&self) -> Context {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Context {
            output: self.output.restyled((Style::PLAIN, Style::PLAIN), multi.clone()),
            bars: Bars::new(multi, false, Style::PLAIN),
            globals: self.globals.clone(),
            opened: self.opened.clone(),
        }
    }

    /// The store that the globals name, here or elsewhere. It must be there.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        self.open_client(Store::open_existing).await
    }

    /// The same, for the few verbs that make a store where there is none.
    pub(crate) async fn client_or_create(&self) -> anyhow::Result<Client> {
        self.open_client(Store::open).await
    }

    async fn open_client(
        &self,
        open: impl AsyncFnOnce(StoreOptions) -> Result<Store>,
    ) -> anyhow::Result<Client> {
        match self.remote()? {
            Some(remote) => Ok(Client::Remote(remote)),
            None => Ok(Client::Local(self.open_local(open).await?)),
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
    pub(crate) fn require_local(&self, verb: &str) -> anyhow::Result<()> {
        let Some(url) = &self.globals.remote else { return Ok(()) };
        let words = format!(
            "`packhouse {verb}` works where the store is, and not from afar; run it there, without --remote {url}"
        );
        Err(Error::Usage(words).into())
    }

    /// The store of this machine that the globals name, for a verb that works on it for long. It
    /// must be there.
    pub(crate) async fn open(&self, verb: &str) -> anyhow::Result<Store> {
        self.open_for_long(verb, Store::open_existing).await
    }

    /// The same, for a verb that makes a store where there is none.
    pub(crate) async fn open_or_new(&self, verb: &str) -> anyhow::Result<Store> {
        self.open_for_long(verb, Store::open).await
    }

    async fn open_for_long(
        &self,
        verb: &str,
        open: impl AsyncFnOnce(StoreOptions) -> Result<Store>,
    ) -> anyhow::Result<Store> {
        self.require_local(verb)?;
        let store = self.open_local(open).await?;
        tokio::spawn(store.clone().checkpoint_when_idle());
        Ok(store)
    }

    /// The store of this machine that the globals name, for a verb that needs no more than one look
    /// at it. It must be there.
    pub(crate) async fn open_once(&self) -> anyhow::Result<Store> {
        self.open_local(Store::open_existing).await
    }

    async fn open_local(
        &self,
        open: impl AsyncFnOnce(StoreOptions) -> Result<Store>,
    ) -> anyhow::Result<Store> {
        let options = place::options(&self.globals)?;
        tracing::debug!(catalog = %options.catalog, packs = ?options.packs, "opening the store");
        let store = open(options).await?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
        Ok(store)
    }

    /// The error, with the repo that may have been meant where there is none of the name: whoever
    /// has the store may see all.
    pub(crate) async fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        let Some(Error::UnknownRepo(repo)) = error.downcast_ref() else { return error };
        let store = self.opened.lock().unwrap_or_else(PoisonError::into_inner).last().cloned();
        let Some(store) = store else { return error };
        match store.nearest_repo(repo).await {
            Ok(Some(nearest)) => Error::MistypedRepo { repo: repo.clone(), nearest }.into(),
            _ => error,
        }
    }

    /// What is left to do when the verb has ended, however it did: a copy of the catalog's one file
    /// shall lack nothing.
    pub(crate) async fn leave(&self) {
        let opened =
            std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for store in opened {
            match tokio::time::timeout(LEAVING, store.checkpoint()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!("{error}"),
                Err(_) => tracing::debug!("the catalog's log was left for the next process"),
            }
        }
    }
}
