//! A Postgres cluster of this process, from the installed server: created on first use, deleted
//! with the process.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use packhouse_host::CatalogPlace;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// A running cluster. It requires no password, except of the role `guarded`, which a test creates.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    /// Databases that are copies of [`TEMPLATE`], and that one, which belongs to no test.
    made: Mutex<BTreeMap<String, Option<PathBuf>>>,
    /// What the server writes: every statement.
    pub log: PathBuf,
    /// It stops when this ends, and this ends with us.
    _stdin: std::process::ChildStdin,
}

/// The database that others are copied from.
const TEMPLATE: &str = "with_catalog";

/// The cluster; `None`, said loudly, where Postgres is not installed.
///
/// # Panics
/// When it is installed and can't be started.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let found = CLUSTER.get_or_init(|| Some(Cluster::start(&programs()?))).as_ref();
    if found.is_none() {
        crate::skipped("postgres", "no initdb is in PATH or in /usr/lib/postgresql/*/bin");
    }
    found
}

/// The folder with `initdb` and `postgres`.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"));
    installed
        .chain(in_path)
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// Where clusters are: in memory, where there is room even for tests that leave all their databases
/// behind. Each database is some hundred files.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |found| found.f_bavail * found.f_frsize);
    if room > 12 << 30 { memory.to_owned() } else { std::env::temp_dir() }
}

/// Postgres refuses to run as root: then another user owns it.
fn somebody_else() -> Option<u32> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let output = Command::new("id").args(["-u", "postgres"]).output().ok();
    let id = output
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.trim().parse().ok());
    Some(id.unwrap_or(65534))
}

impl Cluster {
    fn start(programs: &Path) -> Cluster {
        let folder = tempfile::Builder::new()
            .prefix("packhouse-postgres-")
            .tempdir_in(place())
            .expect("a temporary folder can be made")
            .keep();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("there is a free port")
            .port();
        let user = somebody_else();
        if let Some(user) = user {
            std::os::unix::fs::chown(&folder, Some(user), None)
                .expect("root can give a folder away");
        }
        let log = folder.join("log");
        // The shell outlives us by a moment: when its input ends, it stops the server and removes
        // the folder.
        let script = r#"
            set -e
            "$1/initdb" --pgdata="$2/data" --username=packhouse --auth=trust --encoding=UTF8 --locale=C --no-sync >"$2/initdb.log" 2>&1
            echo "host all guarded 127.0.0.1/32 scram-sha-256" | cat - "$2/data/pg_hba.conf" >"$2/pg_hba.conf"
            mv "$2/pg_hba.conf" "$2/data/pg_hba.conf"
            "$1/postgres" -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off \
                -c full_page_writes=off -c max_connections=400 -c log_statement=all -c log_line_prefix='%d ' >"$2/log" 2>&1 &
            cat >/dev/null || true
            kill -QUIT $! || true
            wait || true
            rm -rf "$2"
        "#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(programs).arg(&folder).arg(port.to_string());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir(&folder)
            .process_group(0);
        if let Some(user) = user {
            command.uid(user);
        }
        #[expect(clippy::zombie_processes, reason = "it ends after us")]
        let mut shell = command.spawn().expect("a shell can be started");
        let stdin = shell.stdin.take().expect("it was asked for");
        let cluster = Cluster { port, made: Mutex::default(), log, _stdin: stdin };
        cluster.wait(&folder);
        cluster
    }

    /// Waits until it answers.
    fn wait(&self, folder: &Path) {
        let mut looks = 0;
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err()
            || !answers(&self.url("postgres"))
        {
            assert!(
                looks < 3000,
                "Postgres does not start: {}{}",
                std::fs::read_to_string(folder.join("initdb.log")).unwrap_or_default(),
                std::fs::read_to_string(&self.log).unwrap_or_default()
            );
            looks += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where a database of it is.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://packhouse@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates a database, if it does not exist; returns its URL.
    ///
    /// # Panics
    /// When it can't be created.
    pub fn database(&self, name: &str) -> String {
        match self.admin(format!("CREATE DATABASE {name}")) {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P04") => {}
            made => made.expect("a database can be made"),
        }
        self.url(name)
    }

    /// A database with an empty catalog, made when it is first asked for. It is a copy of one that
    /// has the tables: most tests are not about making those. It is dropped some time after `test`, the
    /// temporary folder of a test, is gone.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn with_catalog(&self, name: &str, test: &Path) -> String {
        let mut made = self.made.lock().expect("no test panicked while it held the lock");
        if !made.contains_key(TEMPLATE) {
            let place = CatalogPlace::Postgres(self.database(TEMPLATE));
            let open = async { place.open().await.map(drop) };
            std::thread::scope(|scope| scope.spawn(|| in_runtime(open)).join())
                .expect("it does not panic")
                .expect("a catalog can be made");
            made.insert(TEMPLATE.to_owned(), None);
        }
        if !made.contains_key(name) {
            self.drop_left_behind(&mut made);
            self.copied(TEMPLATE, name);
            made.insert(name.to_owned(), Some(test.to_owned()));
        }
        self.url(name)
    }

    /// Drops the databases of tests that have ended.
    fn drop_left_behind(&self, made: &mut BTreeMap<String, Option<PathBuf>>) {
        made.retain(|name, test| {
            let is_used = test.as_ref().is_none_or(|test| test.exists());
            if !is_used {
                // Some connections may still be open. What can't be dropped goes with the cluster.
                let _ = self.admin(format!("DROP DATABASE {name} WITH (FORCE)"));
            }
            is_used
        });
    }

    /// Makes a database in which texts order by the rules of a language and not by their bytes,
    /// where this Postgres can.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn english(&self, name: &str) -> String {
        let made = self.admin(format!(
            "CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        ));
        if made.is_ok() { self.url(name) } else { self.database(name) }
    }

    /// Makes a database that is the copy of another. It is dropped as those of [`Self::with_catalog`] are.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn copy(&self, from: &str, to: &str, test: &Path) {
        self.copied(from, to);
        let mut made = self.made.lock().expect("no test panicked while it held the lock");
        made.insert(to.to_owned(), Some(test.to_owned()));
    }

    fn copied(&self, from: &str, to: &str) {
        // The session that has just closed the other one may still be ending.
        let leave = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'"
        );
        self.admin(leave).expect("others can be sent away");
        let mut looks = 0;
        while let Err(error) = self.admin(format!("CREATE DATABASE {to} TEMPLATE {from}")) {
            looks += 1;
            assert!(looks < 1000, "a database can be copied: {error}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs a statement as the superuser. In a thread of its own: the caller may or may not be in a
    /// runtime.
    ///
    /// # Errors
    /// Those of the statement.
    ///
    /// # Panics
    /// Never.
    pub fn admin(&self, sql: String) -> Result<(), sqlx::Error> {
        let url = self.url("postgres");
        std::thread::spawn(move || in_runtime(run(&url, sql))).join().expect("it does not panic")
    }
}

async fn run(url: &str, sql: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(drop)
}

fn answers(url: &str) -> bool {
    let url = url.to_owned();
    std::thread::spawn(move || in_runtime(run(&url, "SELECT 1".into())).is_ok())
        .join()
        .unwrap_or(false)
}

fn in_runtime<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
        .block_on(what)
}
