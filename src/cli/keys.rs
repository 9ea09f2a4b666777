//! `keys`: key pairs of persons, who keep the private half to themselves.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Failure, Globals};
use crate::domain::ids::ActorId;
use crate::format::note_key::{KeyKind, SignerKey, VerifierKey};
use crate::ledger::directory::add_log_key as add_log_key_to;
use crate::messages::cli as text;

/// Arguments of `keys`.
#[derive(Args, Debug)]
pub struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key pair: the private key goes to a file, the public one to standard output.
    Generate {
        /// The person, as in the ledger.
        name: String,
        /// New file for the private key, readable by its owner only.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// A key for a witness, which signs the time as well; the name is then the witness's.
        #[arg(long)]
        witness: bool,
    },
    /// Make a next key for the log to sign its checkpoints with, in the ledger's directory, served or not. It signs once the
    /// command that is printed has been posted.
    Log {
        /// Directory of the ledger.
        #[arg(long, value_name = "DIR", env = "FUNDLEDGER_DATA")]
        data: PathBuf,
    },
    /// Print the public key of a private one.
    Public {
        /// File of the private key.
        file: PathBuf,
    },
}

/// Runs `keys`.
pub fn run(globals: &Globals, args: &KeysArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let public = match &args.command {
        KeysCommand::Log { data } => return add_log_key(globals, data, out),
        KeysCommand::Generate { name, output, witness } => generate(name, output, *witness)?,
        KeysCommand::Public { file } => read_any(file)?.verifier(),
    };
    writeln!(out, "{public}")?;
    Ok(())
}

/// Makes a key for the log, and says how it comes to sign.
fn add_log_key(globals: &Globals, data: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let public = add_log_key_to(data)?.verifier().to_string();
    writeln!(out, "{public}")?;
    if !globals.quiet {
        let order = json!({ "verifierKey": public, "change": "LOG_KEY_CHANGE_ANNOUNCED" });
        writeln!(std::io::stderr().lock(), "{}", text::keys_log_next(globals.lang, json!({ "rotateLogKey": order })))?;
    }
    Ok(())
}

fn generate(name: &str, output: &Path, is_witness: bool) -> Result<VerifierKey, Failure> {
    // The names of witnesses are as strict: they stand in notes, between blanks.
    ActorId::parse(name).map_err(|error| Failure::Usage(format!("{name:?} {error}")))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::about("getrandom", error))?;
    let kind = if is_witness { KeyKind::Cosigner } else { KeyKind::Signer };
    let key = SignerKey::of_kind(name, &seed, kind);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let written = options.open(output).and_then(|mut file| {
        writeln!(file, "{}", key.secret_text())?;
        file.sync_all()
    });
    written.map_err(|error| Failure::about(output.display(), error))?;
    Ok(key.verifier())
}

/// Reads a private key of any kind.
fn read_any(file: &Path) -> Result<SignerKey, Failure> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| Failure::about(file.display(), error))?;
    let witness = SignerKey::parse_kind(&text, KeyKind::Cosigner).ok();
    witness.map_or_else(|| read(file), Ok)
}

/// Reads the private key of a person.
pub fn read(file: &Path) -> Result<SignerKey, Failure> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| Failure::about(file.display(), error))?;
    SignerKey::parse(&text).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}
