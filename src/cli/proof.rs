//! `proof`: fetches the proof of an entry, or checks one that was kept, offline.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use super::connect;
use super::render::{self, hex};
use super::verify::{log_key, read_policy, read_text};
use super::{Failure, Globals, Lang};
use crate::audit::note::{Checkpoint, Note, NoteKey};
use crate::audit::policy::Policy;
use crate::audit::receipt::{RECEIPT_BYTES_MAX, Receipt};
use crate::audit::tree::leaf_hash;
use crate::messages::cli as text;
use crate::pb::v1;

/// Arguments of `proof`.
#[derive(Args, Debug)]
pub struct ProofArgs {
    /// The entry.
    #[arg(value_name = "SEQUENCE", required_unless_present = "check")]
    pub sequence: Option<i64>,
    /// Check a proof that was kept, without any server.
    #[arg(long, value_name = "FILE", conflicts_with = "sequence")]
    pub check: Option<PathBuf>,
    /// Hash of the entry, as its receipt gave it, in hexadecimal.
    #[arg(long, value_name = "HASH", requires = "check")]
    pub entry_hash: Option<String>,
    /// File with the entry itself, as it stands in the log.
    #[arg(long, value_name = "FILE", requires = "check", conflicts_with = "entry_hash")]
    pub entry: Option<PathBuf>,
    /// Public key of the log, as `init` prints it.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// Your policy: the log's key, witnesses and quorum (C2SP tlog-policy).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Under a checkpoint that enough witnesses cosigned.
    #[arg(long, conflicts_with = "check")]
    pub witnessed: bool,
    /// Put the entry itself into the proof, so that `receipt` can answer a code from this one file.
    #[arg(long, conflicts_with = "check")]
    pub with_entry: bool,
    /// Say in words what it proves, and what it does not.
    #[arg(long)]
    pub explain: bool,
}

