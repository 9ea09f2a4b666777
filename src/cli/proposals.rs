//! `propose`, `pending`, `approve`, `withdraw`: maker and checkers at a terminal.
//!
//! A checker signs what this program has decoded and shown, never a message that the server merely names: the message is
//! made here again, from the bytes, and has to be the server's.

use std::fs::{self, File};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use prost::Message;
use prost::bytes::Bytes;
use prost_types::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::connect::{self, Connection, Explanation};
use super::keys;
use super::post::Reader;
use super::render::{self, hex};
use super::{Failure, Format, Globals, Lang};
use crate::domain::time::UtcNanos;
use crate::format::approval;
use crate::format::keyed::KeyedDigest;
use crate::grpc::convert;
use crate::ledger::clock::{Clock, SystemClock};
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1::post_result::Outcome;
use crate::pb::v1::proposal::Content;
use crate::pb::v1::{self, Command, PostResult, Proposal};

const PAGE_ROWS: i32 = 1_000;
/// How long a proposal waits when nobody says.
const DAYS_TO_APPROVE: i32 = 3;

/// Arguments of `propose`.
#[derive(Args, Clone, Debug)]
pub struct ProposeArgs {
    /// The commands, one a line, in protobuf's JSON: all by one maker, without checkers, with their draws named.
    #[arg(value_name = "FILE.jsonl")]
    pub file: PathBuf,
    /// Name of the proposal, and its idempotency key.
    #[arg(long, value_name = "ID")]
    pub id: String,
    /// The last day, in Asia/Shanghai, on which it may be approved; three days from now if not given.
    #[arg(long, value_name = "DATE", value_parser = render::parse_date)]
    pub expires_on: Option<Date>,
    /// New file for the exact bytes of a batch: its checkers look at them, and `post --proposal` posts them.
    #[arg(long, value_name = "FILE")]
    pub batch_file: Option<PathBuf>,
}

/// Arguments of `pending`.
#[derive(Args, Clone, Debug)]
pub struct PendingArgs {
    /// Only this proposal.
    pub proposal: Option<String>,
    /// Only proposals of this maker.
    #[arg(long, value_name = "NAME")]
    pub maker: Option<String>,
}

