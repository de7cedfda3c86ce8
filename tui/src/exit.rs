//! Exit codes, and their errors.

use std::io::Write;
use std::process::ExitCode;

use clap::error::ContextValue;
use packhouse_host::{Class, Error};

/// How a call ended, in order of severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    #[default]
    Done,
    /// Wrong usage.
    Usage,
    /// Refused or failed; nothing changed.
    Refused,
    /// Conflict with another writer; safe to retry.
    Conflict,
    /// Damage was found.
    Damage,
    /// The user interrupted the work with a second Ctrl-C.
    Interrupted,
    /// Stopped by this signal, after the work had time to stop.
    Signal(u8),
}

/// A second Ctrl-C: the work was abandoned.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; unreferenced files may remain, and nothing else was changed")]
pub(crate) struct Interrupted;

impl Exit {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Conflict => 3,
            Exit::Damage => 4,
            Exit::Interrupted => 130,
            // The convention of shells.
            Exit::Signal(number) => 128_u8.saturating_add(number),
        }
    }

    /// The exit for an error. Errors of other crates count as refused.
    pub(crate) fn of(error: &anyhow::Error) -> Exit {
        if error.is::<Interrupted>() {
            return Exit::Interrupted;
        }
        match error.downcast_ref::<Error>().map(Error::class) {
            None | Some(Class::Refused) => Exit::Refused,
            Some(Class::Usage) => Exit::Usage,
            Some(Class::Conflict) => Exit::Conflict,
            Some(Class::Damage) => Exit::Damage,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Whether a text has no invisible or control characters, line by line.
fn is_plain(text: &str) -> bool {
    text.lines().all(|line| crate::text::escaped(line) == line)
}

/// The text of a clap error with control or invisible characters escaped. None if it has none: then
/// clap prints it, with its colours.
fn made_plain(error: &clap::Error) -> Option<String> {
    let given = error.context().any(|(_, value)| match value {
        ContextValue::String(text) => !is_plain(text),
        ContextValue::Strings(texts) => texts.iter().any(|text| !is_plain(text)),
        _ => false,
    });
    // Without clap's colours, and whatever else looks like them.
    let text = error.render().to_string();
    if !given && is_plain(&text) {
        return None;
    }
    Some(text.lines().map(|line| crate::text::escaped(line) + "\n").collect())
}

/// Prints help, version or a usage error of clap to stdout or stderr.
pub(crate) fn of_clap(error: &clap::Error) -> Exit {
    let printed = match made_plain(error) {
        None => error.print(),
        Some(text) if error.use_stderr() => std::io::stderr().write_all(text.as_bytes()),
        Some(text) => std::io::stdout().write_all(text.as_bytes()),
    };
    match printed {
        _ if error.use_stderr() => Exit::Usage,
        // A closed pipe (`--help | head`) is no error.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            // Nothing is left to do if stderr is closed, too.
            let _ = writeln!(std::io::stderr(), "error: writing the output failed: {error}");
            Exit::Refused
        }
        _ => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_the_code_of_the_contract() {
        let busy = |busy| Error::Catalog {
            catalog: "c".into(),
            doing: "x".into(),
            reason: "y".into(),
            busy,
            read_only: false,
            full: false,
        };
        let missing = Error::MissingPack {
            key: packhouse_host::MpackKey::new([0; 32]),
            repo: "a/b".parse().unwrap(),
            place: "p".into(),
        };
        for (error, code) in [
            (Error::Unsupported("no".into()), 1),
            (Error::Cancelled, 1),
            (Error::UnknownRepo("a/b".parse().unwrap()), 1),
            (Error::Usage("no".into()), 2),
            (busy(true), 3),
            (busy(false), 1),
            (Error::HeadConflict(Vec::new()), 3),
            (missing, 4),
            (
                Error::DamagedCatalog {
                    catalog: "c".into(),
                    doing: "x".into(),
                    reason: "y".into(),
                },
                4,
            ),
        ] {
            let message = error.to_string();
            assert_eq!(Exit::of(&anyhow::Error::from(error)).code(), code, "{message}");
        }
    }

    #[test]
    fn context_does_not_hide_the_class() {
        let error = anyhow::Error::from(Error::HeadConflict(Vec::new())).context("while pushing");
        assert_eq!(Exit::of(&error), Exit::Conflict);
        assert_eq!(Exit::of(&anyhow::anyhow!("something else")), Exit::Refused);
        assert_eq!(Exit::of(&Interrupted.into()).code(), 130);
        assert_eq!(Exit::Signal(15).code(), 143);
    }

    #[test]
    fn damage_is_graver_than_conflict_is_graver_than_refusal() {
        assert_eq!(
            [Exit::Refused, Exit::Damage, Exit::Conflict, Exit::Done].into_iter().max(),
            Some(Exit::Damage)
        );
        assert_eq!(
            [Exit::Refused, Exit::Conflict, Exit::Done].into_iter().max(),
            Some(Exit::Conflict)
        );
        assert_eq!([Exit::Refused, Exit::Done].into_iter().max(), Some(Exit::Refused));
    }

    #[test]
    fn a_usage_error_can_not_command_the_terminal() {
        let plain = |args: &[&str]| {
            let args = ["packhouse"].iter().chain(args).map(std::ffi::OsString::from);
            made_plain(&crate::args::parse(args).unwrap_err())
        };
        for hidden in ["\u{202e}", "\x1b[2J", "\x1b[31m", "\u{9b}", "\u{200b}", "\r", "\x07"] {
            for args in [
                vec!["repo".to_owned(), "create".to_owned(), format!("a{hidden}/b")],
                vec![format!("no{hidden}verb")],
                vec!["repo".to_owned(), "list".to_owned(), format!("--no{hidden}flag")],
                vec!["repo".to_owned(), "list".to_owned(), format!("too{hidden}much")],
                vec!["fetch".to_owned(), "a/b".to_owned(), format!("--ttl=1{hidden}")],
                vec!["repo".to_owned(), format!("lis{hidden}t")],
            ] {
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                let told = plain(&args).expect("it is not printed as it is");
                assert!(is_plain(&told) && told.ends_with('\n'), "{told:?}");
            }
        }
        for args in [&["repo", "create", "a"][..], &["--help"], &["nonsense"], &["Zoë"]] {
            assert_eq!(plain(args), None, "clap prints it, in its colours");
        }
    }

    #[test]
    fn help_is_no_error_and_a_wrong_word_is() {
        let error = |args: &[&str]| {
            crate::args::parse(args.iter().map(std::ffi::OsString::from)).unwrap_err()
        };
        assert!(!error(&["packhouse", "--help"]).use_stderr());
        assert!(error(&["packhouse", "nonsense"]).use_stderr());
        assert!(error(&["packhouse"]).use_stderr());
    }
}
