//! Canonical bytes of a command: what its keyed digest covers. Every field is written with its number and length, so that
//! no two commands have the same bytes (a join without lengths made two different ones equal in another ledger), and the
//! layout has a version of its own, so that a change of the wire encoding cannot turn retries into conflicts.

mod complaints;
mod families;
mod oversight;
mod procurement;

use crate::domain::approval::Approvals;
use crate::domain::authority::ProposedContent;
use crate::domain::command::{
    Adjustment, Command, Draw, Envelope, ExecutePayment, FreezeScope, Movement, OpeningLine, Order, PaymentMethod,
    Precondition,
};
use crate::domain::fund::{FundDefinition, LotDefinition, PlanStep, PolicyVersion, Scheme};
use crate::domain::profile::{CarryRule, FundProfile, GovernmentLevel};
use crate::domain::time::Day;

/// Version of the layout.
const VERSION: u8 = 1;
/// Stand where the number of named checkers does, and are far beyond the most there can be.
const SIGNED_FORM: usize = 0xffff_ff01;
const BATCH_FORM: usize = 0xffff_ff02;
/// Stands before what is written only where it is set: no number of preconditions, which may stand there too, begins with it.
const MORE: u8 = 2;
const MORE_STILL: u8 = 3;
const PERSONAL_DATA: u8 = 4;
const PROFILE: u8 = 5;
const RECIPIENT: u8 = 6;
const EVALUATOR: u8 = 7;
const REGISTERED_CONTRACTS: u8 = 8;

/// Appends the canonical bytes of a command, without its key: the key is looked up, the rest is compared.
pub fn write(command: &Command, buffer: &mut Vec<u8>) {
    buffer.push(VERSION);
    let mut out = Canonical { buffer };
    let Envelope { request_id: _, business_date, actor, approvals, personal_data } = &command.envelope;
    out.day(*business_date);
    out.text(actor.as_str());
    // Of signed commands the form counts, not who signed so far: the same command signed again is the same command.
    match approvals {
        Approvals::Named(checkers) => out.list(checkers, |out, checker| out.text(checker.as_str())),
        Approvals::Signed(_) => out.count(SIGNED_FORM),
        Approvals::Batch(_) => out.count(BATCH_FORM),
    }
    out.text(command.order.name());
    write_order(&command.order, &mut out);
    // After everything else, and only where there are any: commands without them keep their digests.
    if !command.preconditions.is_empty() {
        out.list(&command.preconditions, write_precondition);
    }
    // What it is about, and nothing that depends on a value: a digest of a value could be tried out even after its erasure.
    // The commitments themselves are compared with the event's.
    if !personal_data.is_empty() {
        out.tag(PERSONAL_DATA);
        out.list(personal_data, |out, commitment| {
            out.bytes(&commitment.party.0);
            out.number(commitment.field.number().into());
        });
    }
}

fn write_precondition(out: &mut Canonical<'_>, precondition: &Precondition) {
    match precondition {
        Precondition::AccountRevision { account, revision } => {
            out.tag(1);
            out.text(account.as_str());
            out.number(revision.0);
        }
        Precondition::FundRevision { fund, revision } => {
            out.tag(2);
            out.text(fund.as_str());
            out.number(revision.0);
        }
        Precondition::HeadSequence(sequence) => {
            out.tag(3);
            out.number(sequence.0);
        }
        Precondition::AvailableAtLeast { account, lot, amount } => {
            out.tag(4);
            out.text(account.as_str());
            out.optional(lot.as_ref(), |out, lot| out.text(lot.as_str()));
            out.number(amount.minor());
        }
    }
}

struct Canonical<'a> {
    buffer: &'a mut Vec<u8>,
}