/// Arguments of `approve`.
#[derive(Args, Clone, Debug)]
pub struct ApproveArgs {
    /// The proposal.
    pub proposal: String,
    /// Your private key, as `keys generate` wrote it; it names you.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The batch's bytes, as `propose` wrote them: what you approve is in there.
    #[arg(long, value_name = "FILE")]
    pub batch_file: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `withdraw`.
#[derive(Args, Clone, Debug)]
pub struct WithdrawArgs {
    /// The proposal.
    pub proposal: String,
    /// You: its maker.
    #[arg(long, value_name = "NAME")]
    pub maker: String,
}

/// Runs `propose`.
pub fn propose(globals: &Globals, args: &ProposeArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let commands = read_commands(&args.file, globals.lang)?;
    let first = commands.first().ok_or_else(|| Failure::Usage(text::propose_nothing(globals.lang)))?;
    if commands.len() > 1 && args.batch_file.is_none() {
        return Err(Failure::Usage(text::propose_needs_batch_file(globals.lang)));
    }
    // The end of a day, not a span from now: the same line typed again the same day is the same request.
    let expires_on = match args.expires_on {
        Some(date) => convert::day("--expires-on", date).map_err(|wrong| Failure::Usage(violations(&wrong)))?,
        None => SystemClock.now().shanghai_date().plus_days(DAYS_TO_APPROVE),
    };
    let request = v1::ProposeRequest {
        request_id: args.id.clone(),
        business_date: first.business_date,
        actor: first.actor.clone(),
        commands,
        expires_at: Some(convert::to_timestamp(expires_on.ends_in_shanghai())),
        validate_only: true,
    };
    let answer = connect::with(globals, async |connection| {
        let propose = async |request| {
            let answer = connection.ledger().propose(connection.request(request)).await;
            answer.map(tonic::Response::into_inner).map_err(|status| connection.failure(&status))
        };
        // The bytes are on disk before anybody can approve them: no proposal stands whose bytes nobody has.
        if let Some(path) = &args.batch_file {
            write_batch(path, &propose(request.clone()).await?.commands)?;
        }
        propose(v1::ProposeRequest { validate_only: false, ..request }).await
    })?;
    let receipt = answer.receipt.unwrap_or_default();
    writeln!(out, "{}", text::propose_done(globals.lang, answer.commands.len(), &args.id, receipt.sequence))?;
    writeln!(out, "{}", text::propose_root(globals.lang, hex(&answer.root), answer.control_total_minor))?;
    Ok(())
}

/// Runs `pending`.
pub fn pending(globals: &Globals, args: &PendingArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let (id, maker) = (args.proposal.clone().unwrap_or_default(), args.maker.clone().unwrap_or_default());
    let waiting = connect::with(globals, async |connection| list(connection, &id, &maker).await)?;
    let reader = Reader::new()?;
    if format == Format::Json {
        let rows: Result<Vec<Value>, Failure> = waiting.iter().map(|proposal| to_json(&reader, proposal)).collect();
        return render::json(out, &json!({ "proposals": rows? }));
    }
    let header = ["proposal_id", "sequence", "maker", "expires_at", "commands", "what", "approvers"];
    let rows: Result<Vec<Vec<String>>, Failure> = waiting.iter().map(|proposal| to_row(&reader, proposal)).collect();
    if format == Format::Csv {
        return render::csv(out, &header, &rows?);
    }
    let lang = globals.lang;
    let header = [
        text::pending_proposal(lang),
        text::statement_sequence(lang),
        text::pending_maker(lang),
        text::pending_expires(lang),
        text::pending_commands(lang),
        text::pending_what(lang),
        text::pending_approvers(lang),
    ];
    writeln!(out, "{}", render::table(&header, &rows?, &[1, 4]))?;
    Ok(())
}

/// Runs `approve`.
pub fn approve(globals: &Globals, args: &ApproveArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = globals.lang;
    let key = keys::read(&args.key)?;
    let reader = Reader::new()?;
    connect::with(globals, async |connection| {
        let found = list(connection, &args.proposal, "").await?.pop();
        let proposal = found.ok_or_else(|| Failure::Refused(text::approve_not_pending(lang, &args.proposal)))?;
        let origin = origin(connection).await?;
        let message = shown(&reader, &origin, &proposal, args, lang, out)?;
        if proposal.message_to_sign != message {
            return Err(Failure::Refused(text::approve_other_message(lang)));
        }
        if !args.yes && !agreed(key.name(), lang)? {
            return Err(Failure::Refused(text::approve_declined(lang)));
        }
        let request = v1::ApproveRequest {
            request_id: own_request_id("approve", &args.proposal, key.name()),
            business_date: Some(today()),
            actor: key.name().to_owned(),
            proposal_id: args.proposal.clone(),
            signature: Bytes::copy_from_slice(&key.sign(&message).0),
        };
        let answer = connection.ledger().approve(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        let sequence = answer.receipt.unwrap_or_default().sequence;
        writeln!(out, "{}", text::approve_done(lang, key.name(), &args.proposal, sequence))?;
        match answer.executed {
            None => writeln!(out, "{}", text::approve_waits(lang))?,
            Some(result) => told(connection, result, out)?,
        }
        Ok(())
    })
}

/// Runs `withdraw`.
pub fn withdraw(globals: &Globals, args: &WithdrawArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let request = v1::WithdrawRequest {
        request_id: own_request_id("withdraw", &args.proposal, &args.maker),
        business_date: Some(today()),
        actor: args.maker.clone(),
        proposal_id: args.proposal.clone(),
    };
    let receipt = connect::with(globals, async |connection| {
        let answer = connection.ledger().withdraw(connection.request(request)).await;
        answer.map_err(|status| connection.failure(&status)).map(|answer| answer.into_inner().receipt)
    })?;
    let sequence = receipt.unwrap_or_default().sequence;
    writeln!(out, "{}", text::withdraw_done(globals.lang, &args.proposal, sequence))?;
    Ok(())
}

/// The exact bytes of a batch, for `post --proposal`.
pub(super) fn read_batch(path: &Path) -> Result<Vec<Bytes>, Failure> {
    let shown = path.display();
    let content = fs::read_to_string(path).map_err(|error| Failure::about(path.display(), error))?;
    let wrong = |line: usize, cause: &dyn std::fmt::Display| Failure::Usage(format!("{shown}:{line}: {cause}"));
    let mut commands = Vec::new();
    for (line, content) in (1..).zip(content.lines()).filter(|(_, content)| !content.trim().is_empty()) {
        let value: Value = serde_json::from_str(content).map_err(|error| wrong(line, &error))?;
        let encoded = value.get("command").and_then(Value::as_str);
        let encoded = encoded.ok_or_else(|| wrong(line, &"{\"command\":\"BASE64\"}"))?;
        let bytes = Bytes::from(STANDARD.decode(encoded).map_err(|error| wrong(line, &error))?);
        Command::decode(bytes.clone()).map_err(|error| wrong(line, &error))?;
        commands.push(bytes);
    }
    Ok(commands)
}

fn write_batch(path: &Path, commands: &[Bytes]) -> Result<(), Failure> {
    let mut lines = String::new();
    for command in commands {
        lines.push_str(&json!({ "command": STANDARD.encode(command) }).to_string());
        lines.push('\n');
    }
    let failure = |error: io::Error| Failure::about(path.display(), error);
    match File::create_new(path) {
        Ok(mut file) => file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()).map_err(failure),
        // Proposed again, the same batch is the same file; another's is not lost.
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists
                && fs::read(path).is_ok_and(|old| old == lines.as_bytes()) =>
        {
            Ok(())
        }
        Err(error) => Err(failure(error)),
    }
}

fn read_commands(path: &Path, lang: Lang) -> Result<Vec<Command>, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::about(path.display(), error))?;
    let reader = Reader::new()?;
    let mut commands = Vec::new();
    for (line, content) in (1_u64..).zip(bytes.split(|byte| *byte == b'\n')) {
        let command =
            reader.command(content).map_err(|cause| Failure::Usage(text::post_bad_line(lang, cause, line)))?;
        commands.extend(command);
    }
    Ok(commands)
}

