//! What others do with the same objects, in as many packs: git, restic, and a plain job in Python.
//!
//! They do not do the same. git copies objects without hashing each (`git fsck` does that), restic
//! encrypts and makes several packs, the plain job verifies nothing. Their processes start inside of the
//! measured time. None of them compresses or looks for deltas here: objects are random bytes. What a
//! pack repeats of those before, git and restic have dropped when it came, which is not measured.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use packhouse_tests::cases::Case;
use rmpv::Value;

use super::must;

/// Objects that restic is given at most: each is a file.
const MOST_FILES: usize = 300_000;
/// Backups that restic is given at most: deriving its key takes a second for each.
const MOST_BACKUPS: usize = 100;

/// Nothing that is not consolidation: no compression, deltas or bitmaps; each import leaves a pack.
const GIT_SETTINGS: [(&str, &str); 4] = [
    ("core.compression", "0"),
    ("pack.window", "0"),
    ("repack.writeBitmaps", "false"),
    ("fastimport.unpackLimit", "1"),
];

/// A program that consolidates.
pub(super) struct Peer {
    /// What the table calls it.
    pub(super) name: &'static str,
    /// A call that succeeds where it is installed.
    probe: &'static [&'static str],
    /// Whether a case can be measured in minutes.
    fits: fn(&Case) -> bool,
    /// Fills a folder with what the packs hold.
    fill: fn(&Path, &[PathBuf]),
    /// Consolidates what is in that folder.
    consolidate: &'static [&'static str],
}

/// All of them.
pub(super) const PEERS: [Peer; 4] = [
    Peer {
        name: "`git repack -adq`",
        probe: &["git", "--version"],
        fits: |_| true,
        fill: fill_git,
        consolidate: &["git", "repack", "-adq"],
    },
    Peer {
        name: "`git repack -dq --geometric=2`",
        probe: &["git", "--version"],
        fits: |_| true,
        fill: fill_git,
        consolidate: &["git", "repack", "-dq", "--geometric=2"],
    },
    Peer {
        name: "`restic prune --repack-small`",
        probe: &["restic", "version"],
        fits: |case| case.packs <= MOST_BACKUPS && case.packs * case.objects <= MOST_FILES,
        fill: fill_restic,
        consolidate: &[
            "restic",
            "prune",
            "--quiet",
            "--compression=off",
            "--max-unused=0",
            "--pack-size=128",
            "--repack-small",
        ],
    },
    Peer {
        name: "the plain job in Python",
        probe: &["python3", "-c", "import msgpack"],
        fits: |_| true,
        fill: fill_plain,
        consolidate: &[
            "python3",
            concat!(env!("CARGO_MANIFEST_DIR"), "/benches/throughput/plain.py"),
            "packs",
            ".",
        ],
    },
];

/// A peer that is there, with its folder for a case.
pub(super) struct Prepared {
    peer: &'static Peer,
    folder: PathBuf,
}

impl Peer {
    /// Fills a folder for a case. Says why not, if it can't.
    pub(super) fn prepare(
        &'static self,
        folder: &Path,
        case: &Case,
        packs: &[PathBuf],
    ) -> Result<Prepared, &'static str> {
        let probe = command(self.probe, Path::new("."))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !probe.is_ok_and(|status| status.success()) {
            return Err("not installed");
        }
        if !(self.fits)(case) {
            return Err("would take too long");
        }
        std::fs::create_dir_all(folder).unwrap();
        (self.fill)(folder, packs);
        Ok(Prepared { peer: self, folder: folder.to_owned() })
    }
}

impl Prepared {
    /// What the table calls it.
    pub(super) fn name(&self) -> &'static str {
        self.peer.name
    }

    /// How many seconds a consolidation takes, of a copy of the folder.
    pub(super) fn consolidate(&self) -> f64 {
        let copy = self.folder.with_extension("copy");
        // Links: all of them write new files.
        must(Command::new("cp").arg("-al").arg(&self.folder).arg(&copy));
        let mut consolidate = command(self.peer.consolidate, &copy);
        let begun = Instant::now();
        must(&mut consolidate);
        let seconds = begun.elapsed().as_secs_f64();
        std::fs::remove_dir_all(&copy).unwrap();
        seconds
    }
}

