//! The `packhouse` binary: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    packhouse_tui::main()
}
