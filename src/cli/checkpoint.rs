//! `checkpoint`: what the ledger stands by, to be kept outside.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::connect::{self, Connection};
use super::verify::log_key;
use super::{Failure, Format, Globals, Lang};
use crate::audit::note::{Checkpoint, Note};
use crate::audit::tree::is_consistent;
use crate::messages::cli as text;
use crate::pb::v1;

/// Arguments of `checkpoint`.
#[derive(Args, Debug)]
pub struct CheckpointArgs {
    /// Wait until a checkpoint covers this sequence.
    #[arg(long, value_name = "SEQUENCE")]
    pub covering: Option<i64>,
    /// The latest checkpoint that enough witnesses cosigned, with their signatures.
    #[arg(long)]
    pub witnessed: bool,
    /// A checkpoint that you kept: refuse one that does not continue it.
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// Public key of the log, as `init` prints it: refuse a checkpoint that is not signed with it.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
}

/// Prints the latest checkpoint: the signed note as it is, to be kept in a file.
pub fn run(globals: &Globals, args: &CheckpointArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json])?;
    let keys: Vec<_> = args.key.iter().map(|key| log_key(key)).collect::<Result<_, _>>()?;
    let since = args.since.as_deref().map(super::verify::read_note).transpose()?;
    let latest = connect::with(globals, async |connection| {
        let request = v1::GetCheckpointRequest { min_sequence: args.covering, witnessed: args.witnessed };
        let answer = connection.audit().get_checkpoint(connection.request(request)).await;
        let latest = answer.map_err(|status| connection.failure(&status))?.into_inner();
        let note = Note::parse(&latest.checkpoint).map_err(|error| doubted(globals.lang, error))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| doubted(globals.lang, error))?;
        let signers = note.signers(&keys).map_err(|error| doubted(globals.lang, error))?;
        if !keys.is_empty() && signers.is_empty() {
            return Err(doubted(globals.lang, text::checkpoint_unsigned(globals.lang)));
        }
        if let Some(since) = &since {
            continues(connection, since, &checkpoint, globals.lang).await?;
        }
        Ok(latest)
    })?;
    if format == Format::Json {
        let root = super::render::hex(&latest.root_hash);
        let size = latest.tree_size;
        let json = serde_json::json!({ "tree_size": size, "root": root, "checkpoint": latest.checkpoint });
        writeln!(out, "{json}")?;
    } else {
        write!(out, "{}", latest.checkpoint)?;
    }
    Ok(())
}

/// Holds a checkpoint against an earlier one, by the server's proof.
async fn continues(connection: &Connection, since: &str, latest: &Checkpoint, lang: Lang) -> Result<(), Failure> {
    let earlier = Note::parse(since).and_then(|note| Checkpoint::parse(note.text()));
    let earlier = earlier.map_err(|error| doubted(lang, error))?;
    let shrunk = || Failure::Refused(text::checkpoint_shrunk(lang, earlier.size, latest.size));
    if earlier.origin != latest.origin {
        return Err(Failure::Refused(text::checkpoint_of_another(lang, &earlier.origin, &latest.origin)));
    }
    if earlier.size > latest.size {
        return Err(shrunk());
    }
    let size = |size: u64| i64::try_from(size).map_err(|_| shrunk());
    let request =
        v1::GetConsistencyProofRequest { old_tree_size: size(earlier.size)?, tree_size: Some(size(latest.size)?) };
    let answer = connection.audit().get_consistency_proof(connection.request(request)).await;
    let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
    let hashes: Result<Vec<[u8; 32]>, _> = answer.hashes.iter().map(|hash| hash.as_ref().try_into()).collect();
    let is_proven =
        hashes.is_ok_and(|hashes| is_consistent((earlier.size, &earlier.root), (latest.size, &latest.root), &hashes));
    if is_proven { Ok(()) } else { Err(Failure::Refused(text::checkpoint_forked(lang, earlier.size))) }
}

fn doubted(lang: Lang, why: impl std::fmt::Display) -> Failure {
    Failure::Refused(text::checkpoint_doubted(lang, why))
}
