//! `init`: creates a ledger.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, Globals};
use crate::domain::approval::PublicKey;
use crate::domain::ids::ActorId;
use crate::format::note_key::VerifierKey;
use crate::ledger::Genesis;
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
    /// Public key of a first administrator, as `keys generate` prints it; at least two, or none.
    #[arg(long, value_name = "KEY")]
    pub admin: Vec<String>,
}

/// Creates the ledger: its directory, its keys, its genesis.
pub fn run(globals: &Globals, args: &InitArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let administrators = administrators(&args.admin)?;
    let genesis = Genesis { origin: &args.origin, development: false, administrators: &administrators };
    let directory = DataDirectory::create(&args.data, genesis, &SystemClock)?;
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
        if administrators.is_empty() {
            let remark = globals.lang.pick(
                "without administrators (--admin) there are no roles and no signed approvals, now or later",
                "未指定管理员（--admin）：该账本现在和以后都没有角色与签名审批",
            );
            writeln!(out, "{remark}")?;
        }
        writeln!(out, "{}: fundledger serve --data {shown} --insecure-dev", globals.lang.pick("next", "下一步"))?;
    }
    Ok(())
}

/// The first administrators: different persons with different keys, so that one alone changes nothing.
fn administrators(keys: &[String]) -> Result<Vec<(ActorId, PublicKey)>, Failure> {
    let mut administrators: Vec<(ActorId, PublicKey)> = Vec::with_capacity(keys.len());
    for key in keys {
        let usage = |cause: String| Failure::Usage(format!("--admin {key}: {cause}"));
        let VerifierKey { name, public_key } = VerifierKey::parse(key).map_err(|error| usage(error.to_string()))?;
        let name = ActorId::parse(name).map_err(|error| usage(format!("the name {error}")))?;
        if administrators.iter().any(|(other, known)| *other == name || *known == public_key) {
            return Err(usage("the person or the key is named twice".to_owned()));
        }
        administrators.push((name, public_key));
    }
    if administrators.len() == 1 {
        return Err(Failure::Usage("one administrator alone could change nothing: name at least two".to_owned()));
    }
    Ok(administrators)
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
