//! Wire to domain: every size, range and character is checked here, once, and all violations are reported together.
//! Protobuf types end here.

use std::fmt::{self, Display};

use prost::bytes::Bytes;

use crate::domain::account::AccountKind;
use crate::domain::command::{
    Adjustment, Command, Draw, Envelope, ExecutePayment, FreezeScope, Movement, OpeningLine, Order, PaymentMethod,
};
use crate::domain::fund::{CheckerTier, Currency, FundDefinition, FundFamily, LotDefinition, PlanStep, PolicyVersion};
use crate::domain::ids::{
    AccountId, ActorId, BankReference, CaseId, Code, ContractId, DisplayName, DocumentDigest, DocumentNumber, FundId,
    IssuerId, LegalBasis, LotId, NameError, PayeeRef, PaymentId, PolicyId, ReasonCode, RequestId, Sequence, UnitId,
};
use crate::domain::money::{AMOUNT_MAX_MINOR, Amount};
use crate::domain::refusal::Reason;
use crate::domain::time::{Day, Period};
use crate::format::keyed::KeyedDigest;
use crate::pb::{self, v1};

/// Most commands of one request.
pub const COMMANDS_MAX: usize = 8_192;
const CHECKERS_MAX: usize = 8;
const DRAWS_MAX: usize = 64;
const PURPOSES_MAX: usize = 64;
const ECONOMIC_CODES_MAX: usize = 256;
const OPENING_LOTS_MAX: usize = 256;
const OPENING_LINES_MAX: usize = 2_048;
const TIERS_MAX: usize = 8;
const CLEARED_MAX: usize = 512;
const DOCUMENTS_MAX: usize = 16;
const PAYEE_BYTES_MAX: usize = 256;
const CURRENCY_DEFAULT: &str = "CNY";
const CURRENCY_EXPONENT_DEFAULT: i32 = 2;
const CURRENCY_EXPONENT_MAX: i32 = 4;
const CURRENCY_CODE_BYTES: usize = 3;

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
    let mut parser = Parser { violations: Vec::new(), pseudonyms, path, section: "" };
    let envelope = parser.envelope(wire.request_id, wire.business_date, wire.actor, wire.checkers);
    let order = match wire.payload {
        Some(payload) => parser.order(payload, envelope.as_ref()),
        None => parser.wrong("payload", Reason::FieldInvalid, "is missing: a command says what to do"),
    };
    match (envelope, order) {
        (Some(envelope), Some(order)) if parser.violations.is_empty() => Ok(Command { envelope, order }),
        _ => Err(parser.violations),
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

/// A member of a list, written out as a path only when there is something to say about it.
#[derive(Clone, Copy)]
struct Member<'a> {
    field: &'a str,
    at: usize,
}

impl Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.field, self.at)
    }
}

struct Parser<'a> {
    violations: Vec<Violation>,
    pseudonyms: &'a KeyedDigest,
    path: &'a str,
    // The payload that is being parsed, as it stands in the path of its fields.
    section: &'static str,
}

