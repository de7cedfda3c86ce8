//! `packhouse serve` as a process, on a store of a test.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::binary::Packhouse;

/// A running server. It is killed when this ends, if it still lives.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// What it said when it began: `url`, `address`, …
    pub told: Value,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Served {
    /// Serves a store with --insecure-loopback, on a free port.
    pub fn trusting(store: &Packhouse, words: &[&str]) -> Served {
        let mut all = vec!["--insecure-loopback"];
        all.extend_from_slice(words);
        Served::start(store, "127.0.0.1:0", &all)
    }

    /// Serves a store at an address.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(store: &Packhouse, listen: &str, words: &[&str]) -> Served {
        Served::begun(store.command(Served::words(listen, words)))
    }

    /// Serves a store, in a process with a limit on open files.
    ///
    /// # Panics
    /// When it does not start.
    pub fn with_open_files(store: &Packhouse, files: u32, words: &[&str]) -> Served {
        let plain = store.command(Served::words("127.0.0.1:0", words));
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")])
            .arg(plain.get_program())
            .args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Served::begun(command)
    }

    /// The command line of a server. No disk space is reserved unless the words ask for it: what a
    /// test expects does not depend on how full the disk of the machine is.
    fn words<'a>(listen: &'a str, words: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["serve", "--listen", listen];
        if !words.contains(&"--keep-free") {
            all.extend(["--keep-free", "0"]);
        }
        all.extend(words);
        all
    }

    fn begun(mut command: Command) -> Served {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let log = child.stderr.take().map(|stderr: ChildStderr| {
            std::thread::spawn(move || {
                BufReader::new(stderr)
                    .lines()
                    .map_while(Result::ok)
                    .map(|line| line + "\n")
                    .collect()
            })
        });
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its stdout is ours");
        BufReader::new(stdout).read_line(&mut line).expect("it can be read");
        let told = serde_json::from_str(&line);
        match told {
            Ok(told) => Served { child, told, log },
            Err(why) => {
                let _ = child.kill();
                let log = log.and_then(|log| log.join().ok()).unwrap_or_default();
                panic!("`serve` does not begin ({why}): {line}{log}");
            }
        }
    }

    /// Where this machine reaches it.
    pub fn url(&self) -> &str {
        self.told["url"].as_str().expect("it tells its URL")
    }

    /// The remote of a repo.
    pub fn remote(&self, repo: &str) -> String {
        format!("{}/{repo}", self.url())
    }

    /// Its address, to start again at the same.
    pub fn address(&self) -> String {
        self.told["address"].as_str().expect("it tells its address").to_owned()
    }

    /// Asks it to stop, and gives its exit code and its log.
    ///
    /// # Panics
    /// When it can't be reached.
    pub fn stop(mut self) -> (Option<i32>, String) {
        self.signal(rustix::process::Signal::TERM);
        self.ended()
    }

    /// Its peak memory, in bytes.
    ///
    /// # Panics
    /// When it can't be read.
    pub fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the system tells");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes") << 10
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)
            .expect("it runs");
    }

    /// Kills it.
    pub fn kill(mut self) -> String {
        let _ = self.child.kill();
        self.ended().1
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it can't be waited for.
    pub fn ended(&mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("a child can be waited for");
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        (status.code(), log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
