//! Exit codes, and which errors lead to them.

use std::io::Write;
use std::process::ExitCode;

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
        if error.is::<crate::interrupt::Interrupted>() {
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

/// Prints help, version or a usage error of clap to stdout or stderr.
pub(crate) fn of_clap(error: &clap::Error) -> Exit {
    match error.print() {
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
        assert_eq!(Exit::of(&crate::interrupt::Interrupted.into()).code(), 130);
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
    fn help_is_no_error_and_a_wrong_word_is() {
        let error = |args: &[&str]| {
            crate::args::parse(args.iter().map(std::ffi::OsString::from)).unwrap_err()
        };
        assert!(!error(&["packhouse", "--help"]).use_stderr());
        assert!(error(&["packhouse", "nonsense"]).use_stderr());
        assert!(error(&["packhouse"]).use_stderr());
    }
}