impl Canonical<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.buffer.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
    }

    fn number(&mut self, number: i64) {
        self.buffer.extend_from_slice(&number.to_be_bytes());
    }

    fn day(&mut self, day: Day) {
        self.number(day.days().into());
    }

    fn tag(&mut self, tag: u8) {
        self.buffer.push(tag);
    }

    fn optional<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        match value {
            None => self.tag(0),
            Some(value) => {
                self.tag(1);
                write(self, value);
            }
        }
    }

    fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.count(values.len());
        for value in values {
            write(self, value);
        }
    }

    fn draws(&mut self, draws: &[Draw]) {
        self.list(draws, |out, draw| {
            out.text(draw.lot_id.as_str());
            out.number(draw.amount.minor());
        });
    }

    fn movement(&mut self, movement: &Movement) {
        self.text(movement.from.as_str());
        self.text(movement.to.as_str());
        self.number(movement.amount.minor());
        self.draws(&movement.draws);
    }

    fn lot(&mut self, lot: &LotDefinition) {
        self.text(lot.lot_id.as_str());
        self.text(lot.issuer_id.as_str());
        self.text(lot.document_number.as_str());
        self.bytes(&lot.document_sha256);
        self.optional(lot.expires_on.as_ref(), |out, day| out.day(*day));
        self.list(&lot.purposes, |out, code| out.text(code.as_str()));
        self.optional(lot.parent_lot_id.as_ref(), |out, lot_id| out.text(lot_id.as_str()));
    }
}