async fn list(connection: &Connection, proposal_id: &str, maker: &str) -> Result<Vec<Proposal>, Failure> {
    connect::all_pages(async |page_token| {
        let request = v1::ListPendingRequest {
            proposal_id: proposal_id.to_owned(),
            maker: maker.to_owned(),
            page_size: PAGE_ROWS,
            page_token,
            min_sequence: None,
        };
        let answer = connection.ledger().list_pending(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.proposals, answer.next_page_token))
    })
    .await
}

/// The ledger's name, from its genesis: part of what is signed.
async fn origin(connection: &Connection) -> Result<String, Failure> {
    let answer = connection.query().get_event(connection.request(v1::GetEventRequest { sequence: 0 })).await;
    let event =
        answer.map_err(|status| connection.failure(&status))?.into_inner().record.and_then(|record| record.event);
    match event.and_then(|event| event.payload) {
        Some(v1::event::Payload::LedgerCreated(created)) => Ok(created.origin),
        _ => Err(Failure::about("genesis", "-")),
    }
}

/// Shows what is proposed; gives the message over exactly that.
fn shown(
    reader: &Reader,
    origin: &str,
    proposal: &Proposal,
    args: &ApproveArgs,
    lang: Lang,
    out: &mut dyn Write,
) -> Result<Vec<u8>, Failure> {
    let expires_at = moment(proposal.expires_at.as_ref());
    writeln!(out, "{}", text::approve_head(lang, expires_at, &proposal.maker, origin, &proposal.proposal_id))?;
    match &proposal.content {
        Some(Content::Command(bytes)) => {
            let command = reader.shown(bytes)?;
            render::json(out, &command)?;
            let request_id = command.get("request_id").and_then(Value::as_str).unwrap_or_default();
            Ok(approval::command_message(origin, request_id, expires_at, bytes))
        }
        Some(Content::Batch(_)) => {
            let path =
                args.batch_file.as_deref().ok_or_else(|| Failure::Usage(text::approve_needs_batch_file(lang)))?;
            let commands = read_batch(path)?;
            for command in &commands {
                writeln!(out, "{}", reader.shown(command)?)?;
            }
            let amounts: Vec<i64> = commands.iter().map(amount_minor).collect::<Result<_, Failure>>()?;
            let approved = approval::batch_of(commands.iter().zip(amounts));
            writeln!(out, "{}", text::propose_root(lang, hex(&approved.root), approved.control_total_minor))?;
            Ok(approval::batch_message(origin, &proposal.proposal_id, expires_at, &approved))
        }
        None => Err(Failure::about(&proposal.proposal_id, "-")),
    }
}

