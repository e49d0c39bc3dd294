//! What commands print to stdout. Whoever reads may stop early, as `head` does: that is no failure,
//! and what the command does goes on.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

/// Prints a text as it is. Errors: stdout cannot be written to, but for a reader that is gone.
pub(crate) fn print(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints one line.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    print(format_args!("{text}\n"))
}
