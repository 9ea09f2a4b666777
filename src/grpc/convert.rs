//! Wire to domain: every size, range and character is checked here, once, and all violations are reported together.
//! Protobuf types end here.

mod complaints;
mod families;
mod fields;
mod oversight;
mod parser;
mod personal;
mod procurement;
mod setup;
mod straight;
mod terms;

use std::borrow::Cow;
use std::fmt::Display;

use prost::bytes::Bytes;

pub use self::fields::split_request;
use self::parser::Parser;
pub use self::personal::personal_data;
pub use self::straight::command as straight;
use crate::domain::approval::Approvals;
use crate::domain::command::{
    Adjustment, Command, Envelope, ExecutePayment, FreezeScope, Movement, Operation, Order, PaymentMethod, Precondition,
};
use crate::domain::ids::{
    AccountId, ActorId, BankReference, CaseId, Code, ContractId, DocumentNumber, FundId, IssuerId, LegalBasis, LotId,
    NameError, PayeeRef, PaymentId, ReasonCode, RequestId, Sequence, UnitId,
};
use crate::domain::profile::RecipientKind;
use crate::domain::refusal::Reason;
use crate::domain::time::{Day, UtcNanos};
use crate::format::keyed::KeyedDigest;
use crate::pb::{self, v1};

/// Most commands of one request.
pub const COMMANDS_MAX: usize = 8_192;
const CHECKERS_MAX: usize = 8;
const PRECONDITIONS_MAX: usize = 16;
const OPERATIONS_MAX: usize = 100;
const CLEARED_MAX: usize = 512;
const DOCUMENTS_MAX: usize = 16;

/// A field that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field.
    pub field: String,
    /// Why it is refused.
    pub reason: Reason,
    /// What is wrong with it.
    pub description: String,
}

/// Parses a command; `path` stands before the names of its fields.
pub fn command(wire: v1::Command, pseudonyms: &KeyedDigest, path: &str) -> Result<Command, Vec<Violation>> {
    let pseudonyms = pseudonyms_of(&wire, pseudonyms);
    let mut parser = Parser { violations: Vec::new(), pseudonyms: &pseudonyms, path, section: "" };
    parser.keep_apart(&wire);
    let envelope = parser.envelope(wire.request_id, wire.business_date, wire.actor, wire.checkers);
    let preconditions = parser.preconditions(wire.preconditions);
    let personal_data = parser.personal_commitments(&wire.personal_data, wire.personal_commitments);
    let order = match wire.payload {
        Some(payload) => parser.order(payload, envelope.as_ref()),
        None => parser.wrong("payload", Reason::FieldInvalid, "is missing: a command says what to do"),
    };
    match (envelope, preconditions, order, personal_data) {
        (Some(envelope), Some(preconditions), Some(order), Some(personal_data)) if parser.violations.is_empty() => {
            Ok(Command { envelope: Envelope { personal_data, ..envelope }, preconditions, order })
        }
        _ => Err(parser.violations),
    }
}

/// What stands for the persons that a command names. Those of a complaint have pseudonyms of their own, so that the log links none
/// of them with who is paid.
pub fn pseudonyms_of<'a>(wire: &v1::Command, pseudonyms: &'a KeyedDigest) -> Cow<'a, KeyedDigest> {
    match wire.payload {
        Some(v1::command::Payload::FileComplaint(_)) => Cow::Owned(pseudonyms.reporters()),
        _ => Cow::Borrowed(pseudonyms),
    }
}

/// Parses what every command carries, of a request that is one command by itself.
pub fn envelope(
    request_id: String,
    business_date: Option<pb::Date>,
    actor: String,
) -> Result<Envelope, Vec<Violation>> {
    let request_id = name("request_id", RequestId::parse(request_id));
    let actor = name("actor", ActorId::parse(actor));
    let business_date = required_day("business_date", business_date);
    match (request_id, business_date, actor) {
        (Ok(request_id), Ok(business_date), Ok(actor)) => {
            let (approvals, personal_data) = (Approvals::default(), Vec::new());
            Ok(Envelope { request_id, business_date, actor, approvals, personal_data })
        }
        (request_id, business_date, actor) => {
            let wrong = [request_id.err(), business_date.err(), actor.err()];
            Err(wrong.into_iter().flatten().flatten().collect())
        }
    }
}