/// What a command counts for in its batch's control total, minor units.
fn amount_minor(bytes: &Bytes) -> Result<i64, Failure> {
    let wire = Command::decode(bytes.clone()).map_err(|error| Failure::about("-", error))?;
    // Names become pseudonyms here that nobody looks at: any key will do.
    let parsed = convert::command(wire, &KeyedDigest::new(&[0; 32], ""), "");
    parsed.map(|command| command.order.amount_minor()).map_err(|wrong| Failure::Usage(violations(&wrong)))
}

/// Asks the person at the terminal.
fn agreed(name: &str, lang: Lang) -> Result<bool, Failure> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Err(Failure::Usage(text::approve_needs_yes(lang)));
    }
    write!(io::stderr().lock(), "{} ", text::approve_question(lang, name))?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|error| Failure::about("-", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn told(connection: &Connection, result: PostResult, out: &mut dyn Write) -> Result<(), Failure> {
    match result.outcome {
        Some(Outcome::Receipt(receipt)) => {
            let hash = hex(&receipt.entry_hash);
            writeln!(out, "{}", text::approve_executed(connection.lang(), hash, receipt.sequence))?;
            Ok(())
        }
        Some(Outcome::Error(status)) => Err(Explanation::of_result(&status, connection.lang()).failure()),
        None => Err(Failure::Unavailable(text::answer_has_no_outcome(connection.lang()))),
    }
}

fn to_json(reader: &Reader, proposal: &Proposal) -> Result<Value, Failure> {
    let content = match &proposal.content {
        Some(Content::Command(bytes)) => json!({ "command": reader.shown(bytes)?, "bytes": STANDARD.encode(bytes) }),
        Some(Content::Batch(batch)) => json!({
            "root": hex(&batch.root),
            "command_count": batch.command_count,
            "control_total_minor": batch.control_total_minor,
        }),
        None => Value::Null,
    };
    Ok(json!({
        "proposal_id": proposal.proposal_id,
        "sequence": proposal.sequence,
        "maker": proposal.maker,
        "proposed_at": moment(proposal.proposed_at.as_ref()).to_string(),
        "expires_at": moment(proposal.expires_at.as_ref()).to_string(),
        "content": content,
        "message_to_sign": STANDARD.encode(&proposal.message_to_sign),
        "approvers": proposal.approvers,
    }))
}

fn to_row(reader: &Reader, proposal: &Proposal) -> Result<Vec<String>, Failure> {
    let (count, what) = match &proposal.content {
        Some(Content::Command(bytes)) => (1, kind_of(&reader.shown(bytes)?)),
        Some(Content::Batch(batch)) => (batch.command_count, hex(&batch.root)),
        None => (0, String::new()),
    };
    Ok(vec![
        proposal.proposal_id.clone(),
        proposal.sequence.to_string(),
        proposal.maker.clone(),
        moment(proposal.expires_at.as_ref()).to_string(),
        count.to_string(),
        what,
        proposal.approvers.join(" "),
    ])
}

/// Which command it is: the field that is none of the envelope's.
fn kind_of(command: &Value) -> String {
    let envelope = ["request_id", "business_date", "actor", "checkers", "preconditions"];
    let names = command.as_object().into_iter().flat_map(|fields| fields.keys());
    names.filter(|name| !envelope.contains(&name.as_str())).cloned().collect()
}

fn violations(wrong: &[convert::Violation]) -> String {
    let lines: Vec<String> = wrong.iter().map(|one| format!("{} {}", one.field, one.description)).collect();
    lines.join("; ")
}

fn moment(timestamp: Option<&Timestamp>) -> UtcNanos {
    convert::timestamp("", timestamp).unwrap_or_default()
}

fn today() -> Date {
    convert::date(SystemClock.now().shanghai_date())
}

/// A key that is the same whenever the same person does the same: a retry is one.
fn own_request_id(what: &str, proposal: &str, name: &str) -> String {
    let digest = Sha256::new().chain_update(proposal).chain_update([0]).chain_update(name).finalize();
    format!("{what}-{}", hex(digest.first_chunk::<16>().unwrap_or(&[0; 16])))
}
