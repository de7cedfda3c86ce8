//! The stores of the tests: in a folder, behind a server, and in memory.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use packhouse_host::sample::{HistoryOptions, write_history};
use packhouse_host::serve::{ServeLimits, ServeOptions, Server};
use packhouse_host::worker::Stop;
use packhouse_host::{
    Progress, PushOptions, Remote, RemoteOptions, RepoName, Store, StoreOptions, Visibility,
};
use tokio::task::JoinHandle;

use super::Place;
use crate::console::backend::Backend;
use crate::console::demo::Demo;

/// A local store in a temporary folder.
pub(super) struct OnDisk {
    folder: tempfile::TempDir,
    store: Store,
    pushed: AtomicUsize,
}

impl OnDisk {
    pub(super) async fn new() -> OnDisk {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreOptions::embedded(folder.path()).open().await.unwrap();
        let place = OnDisk { folder, store, pushed: AtomicUsize::new(0) };
        for repo in [place.worn(), place.torn(), "z/empty".parse().unwrap()] {
            place.store.create_repo(&repo, Visibility::Public).await.unwrap();
        }
        for _ in 0..3 {
            place.push(&place.worn()).await;
            place.push(&place.torn()).await;
        }
        place
    }
}

impl Place for OnDisk {
    fn store(&self) -> &dyn Backend {
        &self.store
    }

    fn local(&self) -> &Store {
        &self.store
    }

    fn worn(&self) -> RepoName {
        "a/worn".parse().unwrap()
    }

    fn torn(&self) -> RepoName {
        "a/torn".parse().unwrap()
    }

    /// Pushes two packs of a new history; the second repeats a part of the first.
    async fn push(&self, repo: &RepoName) {
        let seed = self.pushed.fetch_add(1, Ordering::Relaxed) as u64;
        let options =
            HistoryOptions { seed, pushes: 2, overlap: true, ..HistoryOptions::default() };
        let folder = self.folder.path().join(format!("push-{seed}"));
        std::fs::create_dir(&folder).unwrap();
        let files = write_history(&folder, &options).unwrap();
        let pushed = PushOptions { force: true };
        self.store.push(repo, &files, pushed, &Progress::silent()).await.unwrap();
    }

    /// Removes packs and directories, so that planning fails.
    async fn tear(&self) {
        for pack in self.store.packs(&self.torn()).await.unwrap() {
            let hex = pack.key.hex();
            let folder = self.folder.path().join("packs").join(&hex[..2]);
            for end in ["mpack", "dir"] {
                let _ = std::fs::remove_file(folder.join(format!("{hex}.{end}")));
            }
        }
    }
}

/// The same store behind a server in this process.
pub(super) struct Served {
    pub(super) disk: OnDisk,
    pub(super) remote: Remote,
    pub(super) stop: Stop,
    pub(super) serving: JoinHandle<packhouse_host::Result<()>>,
}

impl Served {
    pub(super) async fn new() -> Served {
        let disk = OnDisk::new().await;
        let options = ServeOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            insecure_loopback: true,
            workers: 0,
            limits: ServeLimits { rate: 0, ..ServeLimits::default() },
            ..ServeOptions::default()
        };
        let server = Server::bind(disk.store.clone(), options).await.unwrap();
        let remote = Remote::new(RemoteOptions {
            reconnect_timeout: None,
            ..RemoteOptions::of(server.url())
        })
        .unwrap();
        let stop = Stop::default();
        let serving = tokio::spawn(server.run(stop.clone(), |_| {}));
        Served { disk, remote, stop, serving }
    }
}

impl Place for Served {
    fn store(&self) -> &dyn Backend {
        &self.remote
    }

    fn local(&self) -> &Store {
        &self.disk.store
    }

    fn worn(&self) -> RepoName {
        self.disk.worn()
    }

    fn torn(&self) -> RepoName {
        self.disk.torn()
    }

    async fn push(&self, repo: &RepoName) {
        self.disk.push(repo).await;
    }

    async fn tear(&self) {
        self.disk.tear().await;
    }
}

/// The demo store, with all its repos.
pub(super) struct InMemory(pub(super) Demo);

impl Place for InMemory {
    fn store(&self) -> &dyn Backend {
        &self.0.store
    }

    fn local(&self) -> &Store {
        &self.0.store
    }

    fn worn(&self) -> RepoName {
        "city-archive/radio-1974".parse().unwrap()
    }

    fn torn(&self) -> RepoName {
        "tidal-lab/reef-soundscapes".parse().unwrap()
    }

    async fn push(&self, repo: &RepoName) {
        self.0.push(repo, 2).await.unwrap();
    }

    async fn tear(&self) {
        self.0.lose_packs(&self.torn()).await;
    }
}
