//! Asks on a terminal before something is deleted.

use std::io::{BufRead, IsTerminal, Write};

use packhouse_host::Error;

/// Refuses to delete without `--yes` where the user can't be asked.
pub(crate) fn require_yes(yes: bool, what: &str) -> anyhow::Result<()> {
    if yes || (std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(());
    }
    Err(Error::Usage(format!("without a terminal, deleting {what} needs --yes")).into())
}

/// Asks the user to type the name of what is deleted; `shown` says what that is.
pub(crate) fn confirm(name: &str, shown: &str) -> anyhow::Result<()> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "This deletes {shown}. Type its name to confirm: ")
        .and_then(|()| stderr.flush())?;
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    if typed.trim() == name {
        return Ok(());
    }
    anyhow::bail!("the name does not match {name}; nothing was deleted")
}
