//! The console of the real binary in a real pseudo-terminal: it starts, suspends and resumes, and
//! restores the terminal however it ends.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "in tests, a failure should panic; clippy sees no tests in their helpers"
)]

mod hour;
mod pty;

use std::fs::File;
use std::process::{Command, Stdio};

use portable_pty::{PtyPair, PtySize, native_pty_system};
use rustix::process::Signal;

use packhouse_host::sample::{HistoryOptions, write_history};
use pty::{ENTER_SCREEN, LEAVE_SCREEN, PACKHOUSE, Served, Terminal, make_repo};

#[test]
fn q_quits_and_restores_the_terminal() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::console(data.path(), &[]);
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
}

#[test]
fn a_repo_is_deleted_after_its_name_is_typed() {
    let data = tempfile::tempdir().unwrap();
    make_repo(data.path());
    let listed = || {
        Command::new(PACKHOUSE)
            .arg("--data")
            .arg(data.path())
            .args(["--json", "repo", "list"])
            .output()
            .unwrap()
            .stdout
    };
    let delete = |typed: &str, answer: &str| {
        let mut terminal = Terminal::verb(data.path(), &["repo", "delete", "gabriel/notes"]);
        terminal.until_seen("Type its name");
        terminal.type_keys(typed);
        terminal.until_seen(answer);
        terminal.refused()
    };
    for typed in ["y\n", "\n", "gabriel\n", "gabriel/note\n", "\x04"] {
        let (code, seen) = delete(typed, "nothing was deleted");
        assert_eq!(code, 1, "{typed:?}: {seen}");
    }
    assert!(!listed().is_empty());
    let (code, seen) = delete("gabriel/notes\n", "repo restore gabriel/notes");
    assert_eq!(code, 0, "{seen}");
    assert!(listed().is_empty());
}

/// The server is killed during a consolidation and started again: the console shows it, continues,
/// and the consolidation is done.
#[test]
fn a_remote_console_outlives_its_server() {
    let data = tempfile::tempdir().unwrap();
    let store = data.path().join("store");
    let packhouse = |arguments: &[&str]| {
        let ended = Command::new(PACKHOUSE)
            .arg("--data")
            .arg(&store)
            .arg("--json")
            .args(arguments)
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    };
    packhouse(&["repo", "create", "gabriel/notes"]);
    // Large enough that a consolidation takes a while.
    let options = HistoryOptions {
        pushes: 6,
        object_bytes: 1_500_000..2_000_000,
        overlap: false,
        ..HistoryOptions::default()
    };
    let files = write_history(data.path(), &options).unwrap();
    let mut arguments = vec!["push", "gabriel/notes"];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    packhouse(&arguments);

    let served = Served::start(&store, "127.0.0.1:0");
    let mut terminal = Terminal::remote(&served.url, data.path());
    terminal.type_keys("g");
    terminal.until_seen("Consolidate gabriel/notes?");
    terminal.until_seen("Writes");
    terminal.type_keys("y");
    terminal.until_seen("writing");
    let address = served.address.clone();
    drop(served);
    terminal.until_seen("Disconnected");
    let _served = Served::start(&store, &address);
    while !packhouse(&["repo", "show", "gabriel/notes"]).contains("\"packs\":1,") {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // Ctrl-C quits at once if the console has seen the end of the run; otherwise it asks, and `w`
    // waits.
    terminal.type_keys("\x03w");
    assert_eq!(terminal.ended().exit_code(), 0);
    assert!(packhouse(&["verify", "gabriel/notes"]).contains("\"ok\":true"));
}

#[test]
fn a_console_makes_no_store() {
    for options in [&[][..], &["--read-only"]] {
        let data = tempfile::tempdir().unwrap();
        let (code, error) = Terminal::call(data.path(), options, &[]).refused();
        assert!(
            code == 1 && error.contains("there is no store") && error.contains("console --demo"),
            "{code}: {error}"
        );
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "something was created");
    }
}

#[test]
fn a_theme_has_its_colours_and_color_never_has_none() {
    let data = tempfile::tempdir().unwrap();
    let written = |options: &[&str], no_color: &str| {
        let all = [&["--demo"], options].concat();
        let mut terminal = Terminal::call(data.path(), &all, &[("NO_COLOR", no_color)]);
        terminal.until_seen(ENTER_SCREEN);
        // The list is displayed; before that nothing has a colour.
        terminal.until_seen("PACKS");
        terminal.type_keys("q");
        terminal.until_seen(LEAVE_SCREEN);
        terminal.seen().to_owned()
    };
    let coloured = |written: &str| written.contains("\x1b[38;5;") || written.contains(";38;5;");
    let seen = written(&["--theme", "default"], "1");
    assert!(coloured(&seen), "{seen:?}");
    // What crossterm writes instead of a disabled colour; it would reset bold and dim.
    assert!(!seen.contains("\x1b[m"), "{seen:?}");
    for (options, no_color) in [(&["--color", "never", "--theme", "light"][..], ""), (&[], "1")] {
        let plain = written(options, no_color);
        assert!(!coloured(&plain) && plain.contains("\x1b[7m"), "{plain:?}");
    }
}