fn write_order(order: &Order, out: &mut Canonical<'_>) {
    match order {
        Order::DefineFund(definition) => write_fund(definition, out),
        Order::SetPolicy { policy_id, policy } => {
            out.text(policy_id.as_str());
            write_policy(policy, out);
        }
        Order::OpenAccount { account_id, fund_id, kind, unit_id, person, unit_party } => {
            out.text(account_id.as_str());
            out.text(fund_id.as_str());
            out.number(kind.number().into());
            out.optional(unit_id.as_ref(), |out, unit_id| out.text(unit_id.as_str()));
            // Written only where it is set: what was asked before persons had accounts keeps its digest.
            if let Some(person) = person {
                out.tag(MORE);
                out.bytes(&person.0);
            }
            if let Some(party) = unit_party {
                out.tag(MORE_STILL);
                out.bytes(&party.0);
            }
        }
        Order::CloseAccount { account_id } => out.text(account_id.as_str()),
        Order::ApproveEstimate { project_id, fund_id, amount, issuer_id, document_number } => {
            out.text(project_id.as_str());
            out.text(fund_id.as_str());
            out.number(amount.minor());
            out.text(issuer_id.as_str());
            out.text(document_number.as_str());
        }
        Order::DetermineEntitlement { fund_id, unit_id, item_code, period, head_count, standard } => {
            out.text(fund_id.as_str());
            out.text(unit_id.as_str());
            out.text(item_code.as_str());
            out.number(period.number().into());
            out.number(*head_count);
            out.number(standard.minor());
        }
        Order::Nontax(order) => families::write_nontax(order, out),
        Order::Persons(order) => families::write_persons(order, out),
        Order::Housing(order) => families::write_housing(order, out),
        Order::Oversight(order) => oversight::write_oversight(order, out),
        Order::Procurement(order) => procurement::write_procurement(order, out),
        Order::Complaint(order) => complaints::write(order, out),
        Order::RecordOpeningBalance { fund_id, document_number, document_sha256, lots, lines } => {
            out.text(fund_id.as_str());
            out.text(document_number.as_str());
            out.bytes(document_sha256);
            out.list(lots, Canonical::lot);
            out.list(lines, |out, OpeningLine { account, lot, amount }| {
                out.text(account.as_str());
                out.optional(lot.as_ref(), |out, lot| out.text(lot.as_str()));
                out.number(amount.minor());
            });
        }
        Order::IssueBudget { lot, to, amount } => {
            out.lot(lot);
            out.text(to.as_str());
            out.number(amount.minor());
        }
        Order::AllocateBudget { movement, document_number } | Order::ApprovePlan { movement, document_number } => {
            out.movement(movement);
            out.optional(document_number.as_ref(), |out, number| out.text(number.as_str()));
        }
        Order::AdjustBudget { adjustment, lot_id, amount, issuer_id, document_number } => {
            let (tag, from, to) = match adjustment {
                Adjustment::Supplement { to } => (1, None, Some(to)),
                Adjustment::Reduction { from } => (2, Some(from), None),
                Adjustment::Reallocation { from, to } => (3, Some(from), Some(to)),
            };
            out.tag(tag);
            out.optional(from, |out, account| out.text(account.as_str()));
            out.optional(to, |out, account| out.text(account.as_str()));
            out.text(lot_id.as_str());
            out.number(amount.minor());
            out.text(issuer_id.as_str());
            out.text(document_number.as_str());
        }
        Order::CommitAuthority { movement, contract_id, ocid, payee } => {
            out.movement(movement);
            out.text(contract_id.as_str());
            out.optional(ocid.as_ref(), |out, ocid| out.text(ocid.as_str()));
            out.bytes(&payee.0);
        }
        Order::ReleaseCommitment { movement, contract_id } => {
            out.movement(movement);
            out.text(contract_id.as_str());
        }
        Order::Freeze { case_id, legal_basis, scope } => {
            out.text(case_id.as_str());
            out.text(legal_basis.as_str());
            match scope {
                FreezeScope::Amount { account, amount, draws } => {
                    out.tag(1);
                    out.text(account.as_str());
                    out.number(amount.minor());
                    out.draws(draws);
                }
                FreezeScope::Account(account) => {
                    out.tag(2);
                    out.text(account.as_str());
                }
                FreezeScope::Lot(lot) => {
                    out.tag(3);
                    out.text(lot.as_str());
                }
                FreezeScope::Payee(payee) => {
                    out.tag(4);
                    out.bytes(&payee.0);
                }
            }
        }
        Order::Unfreeze { case_id } => out.text(case_id.as_str()),
        Order::ReceiveCash { lot_id, amount, bank_reference } => {
            out.text(lot_id.as_str());
            out.number(amount.minor());
            out.text(bank_reference.as_str());
        }
        Order::ExecutePayment(payment) => write_payment(payment, out),
        Order::ClearPayments { payment_ids, bank_reference } => {
            out.list(payment_ids, |out, payment_id| out.text(payment_id.as_str()));
            out.text(bank_reference.as_str());
        }
        Order::ReturnPayment { payment_id, amount, bank_reference, reason_code } => {
            out.text(payment_id.as_str());
            out.number(amount.minor());
            out.text(bank_reference.as_str());
            out.text(reason_code.as_str());
        }
        Order::ReverseEvent { original, operation, reason_code } => {
            out.number(original.0);
            out.text(reason_code.as_str());
            // Written only where it is set: what was asked before there were transactions keeps its digest.
            if *operation != 0 {
                out.number((*operation).into());
            }
        }
        Order::CloseDay { fund_id, day } => {
            out.text(fund_id.as_str());
            out.day(*day);
        }
        Order::ClosePeriod { fund_id, period } => {
            out.text(fund_id.as_str());
            out.number(period.number().into());
        }
        Order::CarryForward { lot_id, year } => {
            out.text(lot_id.as_str());
            out.number((*year).into());
        }
        Order::RecoverLapsed { lot_id, legal_basis } => {
            out.text(lot_id.as_str());
            out.text(legal_basis.as_str());
        }
        Order::GrantRole { principal, role, fund_id } | Order::RevokeRole { principal, role, fund_id } => {
            out.text(principal.as_str());
            out.number(role.number().into());
            out.optional(fund_id.as_ref(), |out, fund_id| out.text(fund_id.as_str()));
        }
        Order::RotateKey { principal, public_key } => {
            out.text(principal.as_str());
            out.optional(public_key.as_ref(), |out, key| out.bytes(&key.0));
        }
        Order::RotateLogKey { key, change } => {
            out.text(key.as_str());
            out.number(change.number().into());
        }
        Order::Propose { content, expires_at } => {
            out.number(expires_at.0);
            match content {
                ProposedContent::Command(command) => {
                    out.tag(1);
                    out.bytes(command);
                }
                ProposedContent::Batch(batch) => {
                    out.tag(2);
                    out.number(batch.command_count.into());
                    out.number(batch.control_total_minor);
                    out.bytes(&batch.root);
                }
            }
        }
        Order::Approve { proposal_id, key, signature } => {
            out.text(proposal_id.as_str());
            out.number(key.0.into());
            out.bytes(&signature.0);
        }
        Order::Withdraw { proposal_id } => out.text(proposal_id.as_str()),
        // Each with its length: what is written only where it is set must not run into the next one.
        Order::Transaction { operations } => out.list(operations, |out, operation| {
            let mut buffer = Vec::new();
            write_order(operation.order(), &mut Canonical { buffer: &mut buffer });
            out.text(operation.order().name());
            out.bytes(&buffer);
        }),
    }
}

