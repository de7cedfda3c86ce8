//! The `packhouse` binary, built once, and run on a store of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use packhouse_host::CatalogPlace;
use serde_json::Value;
use tempfile::TempDir;

use crate::place;
use crate::s3::S3Server;
use crate::store::PREFIX;

/// The binary under test: `PACKHOUSE_BINARY`, or the one that cargo builds beside these tests.
///
/// # Panics
/// When it can't be built.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| match std::env::var_os("PACKHOUSE_BINARY") {
        Some(path) => Ok(path.into()),
        None => build("--bin", "packhouse", ""),
    });
    built.as_ref().expect("packhouse can be built")
}

/// `target/PROFILE`, in which this test is.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let deps = test.parent().expect("a test lies in a folder");
    if deps.ends_with("deps") {
        deps.parent().expect("`deps` lies in a folder").to_owned()
    } else {
        deps.to_owned()
    }
}

/// An example of this workspace, as a program.
///
/// # Panics
/// When it can't be built.
pub fn example(name: &str) -> PathBuf {
    build("--example", name, "examples").expect("the example can be built")
}

/// Cargo itself knows best whether a program is stale; when it is not, this takes a moment.
fn build(kind: &str, name: &str, within: &str) -> Result<PathBuf, String> {
    let folder = profile_folder();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(name) => name,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = folder.parent().expect("a profile's folder lies in the target folder");
    let mut command = Command::new(cargo);
    // What cargo tells this test about its package is not a setting of the build: build scripts
    // that read it would run again, here and in the next build, with all that depends on them.
    // So would they with `RUSTC_BOOTSTRAP`, with which libtest reports the time of each test.
    let told = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "RUSTC_BOOTSTRAP"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| told(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    // The features are those of the whole workspace, as in the build of these tests: else half of
    // the dependencies would be built again.
    command.args([
        "build",
        "--quiet",
        "--workspace",
        kind,
        name,
        "--profile",
        profile,
        "--target-dir",
    ]);
    let output = command
        .arg(target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(folder.join(within).join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// A folder in which compiled components are kept between tests. One a binary: it knows its
/// component's digest.
fn cache_folder() -> PathBuf {
    let folder = profile_folder().join("packhouse-tests-cache");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// Whether a variable would change what the binary does.
fn is_ours(name: &str) -> bool {
    name.starts_with("PACKHOUSE_") || name.starts_with("OTEL_") || name == "TRACEPARENT"
}

/// What a call of the binary gave.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The arguments of the call.
    pub words: String,
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Ran {
    /// Checks that it succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn ok(self) -> Ran {
        self.exits(0)
    }

    /// Checks the exit code.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(
            self.code, code,
            "exit code of `{}`\nstdout: {}\nstderr: {}",
            self.words, self.stdout, self.stderr
        );
        self
    }

    /// Checks that stderr contains some texts, in any case.
    ///
    /// # Panics
    /// When one is missing.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Ran {
        for word in words {
            let found = self.stderr.to_lowercase().contains(&word.to_lowercase());
            assert!(found, "`{}` does not say `{word}` but: {}", self.words, self.stderr);
        }
        self
    }

    /// The JSON documents of stdout, one a line.
    ///
    /// # Panics
    /// When a line is not JSON.
    #[track_caller]
    pub fn documents(&self) -> Vec<Value> {
        let parse = |line: &str| match serde_json::from_str(line) {
            Ok(document) => document,
            Err(why) => {
                panic!("stdout of `{}` has a line that is no JSON ({why}): {line}", self.words)
            }
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The one JSON document of stdout.
    ///
    /// # Panics
    /// When there is not exactly one.
    #[track_caller]
    pub fn json(&self) -> Value {
        let mut documents = self.documents();
        assert_eq!(documents.len(), 1, "`{}` answered: {}{}", self.words, self.stdout, self.stderr);
        documents.remove(0)
    }
}

/// A store for the binary, in a folder that is removed afterwards.
#[derive(Debug)]
pub struct Packhouse {
    folder: TempDir,
    env: Vec<(String, String)>,
}

impl Default for Packhouse {
    fn default() -> Self {
        Self::new()
    }
}

impl Packhouse {
    /// A store that is not there yet: `repo create` makes it.
    ///
    /// # Panics
    /// When there is no room for temporary folders.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Packhouse { folder, env: Vec::new() }
    }

    /// A store with an empty repo `a/b`.
    pub fn with_repo() -> Self {
        let store = Packhouse::new();
        store.run(["repo", "create", "a/b"]).ok();
        store
    }

    /// A store with an empty repo `a/b`, whose packs are in a bucket.
    pub fn on_s3(server: &S3Server) -> Self {
        let store = Packhouse::new().in_bucket(server);
        store.run(["repo", "create", "a/b"]).ok();
        store
    }

    /// With its packs in a bucket.
    pub fn in_bucket(self, server: &S3Server) -> Self {
        let store = self.with_env("PACKHOUSE_STORAGE_URL", &server.url(PREFIX));
        server.env().iter().fold(store, |store, (name, value)| store.with_env(name, value))
    }

    /// With something in the environment of its calls.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Folder of the store.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for other files.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn scratch(&self) -> PathBuf {
        let scratch = self.folder.path().join("scratch");
        std::fs::create_dir_all(&scratch).expect("a folder can be made in a temporary one");
        scratch
    }

    /// A pack as a file.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.scratch().join(name);
        std::fs::write(&path, bytes).expect("a file can be written to a temporary folder");
        path.to_str().expect("temporary folders have names in UTF-8").to_owned()
    }

    /// A call, not yet started: with this store and `--json`, and nothing of the caller's
    /// environment that could matter.
    pub fn command<S: AsRef<std::ffi::OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
    ) -> Command {
        self.call(
            ["--json"]
                .map(OsString::from)
                .into_iter()
                .chain(words.into_iter().map(|word| word.as_ref().to_owned())),
        )
    }

    fn call(&self, words: impl IntoIterator<Item = OsString>) -> Command {
        let _ = std::fs::create_dir_all(self.data());
        share_cache(&self.data());
        let mut command = Command::new(program());
        command.arg("--data").arg(self.data()).args(words).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        if let CatalogPlace::Postgres(url) = place::catalog(&self.data()) {
            command.env("PACKHOUSE_DATABASE_URL", url);
        }
        command.env("HOME", self.folder.path()).env("NO_COLOR", "1").env_remove("XDG_DATA_HOME");
        // Not the config file of this machine.
        command.env("PACKHOUSE_CONFIG", "/dev/null");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A call of the binary with `--json`.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        ran(self.command(words), 3)
    }

    /// A call of the binary with `--json` that asks a server, with a token if there is one; nothing
    /// of this store but its folders is used.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn run_remote<S: AsRef<std::ffi::OsStr>>(
        &self,
        url: &str,
        token: Option<&str>,
        words: impl IntoIterator<Item = S>,
    ) -> Ran {
        // Without `--data`, which is about a store on this machine.
        let mut there = Command::new(program());
        for (name, value) in self.call([]).get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        there.arg("--remote").arg(url).arg("--json").args(words).stdin(Stdio::null());
        there.env_remove("PACKHOUSE_DATABASE_URL");
        there.envs(token.map(|token| ("PACKHOUSE_TOKEN", token)));
        ran(there, 3)
    }

    /// A call of the binary with `--json` about the store of another folder, which need not be
    /// there.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn at<S: AsRef<std::ffi::OsStr>>(
        &self,
        data: &Path,
        words: impl IntoIterator<Item = S>,
    ) -> Ran {
        ran(self.command_at(data, words), 3)
    }

    /// Such a call, not yet started.
    pub fn command_at<S: AsRef<std::ffi::OsStr>>(
        &self,
        data: &Path,
        words: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut there = Command::new(program());
        for (name, value) in self.call([]).get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        // Only for existing stores: a folder that a test checks stays as it is.
        if data.join("packs").is_dir()
            && std::fs::metadata(data.join("catalog.db")).is_ok_and(|found| found.len() > 8192)
        {
            share_cache(data);
        }
        there.arg("--data").arg(data).arg("--json").args(words).stdin(Stdio::null());
        there
    }

    /// The same without `--json`, as people call it.
    pub fn text<S: AsRef<std::ffi::OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        ran(self.call(words.into_iter().map(|word| word.as_ref().to_owned())), 2)
    }

    /// Pushes files to `a/b`.
    pub fn push<S: AsRef<std::ffi::OsStr>>(&self, files: impl IntoIterator<Item = S>) -> Ran {
        let words = ["push", "a/b"].map(OsString::from).into_iter();
        self.run(words.chain(files.into_iter().map(|file| file.as_ref().to_owned())))
    }

    /// `repo show a/b`.
    pub fn show(&self) -> Value {
        self.run(["repo", "show", "a/b"]).ok().json()
    }

    /// Consolidates `a/b`.
    pub fn gc(&self) -> Value {
        self.run(["gc", "a/b"]).ok().json()
    }

    /// Fetches from `a/b`; the answer, and the bytes of its pack, taken from its URL.
    ///
    /// # Panics
    /// When it fails.
    pub fn fetch(&self, words: &[&str]) -> (Value, Vec<u8>) {
        let answer = self.run(["fetch", "a/b"].iter().chain(words)).ok().json();
        let url = answer["mpack_url"].as_str().expect("a fetch answers a URL");
        let pack = match url.strip_prefix("file://") {
            Some(path) => std::fs::read(path).expect("the URL leads to the pack"),
            None => {
                let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
                runtime.block_on(crate::s3::get(url)).expect("the URL leads to the pack")
            }
        };
        assert_eq!(
            answer["mpack_key"],
            crate::model::key(&pack),
            "the key is the hash of the bytes"
        );
        assert_eq!(answer["bytes"], pack.len());
        (answer, pack)
    }

    /// What is visible of the store: `repo show`, and every file with its bytes' hash. Two that are
    /// equal: nothing changed. The database's own files are left out (what they say is in `repo
    /// show`), and so are caches.
    pub fn picture(&self) -> Picture {
        let mut files = Vec::new();
        list(&self.data(), &self.data(), &mut files);
        files.sort();
        Picture { show: self.show(), files }
    }

    /// Stored packs, by path.
    pub fn pack_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        list(&self.data(), &self.data(), &mut files);
        let packs =
            files.iter().filter(|(name, _)| name.starts_with("packs/") && name.ends_with(".mpack"));
        packs.map(|(name, _)| self.data().join(name)).collect()
    }
}

/// The embedded default keeps compiled components in the store; compiling again for each test would
/// take minutes.
fn share_cache(data: &Path) {
    let link = data.join("cache");
    if std::fs::symlink_metadata(&link).is_err() {
        // Where it can't be linked, since there is no such folder maybe, tests are slower and
        // nothing else.
        let _ = std::os::unix::fs::symlink(cache_folder(), link);
    }
}

/// The result of a call. Its arguments are those after the first few, which name the store.
fn ran(mut command: Command, first: usize) -> Ran {
    let output = command.output().expect("the binary can be started");
    let words: Vec<String> =
        command.get_args().skip(first).map(|word| word.to_string_lossy().into_owned()).collect();
    Ran {
        words: words.join(" "),
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// What is visible of a store.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// `repo show`.
    pub show: Value,
    /// Files below the store's folder, each with the key of its bytes.
    pub files: Vec<(String, String)>,
}

fn list(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        if name == "cache" || name.starts_with("catalog.db") {
            continue;
        }
        if path.is_dir() {
            list(root, &path, files);
        } else if let Ok(bytes) = std::fs::read(&path) {
            files.push((name, crate::model::key(&bytes)));
        }
    }
}