#[test]
fn signals_quit_and_restore_the_terminal() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::HUP, 1)] {
        let data = tempfile::tempdir().unwrap();
        let terminal = Terminal::console(data.path(), &[]);
        terminal.send(signal);
        assert_eq!(terminal.ended().exit_code(), 128 + number);
    }
}

#[test]
fn another_size_is_drawn_anew() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::console(data.path(), &[]);
    for (rows, columns) in [(40, 120), (10, 40)] {
        terminal.resize(rows, columns);
        terminal.until_seen("gabriel/notes");
    }
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
}

/// A console that is a job is stopped, the shell gets its terminal back, and then the console
/// resumes.
fn stops_and_resumes(stop: impl FnOnce(&mut Terminal)) {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::job(data.path());
    stop(&mut terminal);
    terminal.until_seen(LEAVE_SCREEN);
    terminal.until_seen("stopped: ");
    assert!(!terminal.is_raw(), "a stopped console did not restore the terminal");
    terminal.type_keys("\n");
    terminal.until_seen(ENTER_SCREEN);
    terminal.until_seen("gabriel/notes");
    assert!(terminal.is_raw(), "raw mode is off");
    terminal.type_keys("q");
    terminal.until_seen("ended: 0");
    terminal.over();
}

#[test]
fn ctrl_z_stops_it_and_fg_resumes_it() {
    stops_and_resumes(|terminal| terminal.type_keys("\x1a"));
}

#[test]
fn sigtstp_stops_it_and_fg_resumes_it() {
    stops_and_resumes(|terminal| terminal.send(Signal::TSTP));
}

#[test]
fn without_a_shell_it_does_not_stop() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::console(data.path(), &[]);
    terminal.type_keys("\x1a");
    // Only one word of the notice: unchanged blanks are not drawn.
    terminal.until_seen("shell");
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
}

#[test]
fn after_sigstop_it_sets_the_modes_again() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::console(data.path(), &[]);
    terminal.send(Signal::STOP);
    terminal.until_stopped();
    terminal.make_sane();
    terminal.send(Signal::CONT);
    terminal.until_seen(ENTER_SCREEN);
    terminal.until_seen("gabriel/notes");
    terminal.type_keys("q");
    // Without raw mode the key would wait for a newline.
    assert_eq!(terminal.ended().exit_code(), 0);
}

/// A command of the config reads the keys itself, and finds the store of the console.
#[test]
fn a_command_of_the_config_has_the_terminal() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("c.toml");
    let script = r#"read line; echo "read-$line-$1"; "$2" --json repo list; exit 3"#;
    let run = ["sh", "-c", script, "sh", "$REPO", PACKHOUSE];
    let settings = format!("[commands.ask]\nkey = 't'\nrun = {}", serde_json::json!(run));
    std::fs::write(&config, settings).unwrap();
    let mut terminal = Terminal::console(data.path(), &["--config", config.to_str().unwrap()]);
    for _ in 0..2 {
        terminal.type_keys("t");
        terminal.until_seen(LEAVE_SCREEN);
        terminal.until_seen("$ sh -c");
        assert!(!terminal.is_raw());
        terminal.type_keys("vq\n");
        terminal.until_seen("read-vq-gabriel/notes");
        terminal.until_seen("\"repo\":\"gabriel/notes\"");
        terminal.until_seen("ask: exit code 3. Press Enter to return");
        terminal.type_keys("q\n");
        terminal.until_seen(ENTER_SCREEN);
        terminal.until_seen("gabriel/notes");
        assert!(terminal.is_raw());
    }
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
}

/// Ctrl-C ends the command and not the console.
#[test]
fn ctrl_c_is_for_the_command() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("c.toml");
    // The shell begins to wait only after it has said so.
    let script = "echo waits; exec sleep 600";
    let run = ["sh", "-c", script];
    let settings = format!("[commands.nap]\nkey = 't'\nrun = {}", serde_json::json!(run));
    std::fs::write(&config, settings).unwrap();
    let mut terminal = Terminal::console(data.path(), &["--config", config.to_str().unwrap()]);
    terminal.type_keys("t");
    terminal.until_seen("\nwaits");
    terminal.type_keys("\x03");
    terminal.until_seen("nap: ended by signal 2. Press Enter to return");
    terminal.type_keys("\n");
    terminal.until_seen(ENTER_SCREEN);
    terminal.until_seen("gabriel/notes");
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
}

