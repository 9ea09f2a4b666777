//! Procurement on the wire, and goals of performance.

use super::Parser;
use crate::domain::ids::{
    Code, ContractId, DisplayName, DocumentNumber, FundId, Ocid, PayeeRef, Sequence, TenderId, UnitId,
};
use crate::domain::money::AMOUNT_MAX_MINOR;
use crate::domain::performance::{
    Goal, GoalDirection, GoalKey, IndicatorCategory, Output, Subject, SubjectKind, WEIGHT_MIN_PPM, WHOLE_PPM,
};
use crate::domain::procurement::{
    Amendment, Award, Basis, FinalAccount, Procurement, ProcurementMethod, ProcurementOrder, Registration, Retention,
    Settlement, Tender,
};
use crate::domain::refusal::Reason;
use crate::pb::v1;

const SEQUENCES_MAX: usize = 64;

impl Parser<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "called for procurement only")]
    pub(super) fn procurement_order(&mut self, payload: v1::command::Payload) -> Option<ProcurementOrder> {
        use v1::command::Payload;
        match payload {
            Payload::OpenTender(wire) => self.tender(*wire).map(Procurement::Tender),
            Payload::AwardTender(wire) => self.award(*wire).map(Procurement::Award),
            Payload::RegisterContract(wire) => self.registration(*wire).map(Procurement::Registration),
            Payload::AmendContract(wire) => self.amendment(*wire).map(Procurement::Amendment),
            Payload::SettleContract(wire) => self.settlement(*wire).map(Procurement::Settlement),
            Payload::ApproveFinalAccount(wire) => self.final_account(*wire).map(Procurement::FinalAccount),
            _ => None,
        }
    }

    pub(super) fn goal(&mut self, wire: v1::SetGoal) -> Option<Goal> {
        let key = self.goal_key(wire.subject_kind, wire.subject_id, wire.year, wire.indicator_code);
        let indicator_name = self.named("indicator_name", DisplayName::parse(wire.indicator_name));
        let category = self.known("category", IndicatorCategory::from_number(wire.category));
        let unit_of_measure = self.named("unit_of_measure", DisplayName::parse(wire.unit_of_measure));
        let direction = self.known("direction", GoalDirection::from_number(wire.direction));
        let target_milli = self.milli("target_milli", wire.target_milli);
        if direction == Some(GoalDirection::AtLeast) && target_milli == Some(0) {
            return self.wrong("target_milli", Reason::FieldInvalid, "is 0, which is reached without doing anything");
        }
        let weight_ppm = self.within("weight_ppm", wire.weight_ppm, WEIGHT_MIN_PPM, WHOLE_PPM);
        let replaces = self.earlier("replaces_sequence", wire.replaces_sequence);
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        Some(Goal {
            key: key?,
            indicator_name: indicator_name?,
            category: category?,
            unit_of_measure: unit_of_measure?,
            target_milli: target_milli?,
            direction: direction?,
            weight_ppm: weight_ppm?,
            replaces: replaces?,
            document_number: document_number?,
            document_sha256: document_sha256?,
        })
    }

    pub(super) fn output(&mut self, wire: v1::RecordOutput) -> Option<Output> {
        let key = self.goal_key(wire.subject_kind, wire.subject_id, wire.year, wire.indicator_code);
        let actual_milli = self.milli("actual_milli", wire.actual_milli);
        let as_of = self.date("as_of", wire.as_of);
        let corrects = self.earlier("corrects_sequence", wire.corrects_sequence);
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        Some(Output {
            key: key?,
            actual_milli: actual_milli?,
            as_of: as_of?,
            corrects: corrects?,
            document_number: document_number?,
            document_sha256: document_sha256?,
        })
    }

    fn goal_key(&mut self, kind: i32, subject_id: String, year: i32, indicator_code: String) -> Option<GoalKey> {
        let kind = self.known("subject_kind", SubjectKind::from_number(kind));
        let id = self.named("subject_id", Code::parse(subject_id));
        let is_year = self.period("", year, 1).is_some();
        let indicator_code = self.named("indicator_code", Code::parse(indicator_code));
        let subject = Subject { kind: kind?, id: id? };
        is_year.then_some(GoalKey { subject, year, indicator_code: indicator_code? })
    }

    /// Thousandths of a unit of measure, from 0.
    fn milli(&mut self, field: &str, raw: i64) -> Option<i64> {
        if (0..=AMOUNT_MAX_MINOR).contains(&raw) {
            return Some(raw);
        }
        self.wrong(field, Reason::FieldInvalid, format!("is {raw}; it is 0 to {AMOUNT_MAX_MINOR} thousandths"))
    }

    /// An event that is named; 0 names none.
    #[expect(clippy::option_option, reason = "the outer one says whether it is valid, the inner one whether it is set")]
    fn earlier(&mut self, field: &str, raw: i64) -> Option<Option<Sequence>> {
        self.sequence(field, raw).map(|sequence| Some(sequence).filter(|sequence| *sequence != Sequence::default()))
    }

    fn tender(&mut self, wire: v1::OpenTender) -> Option<Tender<FundId>> {
        let tender_id = self.named("tender_id", TenderId::parse(wire.tender_id));
        let fund = self.named("fund_id", FundId::parse(wire.fund_id));
        let unit_id = self.named("unit_id", UnitId::parse(wire.unit_id));
        let project_id = self.optional("project_id", wire.project_id, Code::parse);
        let method = self.known("method", ProcurementMethod::from_number(wire.method));
        let ceiling = self.amount("ceiling_minor", wire.ceiling_minor);
        let ocid = self.optional("ocid", wire.ocid, Ocid::parse);
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        Some(Tender {
            tender_id: tender_id?,
            fund: fund?,
            unit_id: unit_id?,
            project_id: project_id?,
            method: method?,
            ceiling: ceiling?,
            ocid: ocid?,
            document_number: document_number?,
            document_sha256: document_sha256?,
        })
    }

    fn award(&mut self, wire: v1::AwardTender) -> Option<Award> {
        let tender_id = self.named("tender_id", TenderId::parse(wire.tender_id));
        let supplier: Option<PayeeRef> = self.party("supplier", &wire.supplier, &wire.supplier_pseudonym);
        let amount = self.amount("amount_minor", wire.amount_minor);
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        Some(Award {
            tender_id: tender_id?,
            supplier: supplier?,
            amount: amount?,
            document_number: document_number?,
            document_sha256: document_sha256?,
        })
    }

    fn registration(&mut self, wire: v1::RegisterContract) -> Option<Registration<FundId>> {
        let contract_id = self.named("contract_id", ContractId::parse(wire.contract_id));
        let fund = self.named("fund_id", FundId::parse(wire.fund_id));
        let unit_id = self.named("unit_id", UnitId::parse(wire.unit_id));
        let project_id = self.optional("project_id", wire.project_id, Code::parse);
        let tender_id = self.optional("tender_id", wire.tender_id, TenderId::parse);
        let method = self.known_or_unset("method", wire.method, ProcurementMethod::from_number);
        let basis = match (tender_id, method) {
            (Some(Some(tender_id)), Some(None)) => Some(Basis::Tender(tender_id)),
            (Some(None), Some(Some(method))) => Some(Basis::Method(method)),
            (Some(Some(_)), Some(Some(_))) => {
                self.wrong("method", Reason::FieldInvalid, "is set besides a tender, which says it")
            }
            (Some(None), Some(None)) => self.wrong("method", Reason::FieldInvalid, "is missing, and so is a tender"),
            (None, _) | (_, None) => None,
        };
        let ocid = self.optional("ocid", wire.ocid, Ocid::parse);
        let supplier = self.party("supplier", &wire.supplier, &wire.supplier_pseudonym);
        let amount = self.amount("amount_minor", wire.amount_minor);
        let signed_on = self.date("signed_on", wire.signed_on);
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        Some(Registration {
            contract_id: contract_id?,
            fund: fund?,
            unit_id: unit_id?,
            project_id: project_id?,
            basis: basis?,
            ocid: ocid?,
            supplier: supplier?,
            amount: amount?,
            signed_on: signed_on?,
            document_number: document_number?,
            document_sha256: document_sha256?,
        })
    }

    fn amendment(&mut self, wire: v1::AmendContract) -> Option<Amendment> {
        let contract_id = self.named("contract_id", ContractId::parse(wire.contract_id));
        let change_minor = match wire.change_minor {
            raw if raw != 0 && raw.unsigned_abs() <= AMOUNT_MAX_MINOR.unsigned_abs() => Some(raw),
            raw => {
                let description = format!("is {raw}; it is within {AMOUNT_MAX_MINOR} minor units of 0, and not 0");
                self.wrong("change_minor", Reason::AmountInvalid, description)
            }
        };
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        Some(Amendment {
            contract_id: contract_id?,
            change_minor: change_minor?,
            document_number: document_number?,
            document_sha256: document_sha256?,
        })
    }

    fn settlement(&mut self, wire: v1::SettleContract) -> Option<Settlement> {
        let contract_id = self.named("contract_id", ContractId::parse(wire.contract_id));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let retained = self.amount_or_zero("retention_minor", wire.retention_minor);
        let until = self.optional_date("retention_until", wire.retention_until);
        let retention = match (retained?.minor(), until?) {
            (0, None) => Some(None),
            (0, Some(_)) => self.wrong("retention_until", Reason::FieldInvalid, "is set where nothing is retained"),
            (_, None) => self.wrong("retention_until", Reason::DateInvalid, "is missing"),
            (minor, Some(_)) if minor > wire.amount_minor => {
                self.wrong("retention_minor", Reason::AmountInvalid, "is more than the final price")
            }
            (minor, Some(until)) => {
                self.amount("retention_minor", minor).map(|amount| Some(Retention { amount, until }))
            }
        };
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        Some(Settlement {
            contract_id: contract_id?,
            amount: amount?,
            retention: retention?,
            document_number: document_number?,
            document_sha256: document_sha256?,
        })
    }

    fn final_account(&mut self, wire: v1::ApproveFinalAccount) -> Option<FinalAccount<FundId>> {
        let project_id = self.named("project_id", Code::parse(wire.project_id));
        let fund = self.named("fund_id", FundId::parse(wire.fund_id));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let surplus =
            self.list("surplus_sequences", wire.surplus_sequences, SEQUENCES_MAX, |parser, field, sequence| {
                parser.sequence(field, sequence)
            });
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
        Some(FinalAccount {
            project_id: project_id?,
            fund: fund?,
            amount: amount?,
            surplus: surplus?,
            document_number: document_number?,
            document_sha256: document_sha256?,
        })
    }
}
