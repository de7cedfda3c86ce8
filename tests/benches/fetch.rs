//! What a fetch costs on a server, and how that grows with the repo: a pull, the URL of a clone, a
//! clone that is streamed, and the same pull by `git upload-pack` on a history of the same shape, in
//! turns in one run.
//!
//! ```text
//! cargo bench -p packhouse-tests --bench fetch                      10⁴, 10⁵ and 10⁶ records
//! cargo bench -p packhouse-tests --bench fetch -- 1e4 1e5           these sizes
//! cargo bench -p packhouse-tests --bench fetch -- servers 1e4       on Postgres and S3
//! cargo bench -p packhouse-tests --bench fetch -- negotiation       refs, negotiate, filter-objects
//! ```
//!
//! A history is a line of commits, each with ten objects of 16 bytes at new paths and a snapshot
//! that is a delta: twelve records a commit, pushed in twenty packs, consolidated into one, and with
//! a push of one commit on top of that one. git gets the same files and commits (without the push on
//! top) by `fast-import`, then `repack -adf`.
//!
//! Each measured run is a process of its own, so that its peak memory is its own. It opens the
//! store before the clock starts, and fetches twice as a server does: it plans, and reads the whole
//! stream. The first fetch of a process also reads what a server keeps in memory from then on. A
//! pull brings one commit more then, so that its plan is not used again; a clone is planned once.
//! git's time is that of its process. *First byte*, *read* and *sent* are those of the first fetch:
//! the bytes of all read calls of the process, SQLite's pages included; on S3 what was downloaded.
//! *Fifty clones* are fifty streams at once, and their rate is compared with that of one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

#[path = "fetch/negotiation.rs"]
mod negotiation;
#[path = "fetch/process.rs"]
mod process;

use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use packhouse_tests::cases::{NewFile, OBJECTS, even_packs, line_of_commits_in};
use packhouse_tests::postgres;
use packhouse_tests::s3::S3Server;

use process::{Measured, Place, child, child_of, median, peak_of};

/// Records of a commit: its objects, its snapshot and itself.
const RECORDS: usize = OBJECTS + 2;
const PACKS: usize = 20;
/// Commits that a pull brings.
const PULLS: [usize; 3] = [1, 100, 10_000];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("child") => child(&arguments[1..]),
        Some("negotiation") => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(negotiation::measure());
        }
        Some("--test") => println!("benchmarks don't run as tests"),
        _ => measure(&arguments),
    }
}

fn measure(arguments: &[String]) {
    let on_servers = arguments.iter().any(|word| word == "servers");
    let mut sizes: Vec<usize> = arguments
        .iter()
        .filter_map(|word| word.parse::<f64>().ok())
        .map(|size| size as usize)
        .collect();
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    let columns = [
        "records",
        "packs",
        "fetch",
        "first byte",
        "first",
        "again",
        "peak",
        "read",
        "sent",
        "statements",
        "git",
        "git's peak",
        "git sends",
        "to git",
    ];
    println!("| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
    for size in sizes {
        let root = std::env::var_os("PACKHOUSE_BENCH_DIR")
            .map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
            .join("fetch");
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).unwrap();
        let history = History::write(&root, size / RECORDS);
        if on_servers {
            history.on_servers(&root)
        } else {
            history.on_files(&root)
        }
        std::fs::remove_dir_all(&root).unwrap();
    }
}

/// A line of commits, as packs and as a git repository.
struct History {
    packs: Vec<PathBuf>,
    /// A pack with one commit more, which git does not have.
    on_top: PathBuf,
    /// Ids of the commits without that one, oldest first.
    commits: Vec<String>,
    git: PathBuf,
    /// Their ids in git.
    git_commits: Vec<String>,
}

impl History {
    fn write(root: &Path, count: usize) -> History {
        let git = root.join("git");
        run(Command::new("git").args(["init", "--quiet", "--bare"]).arg(&git));
        let marks = root.join("marks");
        let mut import = Command::new("git")
            .arg("-C")
            .arg(&git)
            .args(["fast-import", "--quiet"])
            .arg(format!("--export-marks={}", marks.display()))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stream = BufWriter::new(import.stdin.take().unwrap());
        let to_git = |number: usize, files: &[NewFile]| {
            if number == count {
                return;
            }
            writeln!(stream, "commit refs/heads/main\nmark :{}", number + 1).unwrap();
            let second = 1_767_225_600 + number;
            writeln!(stream, "committer b <b@example.org> {second} +0000\ndata 0").unwrap();
            for (path, content) in files {
                writeln!(stream, "M 100644 inline {path}\ndata {}", content.len()).unwrap();
                stream.write_all(content).unwrap();
                writeln!(stream).unwrap();
            }
        };
        let in_packs = [even_packs(count, PACKS), vec![1]].concat();
        let (written, mut commits) = line_of_commits_in(&in_packs, to_git);
        commits.truncate(count);
        let to_file = |(number, pack): (usize, Vec<u8>)| {
            let path = root.join(format!("{number:02}.mpack"));
            std::fs::write(&path, pack).unwrap();
            path
        };
        let mut packs: Vec<PathBuf> = written.into_iter().enumerate().map(to_file).collect();
        let on_top = packs.pop().unwrap();
        stream.flush().unwrap();
        drop(stream);
        assert!(import.wait().unwrap().success());
        run(Command::new("git").arg("-C").arg(&git).args(["repack", "-adfq"]));
        let marks = std::fs::read_to_string(marks).unwrap();
        let mut git_commits = vec![String::new(); count];
        for line in marks.lines() {
            let (mark, id) = line.trim_start_matches(':').split_once(' ').unwrap();
            git_commits[mark.parse::<usize>().unwrap() - 1] = id.to_owned();
        }
        History { packs, on_top, commits, git, git_commits }
    }