/// Parses a date that must be there.
pub fn required_day(field: &str, date: Option<pb::Date>) -> Result<Day, Vec<Violation>> {
    let missing = || {
        let (field, description) = (field.to_owned(), "is missing".to_owned());
        vec![Violation { field, reason: Reason::DateInvalid, description }]
    };
    day(field, date.ok_or_else(missing)?)
}

/// Parses a moment, to the nanosecond.
pub fn timestamp(field: &str, timestamp: Option<&prost_types::Timestamp>) -> Result<UtcNanos, Vec<Violation>> {
    const NANOS: i64 = 1_000_000_000;
    let wrong = |description: &str| {
        let (field, description) = (field.to_owned(), description.to_owned());
        vec![Violation { field, reason: Reason::FieldInvalid, description }]
    };
    let timestamp = timestamp.ok_or_else(|| wrong("is missing"))?;
    let nanos = i64::from(timestamp.nanos);
    let at = timestamp.seconds.checked_mul(NANOS).and_then(|seconds| seconds.checked_add(nanos));
    at.filter(|at| (0..NANOS).contains(&nanos) && *at > 0)
        .map(UtcNanos)
        .ok_or_else(|| wrong("is not a time after 1970"))
}

/// A moment on the wire.
pub fn to_timestamp(at: UtcNanos) -> prost_types::Timestamp {
    const NANOS: i64 = 1_000_000_000;
    prost_types::Timestamp {
        seconds: at.0.div_euclid(NANOS),
        nanos: i32::try_from(at.0.rem_euclid(NANOS)).unwrap_or_default(),
    }
}

/// Parses a single name of a query.
pub fn name<T>(field: &str, parsed: Result<T, NameError>) -> Result<T, Vec<Violation>> {
    parsed.map_err(|error| {
        vec![Violation { field: field.to_owned(), reason: Reason::FieldInvalid, description: error.to_string() }]
    })
}

/// Parses a payee's identity into a pseudonym.
pub fn payee(field: &str, identity: &str, pseudonyms: &KeyedDigest) -> Result<PayeeRef, Vec<Violation>> {
    let mut parser = Parser { violations: Vec::new(), pseudonyms, path: "", section: "" };
    parser.payee(field, identity).ok_or(parser.violations)
}

/// Parses a person of a query: an identity, or a pseudonym.
pub fn party(
    field: &str,
    identity: &str,
    pseudonym: &Bytes,
    pseudonyms: &KeyedDigest,
) -> Result<PayeeRef, Vec<Violation>> {
    let mut parser = Parser { violations: Vec::new(), pseudonyms, path: "", section: "" };
    parser.party(field, identity, pseudonym).ok_or(parser.violations)
}

/// Parses a date of a query.
pub fn day(field: &str, date: pb::Date) -> Result<Day, Vec<Violation>> {
    let pb::Date { year, month, day } = date;
    Day::new(year, month, day).map_err(|_| {
        let description =
            format!("is {year:04}-{month:02}-{day:02}, which does not exist or lies outside 1900 to 2199");
        vec![Violation { field: field.to_owned(), reason: Reason::DateInvalid, description }]
    })
}

/// A date on the wire.
pub fn date(day: Day) -> pb::Date {
    let (year, month, day) = day.civil();
    pb::Date { year, month, day }
}