#[expect(
    clippy::option_option,
    reason = "the outer one says whether the field is valid, the inner one whether it is set"
)]
impl Parser<'_> {
    fn wrong<T>(&mut self, field: impl Display, reason: Reason, description: impl Into<String>) -> Option<T> {
        let field = format!("{}{}{field}", self.path, self.section);
        self.violations.push(Violation { field, reason, description: description.into() });
        None
    }

    fn named<T>(&mut self, field: impl Display, parsed: Result<T, NameError>) -> Option<T> {
        match parsed {
            Ok(name) => Some(name),
            Err(error) => self.wrong(field, Reason::FieldInvalid, error.to_string()),
        }
    }

    fn optional<T>(
        &mut self,
        field: impl Display,
        text: String,
        parse: impl FnOnce(String) -> Result<T, NameError>,
    ) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { self.named(field, parse(text)).map(Some) }
    }

    fn amount(&mut self, field: impl Display, raw: i64) -> Option<Amount> {
        match Amount::positive(raw) {
            Ok(amount) => Some(amount),
            Err(error) => self.wrong(
                field,
                Reason::AmountInvalid,
                format!("is {}; an amount is 1 to {AMOUNT_MAX_MINOR} minor units", error.raw),
            ),
        }
    }

    fn date(&mut self, field: impl Display, date: Option<pb::Date>) -> Option<Day> {
        let Some(pb::Date { year, month, day }) = date else {
            return self.wrong(field, Reason::DateInvalid, "is missing");
        };
        match Day::new(year, month, day) {
            Ok(day) => Some(day),
            Err(_) => self.wrong(
                field,
                Reason::DateInvalid,
                format!("is {year:04}-{month:02}-{day:02}, which does not exist or lies outside 1900 to 2199"),
            ),
        }
    }

    fn optional_date(&mut self, field: impl Display + Copy, date: Option<pb::Date>) -> Option<Option<Day>> {
        match date {
            None => Some(None),
            Some(date) => match self.date(field, Some(date))? {
                // The stored event writes day 0 for "none".
                day if day == Day::from_days(0) => {
                    self.wrong(field, Reason::DateInvalid, "is 1970-01-01, which cannot be stored as an optional date")
                }
                day => Some(Some(day)),
            },
        }
    }

    fn digest(&mut self, field: impl Display, bytes: &Bytes) -> Option<DocumentDigest> {
        match <DocumentDigest>::try_from(bytes.as_ref()) {
            Ok(digest) => Some(digest),
            Err(_) => self.wrong(
                field,
                Reason::FieldInvalid,
                format!("is {} bytes long; a SHA-256 digest has 32", bytes.len()),
            ),
        }
    }

    fn at_most<T>(&mut self, field: impl Display, values: &[T], max: usize) -> Option<()> {
        if values.len() <= max {
            return Some(());
        }
        self.wrong(field, Reason::FieldInvalid, format!("has {} members, at most {max} are allowed", values.len()))
    }

    fn list<T, U>(
        &mut self,
        field: &str,
        values: Vec<T>,
        max: usize,
        mut parse: impl FnMut(&mut Self, Member<'_>, T) -> Option<U>,
    ) -> Option<Vec<U>> {
        if values.is_empty() {
            return Some(Vec::new());
        }
        self.at_most(field, &values, max)?;
        let count = values.len();
        let mut parsed = Vec::with_capacity(count);
        for (at, value) in values.into_iter().enumerate() {
            parsed.extend(parse(self, Member { field, at }, value));
        }
        (parsed.len() == count).then_some(parsed)
    }

    fn codes(&mut self, field: &str, codes: Vec<String>, max: usize) -> Option<Vec<Code>> {
        self.list(field, codes, max, |parser, field, code| parser.named(field, Code::parse(code)))
    }

    fn payee(&mut self, field: impl Display, identity: &str) -> Option<PayeeRef> {
        if identity.is_empty() || identity.len() > PAYEE_BYTES_MAX {
            let description = format!("is {} bytes long; a payee has 1 to {PAYEE_BYTES_MAX}", identity.len());
            return self.wrong(field, Reason::FieldInvalid, description);
        }
        Some(self.pseudonyms.payee(identity))
    }

    fn draws(&mut self, field: &str, draws: Vec<v1::Draw>) -> Option<Vec<Draw>> {
        self.list(field, draws, DRAWS_MAX, |parser, field, draw| {
            let lot_id = parser.named(format_args!("{field}.lot_id"), LotId::parse(draw.lot_id));
            let amount = parser.amount(format_args!("{field}.amount_minor"), draw.amount_minor);
            Some(Draw { lot_id: lot_id?, amount: amount? })
        })
    }

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
        Some(Envelope { request_id: request_id?, business_date: business_date?, actor: actor?, checkers: checkers? })
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
                let payee = self.payee("payee", &wire.payee);
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
                Some(Order::ReverseEvent { original: original?, reason_code: reason_code? })
            }
            Payload::CloseDay(wire) => {
                let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
                let day = self.date("day", wire.day);
                Some(Order::CloseDay { fund_id: fund_id?, day: day? })
            }
            Payload::ClosePeriod(wire) => {
                let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
                let period = match Period::new(wire.year, wire.month) {
                    Ok(period) => Some(period),
                    Err(_) => self.wrong(
                        "month",
                        Reason::DateInvalid,
                        format!("{:04}-{:02} is not a month of 1900 to 2199", wire.year, wire.month),
                    ),
                };
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
        }
    }

    fn define_fund(&mut self, wire: v1::DefineFund) -> Option<FundDefinition> {
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let name = self.named("name", DisplayName::parse(wire.name));
        let family = match v1::FundFamily::try_from(wire.family) {
            Ok(v1::FundFamily::Special) => Some(FundFamily::Special),
            Ok(v1::FundFamily::Unspecified) | Err(_) => {
                self.wrong("family", Reason::FieldInvalid, "is not a known family")
            }
        };
        let code = if wire.currency_code.is_empty() { CURRENCY_DEFAULT } else { &wire.currency_code };
        let is_code = code.len() == CURRENCY_CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_uppercase());
        let code = match <[u8; CURRENCY_CODE_BYTES]>::try_from(code.as_bytes()) {
            Ok(code) if is_code => Some(code),
            Ok(_) | Err(_) => self.wrong("currency_code", Reason::FieldInvalid, "is not three capital letters"),
        };
        let exponent = wire.currency_exponent.unwrap_or(CURRENCY_EXPONENT_DEFAULT);
        let exponent = match u8::try_from(exponent) {
            Ok(small) if exponent <= CURRENCY_EXPONENT_MAX => Some(small),
            Ok(_) | Err(_) => self.wrong("currency_exponent", Reason::FieldInvalid, "is not 0 to 4"),
        };
        let purposes = self.codes("purposes", wire.purposes, PURPOSES_MAX);
        let economic_codes = self.codes("economic_codes", wire.economic_codes, ECONOMIC_CODES_MAX);
        let policy_id = self.optional("policy_id", wire.policy_id, PolicyId::parse);
        let legal_basis = self.named("legal_basis", LegalBasis::parse(wire.legal_basis));
        Some(FundDefinition {
            fund_id: fund_id?,
            name: name?,
            family: family?,
            currency: Currency { code: code?, exponent: exponent? },
            purposes: purposes?,
            economic_codes: economic_codes?,
            policy_id: policy_id?,
            legal_basis: legal_basis?,
        })
    }

    fn set_policy(&mut self, wire: v1::SetPolicy) -> Option<Order> {
        let policy_id = self.named("policy_id", PolicyId::parse(wire.policy_id));
        let version = match u32::try_from(wire.version) {
            Ok(version) if version >= 1 => Some(version),
            Ok(_) | Err(_) => self.wrong("version", Reason::FieldInvalid, "is not a version from 1 on"),
        };
        let effective_from = self.date("effective_from", wire.effective_from);
        let plan_step = match v1::PlanStep::try_from(wire.plan_step) {
            Ok(v1::PlanStep::Required) => Some(PlanStep::Required),
            Ok(v1::PlanStep::Optional) => Some(PlanStep::Optional),
            Ok(v1::PlanStep::Unspecified) | Err(_) => {
                self.wrong("plan_step", Reason::FieldInvalid, "is neither REQUIRED nor OPTIONAL")
            }
        };
        let mut last = -1;
        let checker_tiers = self.list("checker_tiers", wire.checker_tiers, TIERS_MAX, |parser, field, tier| {
            let ascends = tier.from_amount_minor > last && tier.from_amount_minor <= AMOUNT_MAX_MINOR;
            last = tier.from_amount_minor;
            let checkers = u32::try_from(tier.checkers).ok().filter(|checkers| *checkers <= 8);
            match checkers {
                Some(checkers) if ascends => Some(CheckerTier { from_minor: tier.from_amount_minor, checkers }),
                Some(_) => parser.wrong(field, Reason::AmountInvalid, "does not ascend from 0"),
                None => parser.wrong(field, Reason::FieldInvalid, "asks for a number of checkers outside 0 to 8"),
            }
        });
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        Some(Order::SetPolicy {
            policy_id: policy_id?,
            policy: PolicyVersion {
                version: version?,
                effective_from: effective_from?,
                plan_step: plan_step?,
                checker_tiers: checker_tiers?,
                document_sha256: document_sha256?,
            },
        })
    }

    fn open_account(&mut self, wire: v1::OpenAccount) -> Option<Order> {
        let account_id = self.named("account_id", AccountId::parse(wire.account_id));
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let kind = match AccountKind::from_number(wire.kind) {
            Some(kind) => Some(kind),
            None => self.wrong("kind", Reason::FieldInvalid, "is not a known kind of account"),
        };
        let unit_id = self.optional("unit_id", wire.unit_id, UnitId::parse);
        Some(Order::OpenAccount { account_id: account_id?, fund_id: fund_id?, kind: kind?, unit_id: unit_id? })
    }

    fn opening_balance(&mut self, wire: v1::RecordOpeningBalance) -> Option<Order> {
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        let lots = self.list("lots", wire.lots, OPENING_LOTS_MAX, |parser, field, lot| {
            parser.lot(
                &format!("{field}."),
                LotOnWire {
                    lot_id: lot.lot_id,
                    issuer_id: lot.issuer_id,
                    document_number: lot.document_number,
                    document_sha256: lot.document_sha256,
                    expires_on: lot.expires_on,
                    purposes: lot.purposes,
                    parent_lot_id: lot.parent_lot_id,
                },
            )
        });
        let lines = self.list("lines", wire.lines, OPENING_LINES_MAX, |parser, field, line| {
            let account = parser.named(format_args!("{field}.account_id"), AccountId::parse(line.account_id));
            let lot = parser.optional(format_args!("{field}.lot_id"), line.lot_id, LotId::parse);
            let amount = parser.amount(format_args!("{field}.amount_minor"), line.amount_minor);
            Some(OpeningLine { account: account?, lot: lot?, amount: amount? })
        });
        let lines = match lines {
            Some(lines) if lines.is_empty() => self.wrong("lines", Reason::FieldInvalid, "is missing"),
            lines => lines,
        };
        Some(Order::RecordOpeningBalance {
            fund_id: fund_id?,
            document_number: document_number?,
            document_sha256: document_sha256?,
            lots: lots?,
            lines: lines?,
        })
    }

    fn lot(&mut self, prefix: &str, wire: LotOnWire) -> Option<LotDefinition> {
        let lot_id = self.named(format_args!("{prefix}lot_id"), LotId::parse(wire.lot_id));
        let issuer_id = self.named(format_args!("{prefix}issuer_id"), IssuerId::parse(wire.issuer_id));
        let document_number =
            self.named(format_args!("{prefix}document_number"), DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest(format_args!("{prefix}document_sha256"), &wire.document_sha256);
        let expires_on = self.optional_date(format_args!("{prefix}expires_on"), wire.expires_on);
        let purposes = self.codes(&format!("{prefix}purposes"), wire.purposes, PURPOSES_MAX);
        let parent_lot_id = self.optional(format_args!("{prefix}parent_lot_id"), wire.parent_lot_id, LotId::parse);
        Some(LotDefinition {
            lot_id: lot_id?,
            issuer_id: issuer_id?,
            document_number: document_number?,
            document_sha256: document_sha256?,
            expires_on: expires_on?,
            purposes: purposes?,
            parent_lot_id: parent_lot_id?,
        })
    }

    fn issue_budget(&mut self, wire: v1::IssueBudget) -> Option<Order> {
        let to = self.named("to_account_id", AccountId::parse(wire.to_account_id));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let lot = self.lot(
            "",
            LotOnWire {
                lot_id: wire.lot_id,
                issuer_id: wire.issuer_id,
                document_number: wire.document_number,
                document_sha256: wire.document_sha256,
                expires_on: wire.expires_on,
                purposes: wire.purposes,
                parent_lot_id: wire.parent_lot_id,
            },
        );
        Some(Order::IssueBudget { lot: Box::new(lot?), to: to?, amount: amount? })
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
        };
        Some(Order::Freeze { case_id: case_id?, legal_basis: legal_basis?, scope: scope? })
    }

    fn execute_payment(&mut self, wire: v1::ExecutePayment) -> Option<Order> {
        let payment_id = self.named("payment_id", PaymentId::parse(wire.payment_id));
        let from = self.named("from_account_id", AccountId::parse(wire.from_account_id));
        let unit = self.optional("unit_id", wire.unit_id, UnitId::parse);
        let amount = self.amount("amount_minor", wire.amount_minor);
        let draws = self.draws("draws", wire.draws);
        let payee = self.payee("payee", &wire.payee);
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
    }
}

/// A lot as both messages that open one carry it.
struct LotOnWire {
    lot_id: String,
    issuer_id: String,
    document_number: String,
    document_sha256: Bytes,
    expires_on: Option<pb::Date>,
    purposes: Vec<String>,
    parent_lot_id: String,
}