/// A call in a folder, with the settings that all share.
fn command(words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder);
    command.env("RESTIC_REPOSITORY", "store").env("RESTIC_PASSWORD", "of a benchmark");
    command.env("RESTIC_CACHE_DIR", "cache");
    // Not the settings of this machine.
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_CONFIG_COUNT", GIT_SETTINGS.len().to_string());
    for (number, (key, value)) in GIT_SETTINGS.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{number}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
    }
    command
}

/// The objects of a pack that none of the packs before has.
fn new_objects(pack: &Path, known: &mut HashSet<String>) -> Vec<(String, Vec<u8>)> {
    let pack = rmpv::decode::read_value(&mut &std::fs::read(pack).unwrap()[..]).unwrap();
    let of = |map: &Value, key: &str| {
        let entries = map.as_map().unwrap().iter();
        entries.clone().find(|(name, _)| name.as_str() == Some(key)).unwrap().1.clone()
    };
    let objects = of(&pack, "objects");
    let objects = objects.as_array().unwrap().iter().map(|object| {
        let id = of(object, "object_id").as_str().unwrap().to_owned();
        (id, of(object, "content").as_slice().unwrap().to_owned())
    });
    objects.filter(|(id, _)| known.insert(id.clone())).collect()
}

/// A pack of git for each pack: a commit whose tree has its objects.
fn fill_git(folder: &Path, packs: &[PathBuf]) {
    must(&mut command(&["git", "init", "--quiet", "--bare", "."], folder));
    let mut known = HashSet::new();
    for (number, pack) in packs.iter().enumerate() {
        let mut import = command(&["git", "fast-import", "--quiet"], folder);
        let mut import = import.stdin(Stdio::piped()).spawn().unwrap();
        let mut stream = BufWriter::new(import.stdin.take().unwrap());
        let objects = new_objects(pack, &mut known);
        for (mark, (_, content)) in objects.iter().enumerate() {
            write!(stream, "blob\nmark :{}\ndata {}\n", mark + 1, content.len()).unwrap();
            stream.write_all(content).unwrap();
            stream.write_all(b"\n").unwrap();
        }
        write!(stream, "commit refs/heads/main\ncommitter a <a@b> {number} +0000\ndata 0\n")
            .unwrap();
        if number > 0 {
            stream.write_all(b"from refs/heads/main^0\n").unwrap();
        }
        stream.write_all(b"deleteall\n").unwrap();
        for (mark, (id, _)) in objects.iter().enumerate() {
            writeln!(stream, "M 100644 :{} part{}/{id}", mark + 1, mark % 16).unwrap();
        }
        drop(stream.into_inner().unwrap());
        assert!(import.wait().unwrap().success());
    }
}

/// A backup of restic for each pack: a file for each of its objects.
fn fill_restic(folder: &Path, packs: &[PathBuf]) {
    must(&mut command(&["restic", "init", "--quiet"], folder));
    let mut known = HashSet::new();
    let files = folder.join("files");
    for pack in packs {
        std::fs::create_dir(&files).unwrap();
        for (id, content) in new_objects(pack, &mut known) {
            std::fs::write(files.join(id), content).unwrap();
        }
        must(&mut command(&["restic", "backup", "--quiet", "--compression=off", "files"], folder));
        std::fs::remove_dir_all(&files).unwrap();
    }
}

/// The packs themselves, durable as they are in a store.
fn fill_plain(folder: &Path, packs: &[PathBuf]) {
    let copies = folder.join("packs");
    std::fs::create_dir(&copies).unwrap();
    for pack in packs {
        let copy = copies.join(pack.file_name().unwrap());
        std::fs::copy(pack, &copy).unwrap();
        File::open(&copy).unwrap().sync_all().unwrap();
    }
}
