//! `init`: creates a ledger.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::settings::TLS_KEYS;
use super::{Failure, Globals, Lang};
use crate::domain::approval::PublicKey;
use crate::domain::ids::ActorId;
use crate::format::note_key::VerifierKey;
use crate::ledger::Genesis;
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
    /// Public key of a first administrator, as `keys generate` prints it; at least two, or none.
    #[arg(long, value_name = "KEY")]
    pub admin: Vec<String>,
}

/// Creates the ledger: its directory, its keys, its genesis.
pub fn run(globals: &Globals, args: &InitArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let administrators = administrators(&args.admin, globals.lang)?;
    let genesis = Genesis { origin: &args.origin, development: false, administrators: &administrators };
    let directory = DataDirectory::create(&args.data, genesis, &SystemClock)?;
    if !globals.quiet {
        let shown = args.data.display();
        writeln!(out, "{}", text::init_created(globals.lang, &shown, directory.origin()))?;
        for signer in directory.log_signers() {
            writeln!(out, "{}", text::init_log_key(globals.lang, signer.public()))?;
        }
        writeln!(out, "{}", text::init_back_up_keys(globals.lang))?;
        let next = text::next_step(globals.lang);
        if administrators.is_empty() {
            writeln!(out, "{}", text::init_without_administrators(globals.lang))?;
            writeln!(out, "{next}: fundledger serve --data {shown} --insecure-dev")?;
        } else {
            // Whoever has roles wants to know who asks: in plain text nobody is known.
            writeln!(out, "{next}: fundledger serve --data {shown} --config FILE.toml")?;
            writeln!(out, "{}", text::init_needs_tls(globals.lang, TLS_KEYS.join(", ")))?;
        }
    }
    Ok(())
}

/// The first administrators: different persons with different keys, so that one alone changes nothing.
fn administrators(keys: &[String], lang: Lang) -> Result<Vec<(ActorId, PublicKey)>, Failure> {
    let mut administrators: Vec<(ActorId, PublicKey)> = Vec::with_capacity(keys.len());
    for key in keys {
        let usage = |cause: String| Failure::Usage(text::init_admin_invalid(lang, cause, key));
        let VerifierKey { name, public_key, .. } = VerifierKey::parse(key).map_err(|error| usage(error.to_string()))?;
        let name = ActorId::parse(name).map_err(|error| usage(error.to_string()))?;
        if administrators.iter().any(|(other, known)| *other == name || *known == public_key) {
            return Err(usage(text::init_admin_twice(lang)));
        }
        administrators.push((name, public_key));
    }
    if administrators.len() == 1 {
        return Err(Failure::Usage(text::init_admin_alone(lang)));
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
            | DirectoryError::OtherKey { .. }
            | DirectoryError::Fault(_) => Self::Unavailable(error.to_string()),
        }
    }
}