impl Parser<'_> {
    fn envelope(
        &mut self,
        request_id: String,
        business_date: Option<pb::Date>,
        actor: String,
        checkers: Vec<String>,
    ) -> Option<Envelope> {
        let request_id = self.named("request_id", RequestId::parse(request_id));
        let business_date = self.date("business_date", business_date);
        let actor = self.named("actor", ActorId::parse(actor));
        let checkers =
            self.list("checkers", checkers, CHECKERS_MAX, |parser, field, id| parser.named(field, ActorId::parse(id)));
        Some(Envelope {
            request_id: request_id?,
            business_date: business_date?,
            actor: actor?,
            approvals: Approvals::Named(checkers?),
            personal_data: Vec::new(),
        })
    }

    fn preconditions(&mut self, wire: Vec<v1::Precondition>) -> Option<Vec<Precondition>> {
        self.list("preconditions", wire, PRECONDITIONS_MAX, |parser, field, wire| {
            parser.precondition(&field.to_string(), wire)
        })
    }

    fn precondition(&mut self, field: &str, wire: v1::Precondition) -> Option<Precondition> {
        use v1::precondition::Condition;
        match wire.condition {
            None => self.wrong(field, Reason::FieldInvalid, "says no condition"),
            Some(Condition::AccountRevision(wire)) => {
                let account = self.named(format_args!("{field}.account_revision.id"), AccountId::parse(wire.id));
                let revision = self.sequence(format_args!("{field}.account_revision.revision"), wire.revision);
                Some(Precondition::AccountRevision { account: account?, revision: revision? })
            }
            Some(Condition::FundRevision(wire)) => {
                let fund = self.named(format_args!("{field}.fund_revision.id"), FundId::parse(wire.id));
                let revision = self.sequence(format_args!("{field}.fund_revision.revision"), wire.revision);
                Some(Precondition::FundRevision { fund: fund?, revision: revision? })
            }
            Some(Condition::HeadSequence(sequence)) => {
                self.sequence(format_args!("{field}.head_sequence"), sequence).map(Precondition::HeadSequence)
            }
            Some(Condition::AvailableAtLeast(wire)) => {
                let field = format!("{field}.available_at_least");
                let account = self.named(format_args!("{field}.account_id"), AccountId::parse(wire.account_id));
                let lot = self.optional(format_args!("{field}.lot_id"), wire.lot_id, LotId::parse);
                let amount = self.amount(format_args!("{field}.amount_minor"), wire.amount_minor);
                Some(Precondition::AvailableAtLeast { account: account?, lot: lot?, amount: amount? })
            }
        }
    }

    fn sequence(&mut self, field: impl Display, sequence: i64) -> Option<Sequence> {
        if sequence >= 0 {
            return Some(Sequence(sequence));
        }
        self.wrong(field, Reason::FieldInvalid, "is not a sequence from 0 on")
    }

    fn movement(&mut self, movement: Option<v1::AuthorityMovement>) -> Option<Movement> {
        let Some(movement) = movement else {
            return self.wrong("movement", Reason::FieldInvalid, "is missing");
        };
        let from = self.named("movement.from_account_id", AccountId::parse(movement.from_account_id));
        let to = self.named("movement.to_account_id", AccountId::parse(movement.to_account_id));
        let amount = self.amount("movement.amount_minor", movement.amount_minor);
        let draws = self.draws("movement.draws", movement.draws);
        let movement = Movement { from: from?, to: to?, amount: amount?, draws: draws? };
        if movement.from == movement.to {
            return self.wrong("movement.to_account_id", Reason::FieldInvalid, "is the account debited");
        }
        Some(movement)
    }

    fn order(&mut self, payload: v1::command::Payload, envelope: Option<&Envelope>) -> Option<Order> {
        use v1::command::Payload;
        self.section = section(&payload);
        match payload {
            Payload::DefineFund(wire) => {
                self.define_fund(*wire).map(|definition| Order::DefineFund(Box::new(definition)))
            }
            Payload::SetPolicy(wire) => self.set_policy(*wire),
            Payload::OpenAccount(wire) => self.open_account(*wire),
            Payload::RecordOpeningBalance(wire) => self.opening_balance(*wire),
            Payload::CloseAccount(wire) => {
                let account_id = self.named("account_id", AccountId::parse(wire.account_id))?;
                Some(Order::CloseAccount { account_id })
            }
            Payload::RecordEligibility(_)
            | Payload::ApproveEstimate(_)
            | Payload::DetermineEntitlement(_)
            | Payload::NoticeNontax(_)
            | Payload::CollectNontax(_)
            | Payload::SplitNontax(_)
            | Payload::RefundNontax(_)
            | Payload::ReceiveContribution(_)
            | Payload::ReceiveIncome(_)
            | Payload::MoveFunds(_)
            | Payload::PayBenefit(_)
            | Payload::RecoverBenefit(_)
            | Payload::TransferRelation(_)
            | Payload::CreditInterest(_)
            | Payload::WithdrawHousing(_)
            | Payload::IssueLoan(_)
            | Payload::RepayLoan(_)
            | Payload::DistributeSurplus(_) => self.family_order(payload),
            Payload::RecordReconciliation(_)
            | Payload::Flag(_)
            | Payload::ExplainFinding(_)
            | Payload::RectifyFinding(_)
            | Payload::CloseFinding(_)
            | Payload::OpenMatter(_)
            | Payload::CloseMatter(_)
            | Payload::RecordDisclosure(_)
            | Payload::ScorePerformance(_)
            | Payload::SetGoal(_)
            | Payload::RecordOutput(_)
            | Payload::ReopenPeriod(_)
            | Payload::RestrictPersonalData(_)
            | Payload::ReleasePersonalData(_)
            | Payload::ErasePersonalData(_)
            | Payload::OpenPersonalData(_) => {
                self.oversight_order(payload).map(|order| Order::Oversight(Box::new(order)))
            }
            Payload::OpenTender(_)
            | Payload::AwardTender(_)
            | Payload::RegisterContract(_)
            | Payload::AmendContract(_)
            | Payload::SettleContract(_)
            | Payload::ApproveFinalAccount(_) => {
                self.procurement_order(payload).map(|order| Order::Procurement(Box::new(order)))
            }
            Payload::FileComplaint(_)
            | Payload::AcceptComplaint(_)
            | Payload::AnswerComplaint(_)
            | Payload::CloseComplaint(_) => {
                self.complaint_order(payload).map(|order| Order::Complaint(Box::new(order)))
            }
            Payload::IssueBudget(wire) => self.issue_budget(*wire),
            Payload::AllocateBudget(wire) => {
                let movement = self.movement(wire.movement);
                let document_number = self.optional("document_number", wire.document_number, DocumentNumber::parse);
                Some(Order::AllocateBudget { movement: movement?, document_number: document_number? })
            }
            Payload::AdjustBudget(wire) => self.adjust_budget(*wire),
            Payload::ApprovePlan(wire) => {
                let movement = self.movement(wire.movement);
                let document_number = self.optional("document_number", wire.document_number, DocumentNumber::parse);
                Some(Order::ApprovePlan { movement: movement?, document_number: document_number? })
            }
            Payload::CommitAuthority(wire) => {
                let movement = self.movement(wire.movement);
                let contract_id = self.named("contract_id", ContractId::parse(wire.contract_id));
                let ocid = self.optional("ocid", wire.ocid, Code::parse);
                let payee = self.payee_or_pseudonym(&wire.payee, &wire.payee_pseudonym);
                Some(Order::CommitAuthority {
                    movement: movement?,
                    contract_id: contract_id?,
                    ocid: ocid?,
                    payee: payee?,
                })
            }
            Payload::ReleaseCommitment(wire) => {
                let contract_id = self.named("contract_id", ContractId::parse(wire.contract_id));
                let movement = self.movement(wire.movement);
                Some(Order::ReleaseCommitment { movement: movement?, contract_id: contract_id? })
            }
            Payload::Freeze(wire) => self.freeze(*wire),
            Payload::Unfreeze(wire) => {
                let case_id = self.named("case_id", CaseId::parse(wire.case_id))?;
                Some(Order::Unfreeze { case_id })
            }
            Payload::ReceiveCash(wire) => {
                let lot_id = self.named("lot_id", LotId::parse(wire.lot_id));
                let amount = self.amount("amount_minor", wire.amount_minor);
                let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
                Some(Order::ReceiveCash { lot_id: lot_id?, amount: amount?, bank_reference: bank_reference? })
            }
            Payload::ExecutePayment(wire) => self.execute_payment(*wire),
            Payload::ClearPayments(wire) => self.clear_payments(*wire),
            Payload::ReturnPayment(wire) => {
                let payment_id = self.named("payment_id", PaymentId::parse(wire.payment_id));
                let amount = self.amount("amount_minor", wire.amount_minor);
                let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
                let reason_code = self.named("reason_code", ReasonCode::parse(wire.reason_code));
                Some(Order::ReturnPayment {
                    payment_id: payment_id?,
                    amount: amount?,
                    bank_reference: bank_reference?,
                    reason_code: reason_code?,
                })
            }
            Payload::ReverseEvent(wire) => {
                let original = if wire.original_sequence >= 1 {
                    Some(Sequence(wire.original_sequence))
                } else {
                    self.wrong("original_sequence", Reason::FieldInvalid, "is not a sequence from 1 on")
                };
                let reason_code = self.named("reason_code", ReasonCode::parse(wire.reason_code));
                let operation = match u32::try_from(wire.operation) {
                    Ok(operation) => Some(operation),
                    Err(_) => self.wrong("operation", Reason::FieldInvalid, "is not a place from 1 on, or 0 for none"),
                };
                Some(Order::ReverseEvent { original: original?, operation: operation?, reason_code: reason_code? })
            }
            Payload::CloseDay(wire) => {
                let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
                let day = self.date("day", wire.day);
                Some(Order::CloseDay { fund_id: fund_id?, day: day? })
            }
            Payload::ClosePeriod(wire) => {
                let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
                let period = self.period("", wire.year, wire.month);
                Some(Order::ClosePeriod { fund_id: fund_id?, period: period? })
            }
            Payload::CarryForward(wire) => {
                let lot_id = self.named("lot_id", LotId::parse(wire.lot_id));
                let booked_in = envelope.map(|envelope| envelope.business_date.year());
                // A year is carried over on its last day, or when the books of the next one are open already.
                let fits = booked_in.is_none_or(|year| wire.year == year || wire.year.checked_add(1) == Some(year));
                let year = if fits {
                    Some(wire.year)
                } else {
                    self.wrong(
                        "year",
                        Reason::FieldInvalid,
                        "is neither the business date's year nor the one before it",
                    )
                };
                Some(Order::CarryForward { lot_id: lot_id?, year: year? })
            }
            Payload::RecoverLapsed(wire) => {
                let lot_id = self.named("lot_id", LotId::parse(wire.lot_id));
                let legal_basis = self.named("legal_basis", LegalBasis::parse(wire.legal_basis));
                Some(Order::RecoverLapsed { lot_id: lot_id?, legal_basis: legal_basis? })
            }
            Payload::GrantRole(wire) => self.grant_role(*wire),
            Payload::RevokeRole(wire) => self.revoke_role(*wire),
            Payload::RotateKey(wire) => self.rotate_key(*wire),
            Payload::RotateLogKey(wire) => self.rotate_log_key(*wire),
            Payload::Transaction(wire) => self.transaction(*wire, envelope),
            Payload::SignedCommand(_) => {
                self.section = "";
                self.wrong("payload", Reason::FieldInvalid, "is a signed command within another command")
            }
        }
    }

    fn transaction(&mut self, wire: v1::Transaction, envelope: Option<&Envelope>) -> Option<Order> {
        if wire.operations.is_empty() {
            return self.wrong("operations", Reason::FieldInvalid, "is missing: a transaction has operations");
        }
        let operations = self.list("operations", wire.operations, OPERATIONS_MAX, |parser, member, wire| {
            let Some(operation) = wire.operation else {
                return parser.wrong(member, Reason::FieldInvalid, "says no operation");
            };
            let path = format!("{}{}{member}.", parser.path, parser.section);
            let (violations, pseudonyms) = (std::mem::take(&mut parser.violations), parser.pseudonyms);
            let mut inner = Parser { violations, pseudonyms, path: &path, section: "" };
            let order = inner.order(v1::command::Payload::from(operation), envelope);
            parser.violations = inner.violations;
            Operation::new(order?)
        });
        Some(Order::Transaction { operations: operations? })
    }

    fn adjust_budget(&mut self, wire: v1::AdjustBudget) -> Option<Order> {
        let kind = match v1::AdjustmentKind::try_from(wire.kind) {
            Ok(v1::AdjustmentKind::Unspecified) | Err(_) => {
                self.wrong("kind", Reason::FieldInvalid, "is not a known adjustment")
            }
            Ok(kind) => Some(kind),
        };
        let lot_id = self.named("lot_id", LotId::parse(wire.lot_id));
        let from = self.optional("from_account_id", wire.from_account_id, AccountId::parse);
        let to = self.optional("to_account_id", wire.to_account_id, AccountId::parse);
        let amount = self.amount("amount_minor", wire.amount_minor);
        let issuer_id = self.named("issuer_id", IssuerId::parse(wire.issuer_id));
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let adjustment = match (kind?, from?, to?) {
            (v1::AdjustmentKind::Supplement, None, Some(to)) => Adjustment::Supplement { to },
            (v1::AdjustmentKind::Reduction, Some(from), None) => Adjustment::Reduction { from },
            (v1::AdjustmentKind::Reallocation, Some(from), Some(to)) if from != to => {
                Adjustment::Reallocation { from, to }
            }
            _ => {
                let description = "needs exactly the accounts of its kind: a supplement to_account_id, a reduction \
                                   from_account_id, a reallocation both, and different ones";
                return self.wrong("kind", Reason::FieldInvalid, description);
            }
        };
        Some(Order::AdjustBudget {
            adjustment,
            lot_id: lot_id?,
            amount: amount?,
            issuer_id: issuer_id?,
            document_number: document_number?,
        })
    }

    fn freeze(&mut self, wire: v1::Freeze) -> Option<Order> {
        use v1::freeze::Scope;
        let case_id = self.named("case_id", CaseId::parse(wire.case_id));
        let legal_basis = self.named("legal_basis", LegalBasis::parse(wire.legal_basis));
        let scope = match wire.scope {
            None => self.wrong("scope", Reason::FieldInvalid, "is missing"),
            Some(Scope::Amount(amount)) => {
                let account = self.named("amount.account_id", AccountId::parse(amount.account_id));
                let minor = self.amount("amount.amount_minor", amount.amount_minor);
                let draws = self.draws("amount.draws", amount.draws);
                Some(FreezeScope::Amount { account: account?, amount: minor?, draws: draws? })
            }
            Some(Scope::AccountId(id)) => self.named("account_id", AccountId::parse(id)).map(FreezeScope::Account),
            Some(Scope::LotId(id)) => self.named("lot_id", LotId::parse(id)).map(FreezeScope::Lot),
            Some(Scope::Payee(identity)) => self.payee("payee", &identity).map(FreezeScope::Payee),
            Some(Scope::PayeePseudonym(pseudonym)) => {
                self.pseudonym("payee_pseudonym", &pseudonym).map(FreezeScope::Payee)
            }
        };
        Some(Order::Freeze { case_id: case_id?, legal_basis: legal_basis?, scope: scope? })
    }

    fn execute_payment(&mut self, wire: v1::ExecutePayment) -> Option<Order> {
        let payment_id = self.named("payment_id", PaymentId::parse(wire.payment_id));
        let from = self.named("from_account_id", AccountId::parse(wire.from_account_id));
        let unit = self.optional("unit_id", wire.unit_id, UnitId::parse);
        let amount = self.amount("amount_minor", wire.amount_minor);
        let draws = self.draws("draws", wire.draws);
        let payee = self.payee_or_pseudonym(&wire.payee, &wire.payee_pseudonym);
        let purpose = self.named("purpose", Code::parse(wire.purpose));
        let function_code = self.optional("function_code", wire.function_code, Code::parse);
        let economic_code = self.optional("economic_code", wire.economic_code, Code::parse);
        let project_id = self.optional("project_id", wire.project_id, Code::parse);
        let contract_id = self.optional("contract_id", wire.contract_id, ContractId::parse);
        let method = match v1::PaymentMethod::try_from(wire.method) {
            Ok(v1::PaymentMethod::Direct) => Some(PaymentMethod::Direct),
            Ok(v1::PaymentMethod::Authorized) => Some(PaymentMethod::Authorized),
            Ok(v1::PaymentMethod::Unspecified) | Err(_) => {
                self.wrong("method", Reason::FieldInvalid, "is neither DIRECT nor AUTHORIZED")
            }
        };
        let document_sha256 =
            self.list("document_sha256", wire.document_sha256, DOCUMENTS_MAX, |parser, field, digest| {
                parser.digest(field, &digest)
            });
        let payout = match wire.payout {
            None => Some(None),
            Some(payout) => self.payout(payout).map(Some),
        };
        let kind = self.known_or_unset("recipient_kind", wire.recipient_kind, RecipientKind::from_number);
        let recipient_kind = match (&payout, kind) {
            (Some(Some(_)), Some(Some(kind))) if kind != RecipientKind::Person => {
                self.wrong("recipient_kind", Reason::FieldInvalid, "is not PERSON: a payout is to a person")
            }
            (Some(Some(_)), Some(_)) => Some(None),
            (_, kind) => kind,
        };
        Some(Order::ExecutePayment(Box::new(ExecutePayment {
            payment_id: payment_id?,
            from: from?,
            unit: unit?,
            amount: amount?,
            draws: draws?,
            payee: payee?,
            purpose: purpose?,
            function_code: function_code?,
            economic_code: economic_code?,
            project_id: project_id?,
            contract_id: contract_id?,
            method: method?,
            document_sha256: document_sha256?,
            payout: payout?,
            recipient_kind: recipient_kind?,
        })))
    }

    fn clear_payments(&mut self, wire: v1::ClearPayments) -> Option<Order> {
        let payment_ids = self.list("payment_ids", wire.payment_ids, CLEARED_MAX, |parser, field, id| {
            parser.named(field, PaymentId::parse(id))
        });
        let payment_ids = match payment_ids {
            Some(ids) if ids.is_empty() => self.wrong("payment_ids", Reason::FieldInvalid, "is missing"),
            ids => ids,
        };
        let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
        Some(Order::ClearPayments { payment_ids: payment_ids?, bank_reference: bank_reference? })
    }
}

