//! The context of a verb: global options, output, and progress bars.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressDrawTarget};
use packhouse_host::{
    Client, Error, Remote, RemoteOptions, RestoreError, Result, Store, StoreOptions,
};

use crate::globals::Globals;
use crate::location;
use crate::output::Output;
use crate::progress::Bars;
use crate::style::{Environment, Style};

/// The context of a verb.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The global options.
    pub(crate) globals: Globals,
    /// Where to write.
    pub(crate) output: Output,
    /// How to show progress.
    pub(crate) bars: Bars,
    /// The stores that the verb has opened.
    opened: Arc<Mutex<Vec<Store>>>,
}

/// Time limit for the last checkpoint of a store when the process ends.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_secs(5);

impl Context {
    /// Reads the streams and the environment once.
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

    /// The same context without colours and progress bars.
    pub(crate) fn plain(&self) -> Context {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Context {
            output: self.output.restyled((Style::PLAIN, Style::PLAIN), multi.clone()),
            bars: Bars::new(multi, false, Style::PLAIN),
            globals: self.globals.clone(),
            opened: self.opened.clone(),
        }
    }

    /// The store that the global options name, local or remote. It must exist.
    pub(crate) async fn client(&self) -> anyhow::Result<Arc<dyn Client>> {
        self.open_client(StoreOptions::open_existing).await
    }

    /// The same, for verbs that only read: the catalog of a local store is not migrated.
    pub(crate) async fn client_to_read(&self) -> anyhow::Result<Arc<dyn Client>> {
        self.open_client(StoreOptions::open_to_read).await
    }

    /// One of the two.
    pub(crate) async fn client_for(&self, only_reads: bool) -> anyhow::Result<Arc<dyn Client>> {
        match only_reads {
            true => self.client_to_read().await,
            false => self.client().await,
        }
    }

    /// The same, for verbs that create a missing store.
    pub(crate) async fn client_or_create(&self) -> anyhow::Result<Arc<dyn Client>> {
        self.open_client(StoreOptions::open).await
    }

    async fn open_client(
        &self,
        open: impl AsyncFnOnce(StoreOptions) -> Result<Store>,
    ) -> anyhow::Result<Arc<dyn Client>> {
        match self.remote()? {
            Some(remote) => Ok(Arc::new(remote)),
            None => Ok(Arc::new(self.open_local(open).await?)),
        }
    }

    /// The server that the global options name, if any. No request is sent yet.
    pub(crate) fn remote(&self) -> anyhow::Result<Option<Remote>> {
        let Some(options) = self.remote_options()? else { return Ok(None) };
        tracing::debug!(url = options.url, "using a server");
        Ok(Some(Remote::new(options)?))
    }

    /// The options for that server.
    pub(crate) fn remote_options(&self) -> anyhow::Result<Option<RemoteOptions>> {
        let Some(url) = &self.globals.remote else { return Ok(None) };
        let token = location::token(self.globals.token_file.as_deref())?;
        Ok(Some(RemoteOptions { token, ..RemoteOptions::of(url) }))
    }

    /// Refuses `--remote` for verbs that need a local store.
    pub(crate) fn require_local(&self, verb: &str) -> anyhow::Result<()> {
        let Some(url) = &self.globals.remote else { return Ok(()) };
        let message = format!(
            "`packhouse {verb}` needs the store itself; run it on the machine of the store, without --remote {url}"
        );
        Err(Error::Usage(message).into())
    }

    /// The local store that the global options name, for a verb that runs for long. It must exist.
    pub(crate) async fn open(&self, verb: &str) -> anyhow::Result<Store> {
        self.open_for_long(verb, StoreOptions::open_existing).await
    }

    /// The same, for a verb that creates a missing store.
    pub(crate) async fn open_or_new(&self, verb: &str) -> anyhow::Result<Store> {
        self.open_for_long(verb, StoreOptions::open).await
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

    /// The local store that the global options name, for a short verb that only reads. It must
    /// exist.
    pub(crate) async fn open_once(&self) -> anyhow::Result<Store> {
        self.open_local(StoreOptions::open_to_read).await
    }

    async fn open_local(
        &self,
        open: impl AsyncFnOnce(StoreOptions) -> Result<Store>,
    ) -> anyhow::Result<Store> {
        let options = location::options(&self.globals)?;
        tracing::debug!(catalog = %options.catalog, packs = ?options.packs, "opening the store");
        let store = open(options).await?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
        Ok(store)
    }

    /// The local store that the verb has opened; none if it uses a server.
    pub(crate) fn opened_store(&self) -> Option<Store> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// Says of a refusal that `--remote` names a repo of the server, if so. Adds to an unknown-repo
    /// error that the repo was deleted, or a similar name. Only for local stores: their users may see
    /// every repo.
    pub(crate) async fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        if matches!(error.downcast_ref(), Some(Error::Remote { .. }))
            && let Some(server) = self.server_above().await
        {
            let message =
                format!("--remote: expected the URL of the server, without OWNER/SLUG: {server}");
            return Error::Usage(message).into();
        }
        let Some(Error::UnknownRepo(repo)) = error.downcast_ref() else { return error };
        let Some(store) = self.opened_store() else { return error };
        if let Ok(deleted @ Error::Restore(RestoreError::DeletedRepo { .. })) =
            store.unknown_repo(repo).await
        {
            return deleted.into();
        }
        match store.nearest_repo(repo).await {
            Ok(Some(nearest)) => Error::MistypedRepo { repo: repo.clone(), nearest }.into(),
            _ => error,
        }
    }

    /// The URL of the server, if `--remote` is the URL of one of its repos. Asks the server, because a
    /// URL in front of it may have a path.
    async fn server_above(&self) -> Option<String> {
        let server = location::server_of(self.globals.remote.as_deref()?)?;
        Remote::new(RemoteOptions::of(&server)).ok()?.ready().await.ok()?;
        Some(server)
    }

    /// Checkpoints the opened stores when the verb has ended, so that a copy of the catalog file is
    /// complete.
    pub(crate) async fn close(&self) {
        let opened =
            std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for store in opened {
            match tokio::time::timeout(CHECKPOINT_TIMEOUT, store.checkpoint()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!("{error}"),
                Err(_) => tracing::debug!(
                    "the checkpoint of the catalog timed out; the next process does it"
                ),
            }
        }
    }
}