    /// Pulls of this history: how many commits, and the one before the last that the client has,
    /// and that one.
    fn pulls(&self) -> impl Iterator<Item = (usize, &[String])> {
        let last = self.commits.len() - 1;
        PULLS
            .into_iter()
            .filter(move |n| *n < last)
            .map(move |n| (n, &self.commits[last - n - 1..=last - n]))
    }

    fn on_files(&self, root: &Path) {
        let store = root.join("store");
        child_of("push", &Place::Files(store.clone()), &self.packs);
        for packs in [PACKS, 1] {
            if packs == 1 {
                child_of("gc", &Place::Files(store.clone()), NO_WORDS);
            }
            self.fetches(packs, &Place::Files(store.clone()));
        }
        child_of("push", &Place::Files(store.clone()), std::slice::from_ref(&self.on_top));
        self.clones(2, &Place::Files(store));
    }

    fn on_servers(&self, root: &Path) {
        let cluster = postgres::cluster().expect("Postgres is installed");
        let server = S3Server::start();
        let place = Place::Servers {
            spool: root.join("spool"),
            database: cluster.database(&format!("fetch_{}", self.commits.len())),
            storage: server.options("fetch", &root.join("spool")),
            log: cluster.log.clone(),
        };
        child_of("push", &place, &self.packs);
        for packs in [PACKS, 1] {
            if packs == 1 {
                child_of("gc", &place, NO_WORDS);
            }
            // What was written here is in the spool; another machine has none of it.
            std::fs::remove_dir_all(root.join("spool")).unwrap();
            self.fetches(packs, &place);
        }
        child_of("push", &place, std::slice::from_ref(&self.on_top));
        std::fs::remove_dir_all(root.join("spool")).unwrap();
        self.clones(2, &place);
    }

    fn fetches(&self, packs: usize, place: &Place) {
        for (count, have) in self.pulls() {
            let rounds = (0..5).map(|_| {
                let ours = child_of("pull", place, have);
                let last = self.git_commits.len() - 1;
                (ours, self.git_pull(&self.git_commits[last - count]))
            });
            let (ours, git): (Vec<_>, Vec<_>) = rounds.unzip();
            self.report(packs, &format!("pull of {count}"), &median(ours), Some(&median(git)));
        }
        let nothing = self.commits.last().unwrap();
        self.report(packs, "pull of nothing", &child_of("pull", place, &[nothing]), None);
        self.clones(packs, place);
        self.report(packs, "repo show", &child_of("show", place, NO_WORDS), None);
    }

    fn clones(&self, packs: usize, place: &Place) {
        self.report(packs, "URL of a clone", &child_of("url", place, NO_WORDS), None);
        self.report(packs, "clone", &child_of("clone", place, NO_WORDS), None);
        let fifty = child_of("fifty", place, NO_WORDS);
        self.report(packs, "fifty clones", &fifty, None);
        eprintln!("{packs} packs: fifty clones have {:.2} of the rate of one", fifty.rate);
    }

    fn report(&self, packs: usize, what: &str, ours: &Measured, git: Option<&Measured>) {
        let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
        let [of_git, peak, sent, ratio] = match git {
            None => [(); 4].map(|()| String::new()),
            Some(git) => [
                ms(git.again),
                format!("{:.0} MB", git.peak as f64 / 1e6),
                git.sent.to_string(),
                format!("{:.2}", ours.again / git.again),
            ],
        };
        let records = self.commits.len() * RECORDS;
        let [records, packs] = [records, packs].map(|number| number.to_string());
        let times = [ours.first_byte, ours.first, ours.again].map(ms);
        let our_peak = format!("{:.0} MB", ours.peak as f64 / 1e6);
        let counts = [ours.read, ours.sent, ours.statements].map(|count| count.to_string());
        let row = [
            &[records, packs, what.to_owned()][..],
            &times,
            &[our_peak],
            &counts,
            &[of_git, peak, sent, ratio],
        ];
        println!("| {} |", row.concat().join(" | "));
    }

    /// The same pull by git: its server's process, with a request that a client would send.
    fn git_pull(&self, have: &str) -> Measured {
        let head = self.git_commits.last().unwrap();
        let line = |text: String| format!("{:04x}{text}", text.len() + 4);
        let request = [
            line(format!("want {head} thin-pack ofs-delta no-progress\n")),
            "0000".into(),
            line(format!("have {have}\n")),
            line("done\n".into()),
        ]
        .concat();
        let began = Instant::now();
        let mut git = Command::new("git")
            .args(["upload-pack", "--stateless-rpc"])
            .arg(&self.git)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        git.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
        let (sent, peak) = drain(&mut git);
        assert!(git.wait().unwrap().success());
        let seconds = began.elapsed().as_secs_f64();
        assert!(sent > 100, "git sends a pack");
        Measured { first: seconds, again: seconds, peak, sent, ..Measured::default() }
    }
}

/// Reads all that a process writes: how many bytes, and the peak memory that it and its children
/// were seen with.
fn drain(process: &mut Child) -> (u64, u64) {
    let mut out = process.stdout.take().unwrap();
    let (mut sent, mut peak, mut buffer) = (0, 0, vec![0; 1 << 16]);
    loop {
        let pid = process.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let all = std::iter::once(pid.to_string()).chain(children.split(' ').map(str::to_owned));
        peak = peak.max(all.filter_map(|pid| peak_of(&pid)).sum());
        match out.read(&mut buffer).unwrap() {
            0 => return (sent, peak),
            n => sent += n as u64,
        }
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success());
}

const NO_WORDS: &[&str] = &[];
