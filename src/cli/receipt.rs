//! `receipt`: what a receipt code proves, from evidence and without any server; and the code of an entry.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::evidence::examined;
use super::proof::{Believed, fetched};
use super::render::{self, hex};
use super::verify::{log_key, read_policy, read_text};
use super::{Failure, Format, Globals, Lang, is_url};
use crate::audit::note::{Checkpoint, Note};
use crate::audit::payout::{self, Account, Afterwards, Answer, Later, Payout, PayoutKind};
use crate::audit::receipt::{RECEIPT_BYTES_MAX, Receipt};
use crate::audit::receipt_code::{CodeError, ReceiptCode};
use crate::audit::tree::leaf_hash;
use crate::audit::{Anchors, Report, Verdict};
use crate::domain::time::Day;
use crate::format::receipt_code::receipt_code;
use crate::format::record::EntryHash;
use crate::grpc::convert;
use crate::messages::cli as text;

const PROOF: &[u8] = b"c2sp.org/tlog-proof@v1";

/// Arguments of `receipt`.
#[derive(Args, Clone, Debug)]
pub struct ReceiptArgs {
    /// The code, as it stands on the receipt.
    #[arg(value_name = "CODE", required_unless_present = "of")]
    pub code: Option<String>,
    /// Directory of a ledger or of static tiles, bundle file, proof with its entry, or address of a running server or of static
    /// tiles.
    #[arg(value_name = "DIR|BUNDLE|PROOF|URL", required_unless_present = "of")]
    pub evidence: Option<String>,
    /// Print the code of this entry instead, as a running server has it.
    #[arg(long, value_name = "SEQUENCE", conflicts_with_all = ["code", "evidence"])]
    pub of: Option<i64>,
    /// Public key of the log, as `init` prints it.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// Your policy: the log's key, witnesses and quorum (C2SP tlog-policy).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<std::path::PathBuf>,
}

/// What a code was answered from.
struct Ground {
    origin: String,
    /// Entries that the best checkpoint covers, and who vouches for it; `None` where none covers the entry.
    covered: Option<(u64, Vec<String>)>,
    /// The last entry that was looked at; `None` where it was that one alone.
    last: Option<i64>,
}

/// Answers a code, or prints one.
pub fn run(globals: &Globals, args: &ReceiptArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = globals.lang;
    let format = globals.format(&[Format::Table, Format::Json])?;
    let (Some(code), Some(evidence)) = (&args.code, &args.evidence) else {
        return issue(globals, args.of.unwrap_or_default(), out);
    };
    let code = ReceiptCode::parse(code).map_err(|error| match error {
        CodeError::Version(_) => Failure::Unavailable(text::receipt_unreadable(lang, error)),
        CodeError::Length(_) | CodeError::Symbol(_) | CodeError::Check => {
            Failure::Usage(text::receipt_mistyped(lang, error))
        }
    })?;
    let keys = args.key.iter().map(|key| log_key(key)).collect::<Result<_, _>>()?;
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let believed = Believed { keys, policy };
    let (answer, ground) = if is_proof(evidence) {
        from_proof(Path::new(evidence), &code, &believed, lang)?
    } else {
        from_log(globals, evidence, &code, &believed)?
    };
    let sequence = code.sequence;
    let account = match answer {
        Answer::Proven(account) => account,
        Answer::OtherLedger => return Err(Failure::Refused(text::receipt_other_ledger(lang, &ground.origin))),
        Answer::NotThere => return Err(Failure::Refused(text::receipt_not_there(lang, &ground.origin, sequence))),
        Answer::NoPayout => return Err(Failure::Refused(text::receipt_no_payout(lang, sequence))),
        Answer::Differs => return Err(Failure::Refused(text::receipt_differs(lang, sequence))),
    };
    match format {
        Format::Json => render::json(out, &to_json(&account, &ground)),
        Format::Table | Format::Csv | Format::Xlsx | Format::Tree | Format::Dot => tell(out, &account, &ground, lang),
    }
}

/// Prints the code of an entry, from the proof that the server gives of it.
fn issue(globals: &Globals, sequence: i64, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = globals.lang;
    let (proof, entry_hash) = fetched(globals, sequence, false)?;
    let proof = Receipt::parse(&proof).map_err(|error| Failure::Refused(text::proof_malformed(lang, error)))?;
    if !proof.proves(&entry_hash) {
        return Err(Failure::Refused(text::proof_false(lang)));
    }
    let code = receipt_code(&proof.checkpoint.origin, sequence, &EntryHash(entry_hash));
    let code = code.ok_or_else(|| Failure::Refused(text::receipt_no_code(lang, sequence)))?;
    Ok(writeln!(out, "{code}")?)
}

/// Whether evidence is a single proof.
fn is_proof(evidence: &str) -> bool {
    let mut begins = [0; PROOF.len()];
    !is_url(evidence)
        && File::open(evidence).is_ok_and(|mut file| file.read_exact(&mut begins).is_ok())
        && begins == PROOF
}