/// Prints or checks a proof.
pub fn run(globals: &Globals, args: &ProofArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = globals.lang;
    let keys: Vec<_> = args.key.iter().map(|key| log_key(key)).collect::<Result<_, _>>()?;
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let believed = Believed { keys, policy };
    let (file, entry_hash) = match (&args.check, args.sequence) {
        (Some(path), _) => {
            let hash = match (&args.entry_hash, &args.entry) {
                (Some(hash), _) => render::bytes(hash).ok_or_else(|| Failure::Usage(text::proof_hash_invalid(lang)))?,
                (None, Some(path)) => hash_of(path)?,
                (None, None) => return Err(Failure::Usage(text::proof_needs_entry(lang))),
            };
            (read_text(path, RECEIPT_BYTES_MAX)?, hash)
        }
        (None, sequence) => {
            let sequence = sequence.unwrap_or_default();
            let (file, hash) = fetched(globals, sequence, args.witnessed)?;
            (if args.with_entry { with_entry(globals, sequence, &file)? } else { file }, hash)
        }
    };
    let receipt = Receipt::parse(&file).map_err(|error| Failure::Refused(text::proof_malformed(lang, error)))?;
    if !receipt.proves(&entry_hash) {
        return Err(Failure::Refused(text::proof_false(lang)));
    }
    let vouched = believed.vouch(&receipt.note, &receipt.checkpoint, lang)?;
    if args.check.is_none() && !args.explain {
        write!(out, "{file}")?;
        return Ok(());
    }
    let size = receipt.checkpoint.size;
    writeln!(out, "{}", text::proof_proven(lang, hex(&entry_hash), receipt.index, &receipt.checkpoint.origin, size))?;
    if args.explain {
        for line in explained(&receipt, lang) {
            writeln!(out, "  {line}")?;
        }
    }
    for line in vouched {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// Whom to believe.
pub(super) struct Believed {
    pub(super) keys: Vec<NoteKey>,
    pub(super) policy: Option<Policy>,
}

impl Believed {
    /// Who vouches for the checkpoint of a proof, in words; refuses what does not come up to the policy.
    pub(super) fn vouch(&self, note: &Note, checkpoint: &Checkpoint, lang: Lang) -> Result<Vec<String>, Failure> {
        let refused = |error: &dyn std::fmt::Display| Failure::Refused(text::checkpoint_doubted(lang, error));
        let logs = self.policy.iter().flat_map(Policy::logs).map(|log| &log.key);
        let logs: Vec<&NoteKey> = self.keys.iter().chain(logs).collect();
        if logs.is_empty() {
            return Ok(vec![text::proof_unsigned(lang)]);
        }
        let signers = note.signers(logs).map_err(|error| refused(&error))?;
        if !signers.iter().any(|signer| signer.key.name() == checkpoint.origin) {
            return Err(refused(&text::checkpoint_unsigned(lang)));
        }
        let mut lines = vec![text::proof_signed(lang, &checkpoint.origin)];
        if let Some(policy) = &self.policy {
            let witnesses = policy.witnesses().iter().map(|witness| &witness.key);
            let cosigners = note.signers(witnesses).map_err(|error| refused(&error))?;
            lines.extend(cosigners.iter().map(|signer| {
                let time = jiff::Timestamp::from_second(i64::try_from(signer.time).unwrap_or(i64::MAX));
                let time = time.map_or_else(|_| signer.time.to_string(), |time| time.to_string());
                text::proof_cosigned(lang, signer.key.name(), time)
            }));
            if !policy.is_met(&cosigners) {
                return Err(refused(&text::proof_quorum_missing(lang)));
            }
        }
        Ok(lines)
    }
}

fn explained(receipt: &Receipt, lang: Lang) -> Vec<String> {
    vec![
        text::proof_means_position(lang, receipt.index),
        text::proof_means_history(lang, receipt.checkpoint.size),
        text::proof_means_not_content(lang),
        text::proof_means_not_later(lang),
    ]
}

pub(super) fn fetched(globals: &Globals, sequence: i64, witnessed: bool) -> Result<(String, [u8; 32]), Failure> {
    let lang = globals.lang;
    connect::with(globals, async |connection| {
        let request = connection.request(v1::GetInclusionProofRequest { sequence, witnessed });
        let answer = connection.audit().get_inclusion_proof(request).await;
        let proof = answer.map_err(|status| connection.failure(&status))?.into_inner();
        let hash = proof.entry_hash.as_ref().try_into();
        Ok((proof.tlog_proof, hash.map_err(|_| Failure::Unavailable(text::verify_no_hash(lang)))?))
    })
}

/// A proof with its entry in the line that nobody signs: what it says is told by its hash.
fn with_entry(globals: &Globals, sequence: i64, proof: &str) -> Result<String, Failure> {
    let lang = globals.lang;
    let entry = connect::with(globals, async |connection| {
        let request =
            v1::ReadEntriesRequest { start_sequence: sequence, end_sequence: Some(sequence.saturating_add(1)) };
        let answer = connection.audit().read_entries(connection.request(request)).await;
        let mut stream = answer.map_err(|status| connection.failure(&status))?.into_inner();
        let first = stream.message().await.map_err(|status| connection.failure(&status))?;
        Ok(first.and_then(|message| message.entries.into_iter().next()))
    })?;
    let entry = entry.ok_or_else(|| Failure::Unavailable(text::verify_no_entries(lang)))?;
    let (form, rest) = proof.split_once('\n').ok_or_else(|| Failure::Refused(text::proof_false(lang)))?;
    Ok(format!("{form}\nextra {}\n{rest}", STANDARD.encode(entry)))
}

/// The entry hash of what a file holds.
fn hash_of(path: &Path) -> Result<[u8; 32], Failure> {
    let entry = std::fs::read(path).map_err(|error| Failure::about(path.display(), error))?;
    Ok(leaf_hash(&entry))
}