fn write_fund(definition: &FundDefinition, out: &mut Canonical<'_>) {
    out.text(definition.fund_id.as_str());
    out.text(definition.name.as_str());
    out.tag(u8::try_from(definition.family.number()).unwrap_or_default());
    out.bytes(&definition.currency.code);
    out.tag(definition.currency.exponent);
    out.list(&definition.purposes, |out, code| out.text(code.as_str()));
    out.list(&definition.economic_codes, |out, code| out.text(code.as_str()));
    out.optional(definition.policy_id.as_ref(), |out, policy_id| out.text(policy_id.as_str()));
    out.text(definition.legal_basis.as_str());
    // Written only where it is set: what was asked before there were schemes keeps its digest.
    if definition.scheme.is_some() || !definition.exclusive_with.is_empty() {
        out.tag(MORE);
        out.number(definition.scheme.map_or(0, Scheme::number).into());
        out.list(&definition.exclusive_with, |out, fund_id| out.text(fund_id.as_str()));
    }
    if !definition.profile.is_empty() {
        out.tag(PROFILE);
        write_profile(&definition.profile, out);
    }
}

fn write_profile(profile: &FundProfile, out: &mut Canonical<'_>) {
    out.number(profile.level.map_or(0, GovernmentLevel::number).into());
    out.optional(profile.region_code.as_ref(), |out, code| out.text(code.as_str()));
    out.list(&profile.recipient_kinds, |out, kind| out.number(kind.number().into()));
    out.number(profile.carry_rule.map_or(0, CarryRule::number).into());
    for mark in [profile.directly_allocated, profile.subsidizes_recipients, profile.includes_matching] {
        out.tag(mark.into());
    }
}

fn write_policy(policy: &PolicyVersion, out: &mut Canonical<'_>) {
    out.number(policy.version.into());
    out.day(policy.effective_from);
    out.tag(match policy.plan_step {
        PlanStep::Required => 1,
        PlanStep::Optional => 2,
    });
    out.list(&policy.checker_tiers, |out, tier| {
        out.number(tier.from_minor);
        out.number(tier.checkers.into());
    });
    out.bytes(&policy.document_sha256);
    // Written only where it is set: what was asked before there were signatures keeps its digest.
    if policy.signed_approvals {
        out.tag(1);
    }
    // So are terms; the tag differs from the one before.
    if !policy.terms.is_empty() {
        out.tag(MORE);
        families::write_terms(&policy.terms, out);
    }
}

fn write_payment(payment: &ExecutePayment, out: &mut Canonical<'_>) {
    out.text(payment.payment_id.as_str());
    out.text(payment.from.as_str());
    out.optional(payment.unit.as_ref(), |out, unit| out.text(unit.as_str()));
    out.number(payment.amount.minor());
    out.draws(&payment.draws);
    out.bytes(&payment.payee.0);
    out.text(payment.purpose.as_str());
    for code in [&payment.function_code, &payment.economic_code, &payment.project_id] {
        out.optional(code.as_ref(), |out, code| out.text(code.as_str()));
    }
    out.optional(payment.contract_id.as_ref(), |out, contract_id| out.text(contract_id.as_str()));
    out.tag(match payment.method {
        PaymentMethod::Direct => 1,
        PaymentMethod::Authorized => 2,
    });
    out.list(&payment.document_sha256, |out, digest| out.bytes(digest));
    // Written only where it is set, as above.
    if let Some(payout) = &payment.payout {
        out.tag(MORE);
        families::write_payout(payout, out);
    }
    if let Some(kind) = payment.recipient_kind {
        out.tag(RECIPIENT);
        out.number(kind.number().into());
    }
}