fn from_proof(path: &Path, code: &ReceiptCode, believed: &Believed, lang: Lang) -> Result<(Answer, Ground), Failure> {
    let file = read_text(path, RECEIPT_BYTES_MAX)?;
    let proof = Receipt::parse(&file).map_err(|error| Failure::Unavailable(text::proof_malformed(lang, error)))?;
    let entry = proof.extra.as_ref().ok_or_else(|| Failure::Unavailable(text::receipt_needs_entry(lang)))?;
    let entry_hash = leaf_hash(entry);
    if !proof.proves(&entry_hash) {
        return Err(Failure::Refused(text::proof_false(lang)));
    }
    let origin = proof.checkpoint.origin.clone();
    let sequence = i64::try_from(proof.index).unwrap_or(i64::MAX);
    let answer = payout::look_at(&origin, sequence, entry, entry_hash, code);
    let vouched = believed.vouch(&proof.note, &proof.checkpoint, lang)?;
    Ok((answer, Ground { origin, covered: Some((proof.checkpoint.size, vouched)), last: None }))
}

fn from_log(
    globals: &Globals,
    evidence: &str,
    code: &ReceiptCode,
    believed: &Believed,
) -> Result<(Answer, Ground), Failure> {
    let lang = globals.lang;
    let anchors = Anchors { keys: believed.keys.clone(), policy: believed.policy.clone(), ..Anchors::default() };
    let looked_up = examined(globals, evidence, anchors, |log, options| payout::look_up(log, options, code));
    let ((answer, report), notes) = looked_up?;
    match report.verdict {
        Verdict::Verified => {}
        Verdict::Broken => return Err(Failure::Refused(text::receipt_broken(lang, evidence))),
        Verdict::Incomplete => {
            let why = report.unreadable.unwrap_or_default();
            return Err(Failure::Unavailable(text::receipt_unreadable(lang, why)));
        }
    }
    let covered = covering(&notes, code.sequence, believed, lang)?;
    let Report { origin, head, .. } = report;
    let last = Some(head.map_or(-1, |head| head.sequence));
    Ok((answer, Ground { origin: origin.unwrap_or_default(), covered, last }))
}

/// The checkpoint that vouches best for an entry: the one that most have signed, then the one that covers most. That they fit the
/// log was checked with it.
fn covering(
    notes: &[String],
    sequence: i64,
    believed: &Believed,
    lang: Lang,
) -> Result<Option<(u64, Vec<String>)>, Failure> {
    let mut best: Option<(u64, Vec<String>)> = None;
    let mut doubted = None;
    for note in notes {
        let Ok(note) = Note::parse(note) else { continue };
        let Ok(checkpoint) = Checkpoint::parse(note.text()) else { continue };
        if u64::try_from(sequence).is_ok_and(|sequence| checkpoint.size <= sequence) {
            continue;
        }
        match believed.vouch(&note, &checkpoint, lang) {
            Ok(vouched) => {
                let rank = |(size, lines): &(u64, Vec<String>)| (lines.len(), *size);
                let found = (checkpoint.size, vouched);
                if best.as_ref().is_none_or(|known| rank(known) < rank(&found)) {
                    best = Some(found);
                }
            }
            Err(failure) => doubted = Some(failure),
        }
    }
    match (best, doubted) {
        (None, Some(failure)) => Err(failure),
        (best, _) => Ok(best),
    }
}

fn day(days: i32) -> String {
    render::date(Some(&convert::date(Day::from_days(days))))
}

fn money(amount_minor: i64, payout: &Payout, lang: Lang) -> String {
    match &payout.currency {
        Some((currency, exponent)) => {
            format!("{} {currency}", render::grouped(amount_minor.into(), render::exponent(*exponent)))
        }
        None => text::receipt_minor_units(lang, amount_minor),
    }
}

fn kind(kind: PayoutKind, lang: Lang) -> String {
    match kind {
        PayoutKind::Payment => text::receipt_payment(lang),
        PayoutKind::Benefit => text::receipt_benefit(lang),
        PayoutKind::Withdrawal => text::receipt_withdrawal(lang),
        PayoutKind::Loan => text::receipt_loan(lang),
        PayoutKind::Refund => text::receipt_refund(lang),
        PayoutKind::Recovery => text::receipt_recovery(lang),
        PayoutKind::Repayment => text::receipt_repayment(lang),
    }
}

fn later(what: Later, lang: Lang) -> String {
    match what {
        Later::Released => text::receipt_released(lang),
        Later::Cleared => text::receipt_cleared(lang),
        Later::Returned => text::receipt_returned(lang),
        Later::Recovered => text::receipt_recovered(lang),
        Later::Reversed => text::receipt_reversed(lang),
        Later::Reissued => text::receipt_reissued(lang),
        Later::Complained => text::receipt_complained(lang),
    }
}