#[test]
fn a_terminal_that_hangs_up_ends_it() {
    let data = tempfile::tempdir().unwrap();
    let terminal = Terminal::console(data.path(), &[]);
    assert_eq!(terminal.hung_up().exit_code(), 129);
}

#[test]
fn a_terminal_that_disappears_without_a_signal_ends_it_too() {
    let data = tempfile::tempdir().unwrap();
    let PtyPair { master, slave } =
        native_pty_system().openpty(PtySize { rows: 20, cols: 80, ..PtySize::default() }).unwrap();
    let tty = File::options().read(true).write(true).open(master.tty_name().unwrap()).unwrap();
    // Not the leader of a session, so there is no SIGHUP.
    let mut command = Command::new(PACKHOUSE);
    command.args(["console", "--demo", "--log"]).arg(data.path().join("log")).env("TERM", "xterm");
    let mut child =
        command.stdin(tty.try_clone().unwrap()).stdout(tty).stderr(Stdio::null()).spawn().unwrap();
    // Drop the slave, so that reading ends with the process.
    drop((command, slave));
    let mut reader = master.try_clone_reader().unwrap();
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    while !seen.contains(ENTER_SCREEN) {
        let read = reader.read(&mut buffer).unwrap();
        seen += &String::from_utf8_lossy(&buffer[..read]);
    }
    drop((master, reader));
    assert_eq!(pty::wait(&mut child).exit_code(), 1);
}

#[test]
fn the_mouse_is_captured_only_on_request() {
    for (options, taken) in [(&[][..], false), (&["--mouse"], true)] {
        let data = tempfile::tempdir().unwrap();
        let mut terminal = Terminal::console(data.path(), options);
        assert_eq!(terminal.seen().contains("\x1b[?1000h"), taken);
        terminal.type_keys("q");
        assert_eq!(terminal.ended().exit_code(), 0);
    }
}

#[test]
fn a_name_is_copied_by_osc_52() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::console(data.path(), &[]);
    terminal.type_keys("c");
    // gabriel/notes
    terminal.until_seen("\x1b]52;c;Z2FicmllbC9ub3Rlcw==");
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
}

#[test]
fn a_demo_makes_no_store() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let mut terminal =
        Terminal::call(&data, &["--demo"], &[("HOME", home.path().to_str().unwrap())]);
    terminal.until_seen(ENTER_SCREEN);
    terminal.until_seen("demo");
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
    assert!(!data.exists());
}

#[test]
fn the_log_goes_to_a_file_and_not_over_the_screen() {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("log");
    let mut terminal = Terminal::console(data.path(), &["-vv", "--log", log.to_str().unwrap()]);
    assert!(!terminal.seen().contains("opening the store"));
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
    assert!(std::fs::read_to_string(&log).unwrap().contains("opening the store"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_log_has_a_default_file() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::console(data.path(), &[]);
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
    assert!(data.path().join(".local/state/packhouse/console.log").exists());
}

#[test]
fn an_invalid_config_is_a_usage_error_with_its_position() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("c.toml");
    let call = |variables: &[(&str, &str)], options: &[&str]| {
        Terminal::call(data.path(), options, variables).refused()
    };
    let named = ["--demo", "--config", config.to_str().unwrap()];
    let (code, error) = call(&[], &named);
    assert!(code == 2 && error.contains("c.toml"), "{code}: {error}");
    std::fs::write(&config, "theme = 'dark'").unwrap();
    let (code, error) =
        call(&[("PACKHOUSE_CONSOLE_CONFIG", config.to_str().unwrap())], &["--demo"]);
    assert!(code == 2 && error.contains("c.toml:1:9: "), "{code}: {error}");
}

#[test]
fn a_dumb_terminal_is_refused_with_the_way_out() {
    let data = tempfile::tempdir().unwrap();
    let (code, error) = Terminal::call(data.path(), &["--demo"], &[("TERM", "dumb")]).refused();
    assert!(
        code == 1 && error.contains("TERM=dumb") && error.contains("packhouse repo list"),
        "{code}: {error}"
    );
}

#[test]
fn without_a_terminal_it_says_so() {
    let data = tempfile::tempdir().unwrap();
    let ended =
        Command::new(PACKHOUSE).arg("--data").arg(data.path()).arg("console").output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(error.contains("terminal") && error.contains("packhouse repo list"), "{error}");
    assert!(ended.stdout.is_empty());
}
