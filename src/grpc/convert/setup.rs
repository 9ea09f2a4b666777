//! Set-up on the wire: funds, policies, accounts, opening balances, lots, roles and keys.

use prost::bytes::Bytes;

use super::Parser;
use crate::domain::account::AccountKind;
use crate::domain::approval::{PublicKey, Role};
use crate::domain::command::{OpeningLine, Order};
use crate::domain::fund::{
    CheckerTier, Currency, FundDefinition, FundFamily, LotDefinition, PlanStep, PolicyVersion, Scheme,
};
use crate::domain::ids::{
    AccountId, ActorId, Code, DisplayName, DocumentNumber, FundId, IssuerId, LegalBasis, LotId, PolicyId, UnitId,
};
use crate::domain::log_key::{LogKey, LogKeyChange};
use crate::domain::money::AMOUNT_MAX_MINOR;
use crate::domain::profile::{CarryRule, FundProfile, GovernmentLevel, RecipientKind};
use crate::domain::refusal::Reason;
use crate::format::approval;
use crate::format::note_key::VerifierKey;
use crate::pb::{self, v1};

const ECONOMIC_CODES_MAX: usize = 256;
const OPENING_LOTS_MAX: usize = 256;
const OPENING_LINES_MAX: usize = 2_048;
const TIERS_MAX: usize = 8;
const CURRENCY_DEFAULT: &str = "CNY";
const CURRENCY_EXPONENT_DEFAULT: i32 = 2;
const CURRENCY_EXPONENT_MAX: i32 = 4;
const CURRENCY_CODE_BYTES: usize = 3;
const PURPOSES_MAX: usize = 64;
const EXCLUSIVE_MAX: usize = 8;
const RECIPIENT_KINDS_MAX: usize = 8;
const LOG_KEY_BYTES_MAX: usize = 512;

