//! `keys`: key pairs of persons, who keep the private half to themselves.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Failure, Globals};
use crate::domain::ids::ActorId;
use crate::format::note_key::{KeyKind, SignerKey, VerifierKey};

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
    /// Print the public key of a private one.
    Public {
        /// File of the private key.
        file: PathBuf,
    },
}

/// Runs `keys`.
pub fn run(_globals: &Globals, args: &KeysArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let public = match &args.command {
        KeysCommand::Generate { name, output, witness } => generate(name, output, *witness)?,
        KeysCommand::Public { file } => read_any(file)?.verifier(),
    };
    writeln!(out, "{public}")?;
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
