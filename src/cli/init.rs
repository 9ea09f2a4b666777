//! `init`: creates a ledger.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, Globals};
use crate::ledger::clock::SystemClock;
use crate::ledger::directory::{DataDirectory, DirectoryError};

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
        writeln!(out, "{} {} ({shown})", globals.lang.pick("created ledger", "已创建账本"), directory.origin())?;
        writeln!(
            out,
            "{}",
            globals.lang.pick(
                "back up keys/ apart from the log: without it retries and payees cannot be recognised",
                "请将 keys/ 与日志分开备份：缺少密钥则无法识别重试与收款人"
            )
        )?;
        writeln!(out, "{}: fundledger serve --data {shown} --insecure-dev", globals.lang.pick("next", "下一步"))?;
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
