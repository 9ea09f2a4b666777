//! Long results go through a pager, as git's do: only where standard output is a terminal.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Lines are cut at the edge and can be followed sideways: wrapped lines of a table cannot be read.
const PAGER_DEFAULT: &str = "less -S";
/// What `less` does unless its user said otherwise: nothing for what fits on a screen, colours as they come, no clearing.
const LESS_DEFAULT: &str = "FRSX";

/// The pager that is asked for: `FUNDLEDGER_PAGER`, else `PAGER`, else `less`; none where it is empty or `cat`.
fn chosen(own: Option<String>, general: Option<String>) -> Option<String> {
    Some(own.or(general).unwrap_or_else(|| PAGER_DEFAULT.to_owned()))
        .filter(|pager| !matches!(pager.trim(), "" | "cat"))
}

/// Becomes the pager of a file, if there is one for standard output. Comes back only where there is none: a program that has
/// nothing left to do need not wait for its pager, nor be in its way when keys are pressed.
pub(super) fn become_pager_of(file: &File) {
    if !io::stdout().is_terminal() {
        return;
    }
    let Some(pager) = chosen(env::var("FUNDLEDGER_PAGER").ok(), env::var("PAGER").ok()) else { return };
    let Ok(input) = file.try_clone() else { return };
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager).stdin(Stdio::from(input));
    if env::var_os("LESS").is_none() {
        command.env("LESS", LESS_DEFAULT);
    }
    // Where there is no shell to start one, the result is written as it is.
    let _ = command.exec();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_pager_goes_first_and_none_is_a_choice() {
        let some = |text: &str| Some(text.to_owned());
        for (own, general, expected) in [
            (None, None, some("less -S")),
            (None, some("more"), some("more")),
            (some("most"), some("more"), some("most")),
            (some(""), some("more"), None),
            (some("cat"), None, None),
            (None, some(" "), None),
        ] {
            assert_eq!(chosen(own.clone(), general.clone()), expected, "{own:?} {general:?}");
        }
    }
}
