//! `completions` and `man`: what shells and readers need, from the same definitions as the arguments themselves.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::{Failure, Globals, help};

/// Arguments of `completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Write a page for every command into this directory; without it, the main page goes to standard output.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Writes a completion script.
pub fn run(globals: &Globals, args: &CompletionsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(globals.lang), "fundledger", &mut script);
    out.write_all(&script).map_err(Failure::from)
}

/// Writes manual pages.
pub fn man(globals: &Globals, args: &ManArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let command = help::command(globals.lang);
    match &args.output {
        None => clap_mangen::Man::new(command).render(out).map_err(Failure::from),
        Some(directory) => fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(command, directory))
            .map_err(|error| Failure::about(directory.display(), error)),
    }
}