impl Parser<'_> {
    pub(super) fn define_fund(&mut self, wire: v1::DefineFund) -> Option<FundDefinition> {
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let name = self.named("name", DisplayName::parse(wire.name));
        let family = match FundFamily::from_number(wire.family) {
            Some(family) => Some(family),
            None => self.wrong("family", Reason::FieldInvalid, "is not a known family"),
        };
        let scheme = self.known_or_unset("scheme", wire.scheme, Scheme::from_number);
        let exclusive_with = self.list("exclusive_with", wire.exclusive_with, EXCLUSIVE_MAX, |parser, field, id| {
            parser.named(field, FundId::parse(id))
        });
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
        let purposes = match self.codes("purposes", wire.purposes, PURPOSES_MAX) {
            // 自然灾害救助条例 §25: for these uses and no other.
            Some(purposes)
                if purposes.is_empty()
                    && family == Some(FundFamily::Special)
                    && scheme == Some(Some(Scheme::Relief)) =>
            {
                self.wrong("purposes", Reason::FieldInvalid, "is missing: a relief fund names the uses that it is for")
            }
            purposes => purposes,
        };
        let economic_codes = self.codes("economic_codes", wire.economic_codes, ECONOMIC_CODES_MAX);
        let policy_id = self.optional("policy_id", wire.policy_id, PolicyId::parse);
        let legal_basis = self.named("legal_basis", LegalBasis::parse(wire.legal_basis));
        let profile = self.profile(wire.profile.unwrap_or_default());
        Some(FundDefinition {
            fund_id: fund_id?,
            name: name?,
            family: family?,
            currency: Currency { code: code?, exponent: exponent? },
            purposes: purposes?,
            economic_codes: economic_codes?,
            policy_id: policy_id?,
            legal_basis: legal_basis?,
            scheme: scheme?,
            exclusive_with: exclusive_with?,
            profile: profile?,
        })
    }

    fn profile(&mut self, wire: v1::FundProfile) -> Option<FundProfile> {
        let level = self.known_or_unset("profile.level", wire.level, GovernmentLevel::from_number);
        let region_code = self.optional("profile.region_code", wire.region_code, Code::parse);
        let mut seen = Vec::new();
        let recipient_kinds =
            self.list("profile.recipient_kinds", wire.recipient_kinds, RECIPIENT_KINDS_MAX, |parser, field, number| {
                let kind = parser.known(field, RecipientKind::from_number(number))?;
                if seen.contains(&kind) {
                    return parser.wrong(field, Reason::FieldInvalid, "is there twice");
                }
                seen.push(kind);
                Some(kind)
            });
        let carry_rule = self.known_or_unset("profile.carry_rule", wire.carry_rule, CarryRule::from_number);
        Some(FundProfile {
            level: level?,
            region_code: region_code?,
            recipient_kinds: recipient_kinds?,
            carry_rule: carry_rule?,
            directly_allocated: wire.directly_allocated,
            subsidizes_recipients: wire.subsidizes_recipients,
            includes_matching: wire.includes_matching,
        })
    }

    pub(super) fn set_policy(&mut self, wire: v1::SetPolicy) -> Option<Order> {
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
        let terms = self.terms(wire.terms.unwrap_or_default());
        Some(Order::SetPolicy {
            policy_id: policy_id?,
            policy: Box::new(PolicyVersion {
                version: version?,
                effective_from: effective_from?,
                plan_step: plan_step?,
                checker_tiers: checker_tiers?,
                document_sha256: document_sha256?,
                signed_approvals: wire.signed_approvals,
                terms: terms?,
            }),
        })
    }

    pub(super) fn open_account(&mut self, wire: v1::OpenAccount) -> Option<Order> {
        let account_id = self.named("account_id", AccountId::parse(wire.account_id));
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let kind = match AccountKind::from_number(wire.kind) {
            Some(kind) => Some(kind),
            None => self.wrong("kind", Reason::FieldInvalid, "is not a known kind of account"),
        };
        let unit_id = self.optional("unit_id", wire.unit_id, UnitId::parse);
        let person = self.optional_party("person", &wire.person, &wire.person_pseudonym);
        let unit_party = self.optional_party("unit_party", &wire.unit_party, &wire.unit_party_pseudonym);
        Some(Order::OpenAccount {
            account_id: account_id?,
            fund_id: fund_id?,
            kind: kind?,
            unit_id: unit_id?,
            person: person?,
            unit_party: unit_party?,
        })
    }

    pub(super) fn opening_balance(&mut self, wire: v1::RecordOpeningBalance) -> Option<Order> {
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

    pub(super) fn issue_budget(&mut self, wire: v1::IssueBudget) -> Option<Order> {
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

    pub(super) fn grant_role(&mut self, wire: v1::GrantRole) -> Option<Order> {
        let principal = self.named("principal_id", ActorId::parse(wire.principal_id));
        let (role, fund_id) = self.holding(wire.role, wire.fund_id)?;
        Some(Order::GrantRole { principal: principal?, role, fund_id })
    }

    pub(super) fn revoke_role(&mut self, wire: v1::RevokeRole) -> Option<Order> {
        let principal = self.named("principal_id", ActorId::parse(wire.principal_id));
        let (role, fund_id) = self.holding(wire.role, wire.fund_id)?;
        Some(Order::RevokeRole { principal: principal?, role, fund_id })
    }

    /// A role, and the fund it is for; none where it is for all.
    fn holding(&mut self, role: i32, fund_id: String) -> Option<(Role, Option<FundId>)> {
        let fund_id = self.optional("fund_id", fund_id, FundId::parse);
        match (Role::from_number(role), fund_id) {
            (Some(Role::Admin), Some(Some(_))) => {
                self.wrong("fund_id", Reason::FieldInvalid, "is set: an administrator is one for the whole ledger")
            }
            (Some(role), fund_id) => Some((role, fund_id?)),
            (None, _) => self.wrong("role", Reason::FieldInvalid, "is not a known role"),
        }
    }

    pub(super) fn rotate_key(&mut self, wire: v1::RotateKey) -> Option<Order> {
        let principal = self.named("principal_id", ActorId::parse(wire.principal_id));
        let public_key = match wire.public_key.as_ref() {
            [] => Some(None),
            bytes => match <[u8; 32]>::try_from(bytes).map(PublicKey) {
                Ok(key) if approval::is_public_key(&key) => Some(Some(key)),
                Ok(_) | Err(_) => self.wrong("public_key", Reason::FieldInvalid, "is not an Ed25519 public key"),
            },
        };
        Some(Order::RotateKey { principal: principal?, public_key: public_key? })
    }

    pub(super) fn rotate_log_key(&mut self, wire: v1::RotateLogKey) -> Option<Order> {
        let change = self.known("change", LogKeyChange::from_number(wire.change));
        let is_short = wire.verifier_key.len() <= LOG_KEY_BYTES_MAX;
        let key = match VerifierKey::parse(&wire.verifier_key) {
            // As it is written: a key has one text.
            Ok(key) if is_short && key.to_string() == wire.verifier_key => Some(LogKey::stored(wire.verifier_key)),
            Ok(_) | Err(_) => self.wrong("verifier_key", Reason::FieldInvalid, "is not a public key NAME+HASH+BASE64"),
        };
        Some(Order::RotateLogKey { key: key?, change: change? })
    }
}

/// A lot as both messages that open one carry it.
pub(super) struct LotOnWire {
    lot_id: String,
    issuer_id: String,
    document_number: String,
    document_sha256: Bytes,
    expires_on: Option<pb::Date>,
    purposes: Vec<String>,
    parent_lot_id: String,
}