fn tell(out: &mut dyn Write, account: &Account, ground: &Ground, lang: Lang) -> Result<(), Failure> {
    writeln!(out, "{}", text::receipt_proven(lang, &ground.origin, account.sequence))?;
    let mut lines = vec![text::receipt_date(lang, day(account.business_day))];
    for payout in &account.payouts {
        lines.push(text::receipt_amount(lang, money(payout.amount_minor, payout, lang), kind(payout.kind, lang)));
        let (fund_id, name) = &payout.fund;
        if !fund_id.is_empty() {
            lines.push(text::receipt_fund(lang, fund_id, name));
        }
        if !payout.unit_id.is_empty() {
            lines.push(text::receipt_unit(lang, &payout.unit_id));
        }
        if !payout.item.is_empty() {
            lines.push(text::receipt_item(lang, &payout.item));
        }
        if payout.period != 0 {
            let (year, month) = (payout.period.div_euclid(100), payout.period.rem_euclid(100));
            lines.push(text::receipt_period(lang, format!("{year:04}-{month:02}")));
        }
        for lot in payout.lots.iter().filter(|lot| !lot.lot_id.is_empty()) {
            let amount = money(lot.amount_minor, payout, lang);
            lines.push(text::receipt_lot(lang, amount, &lot.document_number, &lot.issuer_id, &lot.lot_id));
        }
    }
    lines.push(text::receipt_approvals(lang, account.approvals));
    match ground.last {
        None => lines.push(text::receipt_only_entry(lang)),
        Some(last) if account.afterwards.is_empty() => lines.push(text::receipt_nothing_since(lang, last)),
        Some(_) => {
            for Afterwards { sequence, business_day, what, amount_minor } in &account.afterwards {
                let first = account.payouts.first();
                let amount = first.filter(|_| *amount_minor > 0).map(|payout| money(*amount_minor, payout, lang));
                let amount = amount.unwrap_or_default();
                lines.push(text::receipt_since(lang, amount, day(*business_day), sequence, later(*what, lang)));
            }
        }
    }
    match &ground.covered {
        Some((size, vouched)) => {
            lines.push(text::receipt_covered(lang, size));
            lines.extend(vouched.iter().cloned());
        }
        None => lines.push(text::receipt_uncovered(lang)),
    }
    lines.push(text::receipt_not_who(lang));
    lines.push(text::receipt_not_bank(lang));
    for line in lines {
        writeln!(out, "  {}", line.trim_end())?;
    }
    Ok(())
}

fn to_json(account: &Account, ground: &Ground) -> Value {
    let payouts: Vec<Value> = account.payouts.iter().map(payout_json).collect();
    let afterwards = account.afterwards.iter().map(|after| {
        json!({
            "sequence": after.sequence,
            "business_date": day(after.business_day),
            "what": match after.what {
                Later::Released => "RELEASED",
                Later::Cleared => "CLEARED",
                Later::Returned => "RETURNED",
                Later::Recovered => "RECOVERED",
                Later::Reversed => "REVERSED",
                Later::Reissued => "REISSUED",
                Later::Complained => "COMPLAINED",
            },
            "amount_minor": after.amount_minor,
        })
    });
    let afterwards: Vec<Value> = afterwards.collect();
    json!({
        "proven": true,
        "origin": ground.origin,
        "sequence": account.sequence,
        "entry_hash": hex(&account.entry_hash),
        "business_date": day(account.business_day),
        "approvals": account.approvals,
        "payouts": payouts,
        "afterwards": afterwards,
        "looked_up_to": ground.last,
        "checkpoint_size": ground.covered.as_ref().map(|(size, _)| *size),
        "vouched": ground.covered.as_ref().map(|(_, vouched)| vouched),
    })
}

fn payout_json(payout: &Payout) -> Value {
    let lots = payout.lots.iter().map(|lot| {
        json!({
            "lot_id": lot.lot_id,
            "issuer_id": lot.issuer_id,
            "document_number": lot.document_number,
            "amount_minor": lot.amount_minor,
        })
    });
    json!({
        "kind": match payout.kind {
            PayoutKind::Payment => "PAYMENT",
            PayoutKind::Benefit => "BENEFIT",
            PayoutKind::Withdrawal => "WITHDRAWAL",
            PayoutKind::Loan => "LOAN",
            PayoutKind::Refund => "REFUND",
            PayoutKind::Recovery => "RECOVERY",
            PayoutKind::Repayment => "REPAYMENT",
        },
        "fund_id": payout.fund.0,
        "fund_name": payout.fund.1,
        "currency_code": payout.currency.as_ref().map(|(currency, _)| currency),
        "currency_exponent": payout.currency.as_ref().map(|(_, exponent)| exponent),
        "unit_id": payout.unit_id,
        "item": payout.item,
        "period": payout.period,
        "amount_minor": payout.amount_minor,
        "lots": lots.collect::<Vec<_>>(),
    })
}