/// The payload's place in the path of its fields.
const fn section(payload: &v1::command::Payload) -> &'static str {
    use v1::command::Payload;
    match payload {
        Payload::DefineFund(_) => "define_fund.",
        Payload::SetPolicy(_) => "set_policy.",
        Payload::OpenAccount(_) => "open_account.",
        Payload::CloseAccount(_) => "close_account.",
        Payload::RecordEligibility(_) => "record_eligibility.",
        Payload::ApproveEstimate(_) => "approve_estimate.",
        Payload::DetermineEntitlement(_) => "determine_entitlement.",
        Payload::NoticeNontax(_) => "notice_nontax.",
        Payload::CollectNontax(_) => "collect_nontax.",
        Payload::SplitNontax(_) => "split_nontax.",
        Payload::RefundNontax(_) => "refund_nontax.",
        Payload::ReceiveContribution(_) => "receive_contribution.",
        Payload::ReceiveIncome(_) => "receive_income.",
        Payload::MoveFunds(_) => "move_funds.",
        Payload::PayBenefit(_) => "pay_benefit.",
        Payload::RecoverBenefit(_) => "recover_benefit.",
        Payload::TransferRelation(_) => "transfer_relation.",
        Payload::CreditInterest(_) => "credit_interest.",
        Payload::WithdrawHousing(_) => "withdraw_housing.",
        Payload::IssueLoan(_) => "issue_loan.",
        Payload::RepayLoan(_) => "repay_loan.",
        Payload::DistributeSurplus(_) => "distribute_surplus.",
        Payload::RecordReconciliation(_) => "record_reconciliation.",
        Payload::Flag(_) => "flag.",
        Payload::ExplainFinding(_) => "explain_finding.",
        Payload::RectifyFinding(_) => "rectify_finding.",
        Payload::CloseFinding(_) => "close_finding.",
        Payload::OpenMatter(_) => "open_matter.",
        Payload::CloseMatter(_) => "close_matter.",
        Payload::RecordDisclosure(_) => "record_disclosure.",
        Payload::ScorePerformance(_) => "score_performance.",
        Payload::SetGoal(_) => "set_goal.",
        Payload::RecordOutput(_) => "record_output.",
        Payload::OpenTender(_) => "open_tender.",
        Payload::AwardTender(_) => "award_tender.",
        Payload::RegisterContract(_) => "register_contract.",
        Payload::AmendContract(_) => "amend_contract.",
        Payload::SettleContract(_) => "settle_contract.",
        Payload::ApproveFinalAccount(_) => "approve_final_account.",
        Payload::ReopenPeriod(_) => "reopen_period.",
        Payload::RestrictPersonalData(_) => "restrict_personal_data.",
        Payload::ReleasePersonalData(_) => "release_personal_data.",
        Payload::ErasePersonalData(_) => "erase_personal_data.",
        Payload::OpenPersonalData(_) => "open_personal_data.",
        Payload::FileComplaint(_) => "file_complaint.",
        Payload::AcceptComplaint(_) => "accept_complaint.",
        Payload::AnswerComplaint(_) => "answer_complaint.",
        Payload::CloseComplaint(_) => "close_complaint.",
        Payload::RecordOpeningBalance(_) => "record_opening_balance.",
        Payload::IssueBudget(_) => "issue_budget.",
        Payload::AllocateBudget(_) => "allocate_budget.",
        Payload::AdjustBudget(_) => "adjust_budget.",
        Payload::ApprovePlan(_) => "approve_plan.",
        Payload::CommitAuthority(_) => "commit_authority.",
        Payload::ReleaseCommitment(_) => "release_commitment.",
        Payload::Freeze(_) => "freeze.",
        Payload::Unfreeze(_) => "unfreeze.",
        Payload::ReceiveCash(_) => "receive_cash.",
        Payload::ExecutePayment(_) => "execute_payment.",
        Payload::ClearPayments(_) => "clear_payments.",
        Payload::ReturnPayment(_) => "return_payment.",
        Payload::ReverseEvent(_) => "reverse_event.",
        Payload::CloseDay(_) => "close_day.",
        Payload::ClosePeriod(_) => "close_period.",
        Payload::CarryForward(_) => "carry_forward.",
        Payload::RecoverLapsed(_) => "recover_lapsed.",
        Payload::GrantRole(_) => "grant_role.",
        Payload::RevokeRole(_) => "revoke_role.",
        Payload::RotateKey(_) => "rotate_key.",
        Payload::RotateLogKey(_) => "rotate_log_key.",
        Payload::Transaction(_) => "transaction.",
        Payload::SignedCommand(_) => "signed_command.",
    }
}
