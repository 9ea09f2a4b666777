//! `init`: creates a ledger.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, Globals};
use crate::ledger::clock::SystemClock;
use crate::ledger::directory::{DataDirectory, DirectoryError};
use crate::messages::cli as text;

/// Arguments of `init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// New or empty directory for the ledger.
    #[arg(long, value_name = "DIR", env = "FUNDLEDGER_DATA")]
    pub data: PathBuf,
    /// The ledger's name for ever, e.g. ledger.example-city.gov.cn/funds.
    #[arg(long, value_name = "NAME")]
    pub origin: String,
}

/// Creates the ledger: its directory, its keys, its genesis.
pub fn run(globals: &Globals, args: &InitArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = DataDirectory::create(&args.data, &args.origin, false, &SystemClock)?;
    if !globals.quiet {
        let shown = args.data.display();
        writeln!(out, "{}", text::init_created(globals.lang, &shown, directory.origin()))?;
        writeln!(out, "{}", text::init_back_up_keys(globals.lang))?;
        writeln!(out, "{}: fundledger serve --data {shown} --insecure-dev", text::next_step(globals.lang))?;
    }
    Ok(())
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Origin | DirectoryError::NotEmpty { .. } => Self::Usage(error.to_string()),
            DirectoryError::NoLedger { .. }
            | DirectoryError::Incomplete { .. }
            | DirectoryError::OtherVersion { .. }
            | DirectoryError::Locked { .. }
            | DirectoryError::Fault(_) => Self::Unavailable(error.to_string()),
        }
    }
}
