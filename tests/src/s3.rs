//! An S3 server for a test: a process of its own, over real HTTP, with its signatures checked.

use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use packhouse_host::{S3Checksum, S3Options};
use tempfile::TempDir;

/// The one bucket.
const BUCKET: &str = "packhouse-tests";

/// A running server, with a bucket on its disk. Killed when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    process: Child,
    port: u16,
    keys: (String, String),
    root: TempDir,
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| crate::binary::example("s3-server"))
}

/// Sixteen digits that are others in each process.
fn made_up() -> String {
    format!("{:016x}", std::hash::RandomState::new().build_hasher().finish())
}

fn run(root: &Path, keys: &(String, String), port: u16, trouble: &[&str]) -> (Child, u16) {
    let mut command = Command::new(program());
    command.arg(root).args([&keys.0, &keys.1]).arg(port.to_string()).args(trouble);
    // It ends with its stdin: also when the test is killed.
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server can be started");
    let mut line = String::new();
    let stdout = process.stdout.take().expect("its stdout is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("the server says its port");
    let port = line.trim().parse().expect("the server says its port");
    (process, port)
}

impl S3Server {
    /// A server with an empty bucket, which does what it should.
    pub fn start() -> S3Server {
        S3Server::with_trouble(&[])
    }

    /// A server that does something wrong on purpose: see the example `s3-server`.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn with_trouble(trouble: &[&str]) -> S3Server {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket can be made");
        let keys = (format!("AK{}", made_up()), format!("{}{}", made_up(), made_up()));
        let (process, port) = run(root.path(), &keys, 0, trouble);
        S3Server { process, port, keys, root }
    }

    /// Kills it, if it has not died.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Waits until it has died.
    ///
    /// # Panics
    /// When it can't be waited for.
    pub fn wait(&mut self) {
        self.process.wait().expect("a child can be waited for");
    }

    /// Starts it again where it was, with what it had.
    pub fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same, as a server that does something wrong on purpose.
    pub fn restart_with(&mut self, trouble: &[&str]) {
        self.kill();
        (self.process, self.port) = run(self.root.path(), &self.keys, self.port, trouble);
    }

    /// Storage in its bucket.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// The environment variables of its clients.
    pub fn env(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let (access, secret) = self.keys.clone();
        let pairs = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", access),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// The same for a store in this process, with a short retry timeout.
    pub fn options(&self, prefix: &str, spool: &Path) -> S3Options {
        S3Options {
            url: self.url(prefix),
            spool: spool.to_owned(),
            budget: 1 << 30,
            retry_timeout: Duration::from_secs(20),
            checksum: S3Checksum::default(),
            settings: self.env(),
        }
    }

    /// Where an object is on the server's disk.
    pub fn file(&self, object: &str) -> PathBuf {
        self.root.path().join(BUCKET).join(object)
    }

    /// The objects under a prefix, by name.
    pub fn objects(&self, prefix: &str) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.root.path().join(BUCKET), &self.file(prefix), &mut found);
        found.sort();
        found
    }

    /// Files of incomplete multipart uploads on the server's disk.
    ///
    /// # Panics
    /// When it can't be read.
    pub fn unfinished(&self) -> usize {
        let listed = std::fs::read_dir(self.root.path()).expect("the root can be listed");
        listed
            .filter(|entry| {
                entry.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().contains(".part-"))
            })
            .count()
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The response of a plain GET of a URL; `None` when it is refused.
///
/// # Panics
/// When there is no response.
pub async fn get(url: &str) -> Option<Vec<u8>> {
    // It may not be installed yet in this process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::get(url).await.expect("the server answers");
    if !answer.status().is_success() {
        return None;
    }
    Some(answer.bytes().await.expect("the answer can be read").to_vec())
}
