//! Supervision on the wire.

use super::Parser;
use crate::domain::ids::{
    AccountId, ActorId, BankReference, Code, DisclosureId, DocumentNumber, FindingId, FundId, MatterId, ReasonCode,
    Sequence, UnitId,
};
use crate::domain::money::AMOUNT_MAX_MINOR;
use crate::domain::oversight::{Difference, FindingOutcome, Flag, Matter, Oversight, OversightOrder, Reconciliation};
use crate::domain::performance::EvaluatorKind;
use crate::domain::personal::PersonalData;
use crate::domain::refusal::Reason;
use crate::pb::v1;

const DIFFERENCES_MAX: usize = 256;
const SEQUENCES_MAX: usize = 64;
const SCORE_MAX: u32 = 10_000;
const COUNT_MAX: u32 = 1_000_000_000;

impl Parser<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "called for supervision only")]
    pub(super) fn oversight_order(&mut self, payload: v1::command::Payload) -> Option<OversightOrder> {
        use v1::command::Payload;
        match payload {
            Payload::RecordReconciliation(wire) => self.reconciliation(*wire).map(Oversight::Reconciliation),
            Payload::Flag(wire) => self.flag(*wire).map(Oversight::Flag),
            Payload::ExplainFinding(wire) => {
                let finding_id = self.named("finding_id", FindingId::parse(wire.finding_id));
                let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
                let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
                Some(Oversight::Explanation {
                    finding_id: finding_id?,
                    document_number: document_number?,
                    document_sha256: document_sha256?,
                })
            }
            Payload::RectifyFinding(wire) => {
                let finding_id = self.named("finding_id", FindingId::parse(wire.finding_id));
                let sequences = self.sequences(wire.sequences);
                let amount = self.amount_or_zero("amount_minor", wire.amount_minor);
                let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
                Some(Oversight::Rectification {
                    finding_id: finding_id?,
                    sequences: sequences?,
                    amount: amount?,
                    document_number: document_number?,
                })
            }
            Payload::CloseFinding(wire) => {
                let finding_id = self.named("finding_id", FindingId::parse(wire.finding_id));
                let outcome = self.known("outcome", FindingOutcome::from_number(wire.outcome));
                Some(Oversight::FindingClose { finding_id: finding_id?, outcome: outcome? })
            }
            Payload::OpenMatter(wire) => self.matter(*wire).map(Oversight::MatterOpen),
            Payload::CloseMatter(wire) => {
                let matter_id = self.named("matter_id", MatterId::parse(wire.matter_id));
                let outcome_code = self.named("outcome_code", ReasonCode::parse(wire.outcome_code));
                Some(Oversight::MatterClose { matter_id: matter_id?, outcome_code: outcome_code? })
            }
            Payload::RecordDisclosure(wire) => {
                let disclosure_id = self.named("disclosure_id", DisclosureId::parse(wire.disclosure_id));
                let scope = self.named("scope", Code::parse(wire.scope));
                let file_sha256 = self.digest("file_sha256", &wire.file_sha256);
                let as_of = self.sequence("as_of_sequence", wire.as_of_sequence);
                Some(Oversight::Disclosure {
                    disclosure_id: disclosure_id?,
                    scope: scope?,
                    file_sha256: file_sha256?,
                    as_of: as_of?,
                })
            }
            Payload::ScorePerformance(wire) => {
                let subject_id = self.named("subject_id", Code::parse(wire.subject_id));
                let year = self.period("", wire.year, 1).map(|_| wire.year);
                let score = self.within("score", wire.score, 0, SCORE_MAX);
                let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
                let evaluator = self.known_or_unset("evaluator", wire.evaluator, EvaluatorKind::from_number);
                Some(Oversight::Performance {
                    subject_id: subject_id?,
                    year: year?,
                    score: score?,
                    document_number: document_number?,
                    evaluator: evaluator?,
                })
            }
            Payload::SetGoal(wire) => self.goal(*wire).map(Oversight::Goal),
            Payload::RecordOutput(wire) => self.output(*wire).map(Oversight::Output),
            Payload::ReopenPeriod(wire) => {
                let fund = self.named("fund_id", FundId::parse(wire.fund_id));
                let period = self.period("", wire.year, wire.month);
                let reason_code = self.named("reason_code", ReasonCode::parse(wire.reason_code));
                Some(Oversight::Reopening { fund: fund?, period: period?, reason_code: reason_code? })
            }
            Payload::RestrictPersonalData(wire) => {
                let person = (wire.person.as_str(), &wire.person_pseudonym);
                let scope = self.personal_scope(person, wire.first_sequence, wire.last_sequence, wire.legal_basis);
                scope.map(|(scope, basis)| Oversight::PersonalData(PersonalData::Restrict(scope, basis)))
            }
            Payload::ReleasePersonalData(wire) => {
                let person = (wire.person.as_str(), &wire.person_pseudonym);
                let scope = self.personal_scope(person, wire.first_sequence, wire.last_sequence, wire.legal_basis);
                scope.map(|(scope, basis)| Oversight::PersonalData(PersonalData::Release(scope, basis)))
            }
            Payload::ErasePersonalData(wire) => {
                let person = (wire.person.as_str(), &wire.person_pseudonym);
                let scope = self.personal_scope(person, wire.first_sequence, wire.last_sequence, wire.legal_basis);
                scope.map(|(scope, basis)| Oversight::PersonalData(PersonalData::Erase(scope, basis)))
            }
            Payload::OpenPersonalData(wire) => self.open_personal_data(*wire).map(Oversight::PersonalData),
            _ => None,
        }
    }

    fn reconciliation(&mut self, wire: v1::RecordReconciliation) -> Option<Reconciliation<AccountId>> {
        let account = self.named("account_id", AccountId::parse(wire.account_id));
        let statement_sha256 = self.digest("statement_sha256", &wire.statement_sha256);
        let first_day = self.date("from", wire.from);
        let last_day = self.date("to", wire.to);
        let bank_balance = self.signed("bank_balance_minor", wire.bank_balance_minor);
        let book_balance = self.signed("book_balance_minor", wire.book_balance_minor);
        let as_of = self.sequence("as_of_sequence", wire.as_of_sequence);
        let matched_count = self.within("matched_count", wire.matched_count, 0, COUNT_MAX);
        let differences = self.list("differences", wire.differences, DIFFERENCES_MAX, |parser, field, wire| {
            let bank_reference =
                parser.named(format_args!("{field}.bank_reference"), BankReference::parse(wire.bank_reference));
            let bank_minor = parser.signed(format_args!("{field}.bank_minor"), wire.bank_minor);
            let book_minor = parser.signed(format_args!("{field}.book_minor"), wire.book_minor);
            Some(Difference { bank_reference: bank_reference?, bank_minor: bank_minor?, book_minor: book_minor? })
        });
        if let (Some(first_day), Some(last_day)) = (first_day, last_day)
            && last_day < first_day
        {
            return self.wrong("to", Reason::DateInvalid, "is before the first day");
        }
        Some(Reconciliation {
            account: account?,
            statement_sha256: statement_sha256?,
            first_day: first_day?,
            last_day: last_day?,
            bank_balance_minor: bank_balance?,
            book_balance_minor: book_balance?,
            as_of: as_of?,
            matched_count: matched_count?,
            differences: differences?,
        })
    }

    fn flag(&mut self, wire: v1::Flag) -> Option<Flag> {
        let finding_id = self.named("finding_id", FindingId::parse(wire.finding_id));
        let rule_id = self.named("rule_id", Code::parse(wire.rule_id));
        let rule_version = self.within("rule_version", wire.rule_version, 0, COUNT_MAX);
        let sequences = self.sequences(wire.sequences);
        let sequences = self.some_of("sequences", sequences);
        let amount = self.amount_or_zero("amount_minor", wire.amount_minor);
        let evidence_sha256 = if wire.evidence_sha256.is_empty() {
            Some(None)
        } else {
            self.digest("evidence_sha256", &wire.evidence_sha256).map(Some)
        };
        Some(Flag {
            finding_id: finding_id?,
            rule_id: rule_id?,
            rule_version: rule_version?,
            sequences: sequences?,
            amount: amount?,
            evidence_sha256: evidence_sha256?,
        })
    }

    fn matter(&mut self, wire: v1::OpenMatter) -> Option<Matter<Option<FundId>>> {
        let matter_id = self.named("matter_id", MatterId::parse(wire.matter_id));
        let kind = self.named("kind", Code::parse(wire.kind));
        let unit_id = self.named("unit_id", UnitId::parse(wire.unit_id));
        let fund = self.optional("fund_id", wire.fund_id, FundId::parse);
        let party = self.optional_party("party", &wire.party, &wire.party_pseudonym);
        let about = self.sequence("about_sequence", wire.about_sequence);
        let first_handler = self.named("first_handler", ActorId::parse(wire.first_handler));
        Some(Matter {
            matter_id: matter_id?,
            kind: kind?,
            unit_id: unit_id?,
            fund: fund?,
            party: party?,
            about: about.map(|about| Some(about).filter(|about| *about != Sequence::default()))?,
            first_handler: first_handler?,
        })
    }

    fn sequences(&mut self, sequences: Vec<i64>) -> Option<Vec<Sequence>> {
        self.list("sequences", sequences, SEQUENCES_MAX, |parser, field, sequence| parser.sequence(field, sequence))
    }

    /// Minor units of either sign.
    fn signed(&mut self, field: impl std::fmt::Display, raw: i64) -> Option<i64> {
        if raw.unsigned_abs() <= AMOUNT_MAX_MINOR.unsigned_abs() {
            return Some(raw);
        }
        let description = format!("is {raw}; it is within {AMOUNT_MAX_MINOR} minor units of 0");
        self.wrong(field, Reason::AmountInvalid, description)
    }
}
