//! Orders and events of procurement, and of goals of performance.

use fundledger::domain::ids::{Ocid, Sequence, TenderId};
use fundledger::domain::performance::{
    EvaluatorKind, Goal, GoalDirection, GoalKey, IndicatorCategory, Output, Subject, SubjectKind,
};
use fundledger::domain::procurement::{
    Amendment, Award, Basis, FinalAccount, Procurement, ProcurementMethod, Registration, Retention, Settlement, Tender,
};

use super::Genes;

const SUBJECTS: &[SubjectKind] = &[SubjectKind::Lot, SubjectKind::Project, SubjectKind::Unit];
const CATEGORIES: &[IndicatorCategory] =
    &[IndicatorCategory::Output, IndicatorCategory::Outcome, IndicatorCategory::Satisfaction];
const DIRECTIONS: &[GoalDirection] = &[GoalDirection::AtLeast, GoalDirection::AtMost, GoalDirection::Equal];
const EVALUATORS: &[EvaluatorKind] = &[EvaluatorKind::Itself, EvaluatorKind::Department, EvaluatorKind::ThirdParty];
const METHODS: &[ProcurementMethod] = &[
    ProcurementMethod::OpenTender,
    ProcurementMethod::InvitedTender,
    ProcurementMethod::CompetitiveNegotiation,
    ProcurementMethod::CompetitiveConsultation,
    ProcurementMethod::Inquiry,
    ProcurementMethod::SingleSource,
    ProcurementMethod::Framework,
];
const OCIDS: &[&str] = &["ocds-213czf-1", "ocds-213czf-2", "ocds-000000-a:b"];

impl Genes<'_> {
    pub(super) fn evaluator(&mut self) -> EvaluatorKind {
        self.pick(EVALUATORS)
    }

    fn goal_key(&mut self) -> GoalKey {
        let subject = Subject { kind: self.pick(SUBJECTS), id: self.code() };
        GoalKey { subject, year: self.pick(&[2026, 2027, 1900]), indicator_code: self.code() }
    }

    fn milli(&mut self) -> i64 {
        self.pick(&[0, 1, 127, 65_536])
    }

    fn earlier(&mut self) -> Sequence {
        Sequence(self.pick(&[1, 2, 127, 128]))
    }

    pub(super) fn goal(&mut self) -> Goal {
        Goal {
            key: self.goal_key(),
            indicator_name: self.name(),
            category: self.pick(CATEGORIES),
            unit_of_measure: self.name(),
            target_milli: self.milli(),
            direction: self.pick(DIRECTIONS),
            weight_ppm: self.number(),
            replaces: self.optional(Self::earlier),
            document_number: self.document(),
            document_sha256: self.digest(),
        }
    }

    pub(super) fn output(&mut self) -> Output {
        Output {
            key: self.goal_key(),
            actual_milli: self.milli(),
            as_of: self.day(),
            corrects: self.optional(Self::earlier),
            document_number: self.document(),
            document_sha256: self.digest(),
        }
    }

    fn tender_id(&mut self) -> TenderId {
        TenderId::parse(self.text()).unwrap()
    }

    fn ocid(&mut self) -> Ocid {
        Ocid::parse(self.pick(OCIDS)).unwrap()
    }

    pub(super) fn procurement<F>(&mut self, kind: usize, fund: impl Fn(&mut Self) -> F) -> Procurement<F> {
        match kind {
            0 => Procurement::Tender(Tender {
                tender_id: self.tender_id(),
                fund: fund(self),
                unit_id: self.unit(),
                project_id: self.optional(Self::code),
                method: self.pick(METHODS),
                ceiling: self.amount(),
                ocid: self.optional(Self::ocid),
                document_number: self.document(),
                document_sha256: self.digest(),
            }),
            1 => Procurement::Award(Award {
                tender_id: self.tender_id(),
                supplier: self.payee(),
                amount: self.amount(),
                document_number: self.document(),
                document_sha256: self.digest(),
            }),
            2 => Procurement::Registration(Registration {
                contract_id: self.contract(),
                fund: fund(self),
                unit_id: self.unit(),
                project_id: self.optional(Self::code),
                basis: if self.pick(&[false, true]) {
                    Basis::Tender(self.tender_id())
                } else {
                    Basis::Method(self.pick(METHODS))
                },
                ocid: self.optional(Self::ocid),
                supplier: self.payee(),
                amount: self.amount(),
                signed_on: self.day(),
                document_number: self.document(),
                document_sha256: self.digest(),
            }),
            3 => Procurement::Amendment(Amendment {
                contract_id: self.contract(),
                change_minor: self.pick(&[1, -1, 65_536, -65_537]),
                document_number: self.document(),
                document_sha256: self.digest(),
            }),
            4 => Procurement::Settlement(Settlement {
                contract_id: self.contract(),
                amount: self.amount(),
                retention: self.optional(|g| Retention { amount: g.amount(), until: g.day() }),
                document_number: self.document(),
                document_sha256: self.digest(),
            }),
            _ => Procurement::FinalAccount(FinalAccount {
                project_id: self.code(),
                fund: fund(self),
                amount: self.amount(),
                surplus: self.list(Self::sequence),
                document_number: self.document(),
                document_sha256: self.digest(),
            }),
        }
    }
}
