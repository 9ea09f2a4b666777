//! Orders and events of supervision.

use fundledger::domain::ids::{DisclosureId, FindingId, MatterId, Sequence};
use fundledger::domain::money::AmountOrZero;
use fundledger::domain::oversight::{Difference, FindingOutcome, Flag, Matter, Oversight, Reconciliation};

use fundledger::domain::personal::{PersonalCommitment, PersonalData, PersonalField, PersonalScope};

use super::Genes;

const OUTCOMES: &[FindingOutcome] = &[FindingOutcome::Rectified, FindingOutcome::Unfounded, FindingOutcome::Referred];

const PERSONAL_FIELDS: &[PersonalField] = &[
    PersonalField::Name,
    PersonalField::IdentityNumber,
    PersonalField::BankAccount,
    PersonalField::Address,
    PersonalField::Telephone,
];

impl Genes<'_> {
    /// What a command says of personal data, besides the commitment itself, which its digest leaves out.
    pub(super) fn personal_datum(&mut self) -> PersonalCommitment {
        let (party, field) = (self.payee(), self.pick(PERSONAL_FIELDS));
        PersonalCommitment { party, field, commitment: [7; 32], account: None }
    }

    fn personal_scope(&mut self) -> PersonalScope {
        let last = |g: &mut Self| Sequence(g.pick(&[1, 2, 127, 128]));
        PersonalScope { party: self.payee(), first: self.sequence(), last: self.optional(last) }
    }

    pub(super) fn commitment(&mut self) -> PersonalCommitment {
        let (commitment, account) = (self.digest(), self.optional(Self::payee));
        PersonalCommitment { commitment, account, ..self.personal_datum() }
    }

    fn finding(&mut self) -> FindingId {
        FindingId::parse(self.text()).unwrap()
    }

    fn matter(&mut self) -> MatterId {
        MatterId::parse(self.text()).unwrap()
    }

    fn signed(&mut self) -> i64 {
        self.pick(&[0, 1, -1, 65_536, -65_537])
    }

    fn any_amount(&mut self) -> AmountOrZero {
        AmountOrZero::new(self.pick(&[0, 1, 255])).unwrap()
    }

    pub(super) fn oversight<A, F>(
        &mut self,
        kind: usize,
        account: impl Fn(&mut Self) -> A,
        fund: impl Fn(&mut Self) -> F,
    ) -> Oversight<A, F> {
        match kind {
            0 => Oversight::Reconciliation(Reconciliation {
                account: account(self),
                statement_sha256: self.digest(),
                first_day: self.day(),
                last_day: self.day(),
                bank_balance_minor: self.signed(),
                book_balance_minor: self.signed(),
                as_of: self.sequence(),
                matched_count: self.number(),
                differences: self.list(|g| Difference {
                    bank_reference: g.bank(),
                    bank_minor: g.signed(),
                    book_minor: g.signed(),
                }),
            }),
            1 => Oversight::Flag(Flag {
                finding_id: self.finding(),
                rule_id: self.code(),
                rule_version: self.number(),
                sequences: self.list(Self::sequence),
                amount: self.any_amount(),
                evidence_sha256: self.optional(Self::digest),
            }),
            2 => Oversight::Explanation {
                finding_id: self.finding(),
                document_number: self.document(),
                document_sha256: self.digest(),
            },
            3 => Oversight::Rectification {
                finding_id: self.finding(),
                sequences: self.list(Self::sequence),
                amount: self.any_amount(),
                document_number: self.document(),
            },
            4 => Oversight::FindingClose { finding_id: self.finding(), outcome: self.pick(OUTCOMES) },
            5 => Oversight::MatterOpen(Matter {
                matter_id: self.matter(),
                kind: self.code(),
                unit_id: self.unit(),
                fund: self.optional(fund),
                party: self.optional(Self::payee),
                about: self.optional(|g| Sequence(g.pick(&[1, 2, 127, 128]))),
                first_handler: self.actor(),
            }),
            6 => Oversight::MatterClose { matter_id: self.matter(), outcome_code: self.reason() },
            7 => Oversight::Disclosure {
                disclosure_id: DisclosureId::parse(self.text()).unwrap(),
                scope: self.code(),
                file_sha256: self.digest(),
                as_of: self.sequence(),
            },
            8 => Oversight::Performance {
                subject_id: self.code(),
                year: self.pick(&[2026, 2027, 0]),
                score: self.number(),
                document_number: self.document(),
                evaluator: self.optional(Self::evaluator),
            },
            9 => Oversight::Reopening { fund: fund(self), period: self.period(), reason_code: self.reason() },
            10 => Oversight::PersonalData(PersonalData::Restrict(self.personal_scope(), self.basis())),
            11 => Oversight::PersonalData(PersonalData::Release(self.personal_scope(), self.basis())),
            12 => Oversight::PersonalData(PersonalData::Erase(self.personal_scope(), self.basis())),
            14 => Oversight::Goal(self.goal()),
            15 => Oversight::Output(self.output()),
            _ => Oversight::PersonalData(PersonalData::Open {
                sequence: self.sequence(),
                party: self.payee(),
                field: self.pick(PERSONAL_FIELDS),
                legal_basis: self.basis(),
            }),
        }
    }
}
