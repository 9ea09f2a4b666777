//! Orders and events of the families.

use fundledger::domain::command::Order;
use fundledger::domain::event::{EntitlementDetermined, Payload};
use fundledger::domain::housing::{HousingEvent, HousingOrder};
use fundledger::domain::ids::{AccountNumber, LoanId, NoticeId};
use fundledger::domain::money::{AMOUNT_MAX_MINOR, AmountOrZero};
use fundledger::domain::nontax::{NontaxEvent, NontaxOrder};
use fundledger::domain::persons::{
    Contribution, ContributionKind, ContributionLine, EligibilityFact, IncomeSource, InterestLine, PayBenefit,
    PersonsEvent, PersonsOrder, ReceiveContribution, TransferDirection, TransferRelation,
};
use fundledger::domain::policy::{Clock, ClockKind, InterestMethod, Item, LimitUnit, PolicyTerms, RateKind, Split};
use fundledger::domain::release::{WitnessRule, Witnessing};

use super::Genes;

const FACTS: &[EligibilityFact] = &[EligibilityFact::Death, EligibilityFact::Exit, EligibilityFact::Restored];
const CONTRIBUTIONS: &[ContributionKind] = &[ContributionKind::Regular, ContributionKind::Back];
const SOURCES: &[IncomeSource] = &[IncomeSource::Subsidy, IncomeSource::Interest, IncomeSource::Other];
const DIRECTIONS: &[TransferDirection] = &[TransferDirection::In, TransferDirection::Out];
const METHODS: &[InterestMethod] = &[InterestMethod::OpeningBalance, InterestMethod::DayProduct];

impl Genes<'_> {
    fn notice(&mut self) -> NoticeId {
        NoticeId::parse(self.text()).unwrap()
    }

    fn loan(&mut self) -> LoanId {
        LoanId::parse(self.text()).unwrap()
    }

    fn part(&mut self) -> AmountOrZero {
        AmountOrZero::new(self.minor()).unwrap()
    }

    fn minor(&mut self) -> i64 {
        self.pick(&[0, 1, 255, 65_536, AMOUNT_MAX_MINOR])
    }

    fn account_number(&mut self) -> AccountNumber {
        AccountNumber(self.number())
    }

    pub(super) fn terms(&mut self) -> PolicyTerms {
        let rates = [RateKind::EmployerContribution, RateKind::LateFee, RateKind::LoanInterest];
        PolicyTerms {
            rates: self.list(|g| (g.pick(&rates), g.number())),
            splits: self.list(|g| Split { code: g.code(), shares: g.list(|g| (g.code(), g.number())) }),
            items: self.list(|g| Item {
                code: g.code(),
                from_pool: g.pick(&[false, true]),
                from_personal: g.pick(&[false, true]),
                max_minor: g.minor(),
            }),
            withdrawal_reasons: self.list(Self::reason),
            interest_method: self.optional(|g| g.pick(METHODS)),
            empty_income_at_month_end: self.pick(&[false, true]),
            clocks: self.list(|g| Clock {
                code: g.code(),
                kind: g.pick(&[ClockKind::Matter, ClockKind::OrderedToCleared]),
                limit: g.number(),
                unit: g.pick(&[LimitUnit::Days, LimitUnit::WorkingDays]),
            }),
            holidays: self.list(Self::day),
            working_weekends: self.list(Self::day),
            witnessing: self.optional(|g| Witnessing {
                rule: g.pick(&[WitnessRule::Hold, WitnessRule::Alarm]),
                from_minor: g.minor(),
            }),
            registered_contracts_only: self.pick(&[false, true]),
        }
    }

    pub(super) fn family_order(&mut self, kind: usize) -> Order {
        match kind {
            0..4 => Order::Nontax(Box::new(self.nontax_order(kind))),
            4..12 => Order::Persons(Box::new(self.persons_order(kind - 4))),
            12..16 => Order::Housing(Box::new(self.housing_order(kind - 12))),
            16 => Order::ApproveEstimate {
                project_id: self.code(),
                fund_id: self.fund(),
                amount: self.amount(),
                issuer_id: self.issuer(),
                document_number: self.document(),
            },
            _ => Order::DetermineEntitlement {
                fund_id: self.fund(),
                unit_id: self.unit(),
                item_code: self.code(),
                period: self.period(),
                head_count: self.minor(),
                standard: self.amount(),
            },
        }
    }

    fn nontax_order(&mut self, kind: usize) -> NontaxOrder {
        match kind {
            0 => NontaxOrder::Notice {
                notice_id: self.notice(),
                fund_id: self.fund(),
                payer: self.payee(),
                item_code: self.code(),
                amount: self.amount(),
                due_on: self.optional(Self::day),
            },
            1 => NontaxOrder::Collect {
                notice_id: self.notice(),
                amount: self.amount(),
                bank_reference: self.bank(),
                receipt_number: self.code(),
            },
            2 => NontaxOrder::Split { notice_id: self.notice() },
            _ => NontaxOrder::Refund {
                notice_id: self.notice(),
                amount: self.amount(),
                payee: self.payee(),
                bank_reference: self.bank(),
                reason_code: self.reason(),
            },
        }
    }

    fn persons_order(&mut self, kind: usize) -> PersonsOrder {
        match kind {
            0 => PersonsOrder::RecordEligibility {
                person: self.payee(),
                fact: self.pick(FACTS),
                effective_on: self.day(),
                fund_id: self.optional(Self::fund),
                source: self.code(),
            },
            1 => PersonsOrder::ReceiveContribution(ReceiveContribution {
                fund_id: self.fund(),
                employer: self.payee(),
                period: self.period(),
                kind: self.pick(CONTRIBUTIONS),
                contributions: self.list(|g| Contribution {
                    person: g.payee(),
                    base: g.part(),
                    employer: g.part(),
                    personal: g.part(),
                }),
                late_days: self.number(),
                amount: self.amount(),
                bank_reference: self.bank(),
            }),
            2 => PersonsOrder::ReceiveIncome {
                account_id: self.account(),
                source: self.pick(SOURCES),
                amount: self.amount(),
                bank_reference: self.bank(),
                document_number: self.optional(Self::document),
            },
            3 => PersonsOrder::MoveFunds {
                from: self.account(),
                to: self.account(),
                amount: self.amount(),
                bank_reference: self.bank(),
                document_number: self.optional(Self::document),
            },
            4 => PersonsOrder::PayBenefit(PayBenefit {
                payment_id: self.payment(),
                fund_id: self.fund(),
                person: self.payee(),
                payee: self.optional(Self::payee),
                item_code: self.code(),
                period: self.period(),
                pool: self.part(),
                personal: self.part(),
            }),
            5 => PersonsOrder::RecoverBenefit {
                payment_id: self.payment(),
                amount: self.amount(),
                bank_reference: self.bank(),
                reason_code: self.reason(),
            },
            6 => PersonsOrder::TransferRelation(TransferRelation {
                fund_id: self.fund(),
                person: self.payee(),
                direction: self.pick(DIRECTIONS),
                wage_base: self.part(),
                personal: self.part(),
                amount: self.amount(),
                account_id: self.account(),
                peer_id: self.code(),
                bank_reference: self.bank(),
            }),
            _ => PersonsOrder::CreditInterest {
                fund_id: self.fund(),
                year: self.pick(&[2026, 2027, 0]),
                account_ids: self.list(Self::account),
            },
        }
    }

    fn housing_order(&mut self, kind: usize) -> HousingOrder {
        match kind {
            0 => HousingOrder::Withdraw {
                payment_id: self.payment(),
                fund_id: self.fund(),
                person: self.payee(),
                reason_code: self.reason(),
                amount: self.amount(),
                evidence_sha256: self.digest(),
                property: self.optional(Self::payee),
            },
            1 => HousingOrder::IssueLoan {
                loan_id: self.loan(),
                fund_id: self.fund(),
                person: self.payee(),
                amount: self.amount(),
                months: self.number(),
            },
            2 => HousingOrder::RepayLoan {
                loan_id: self.loan(),
                period: self.period(),
                amount: self.amount(),
                bank_reference: self.bank(),
            },
            _ => HousingOrder::DistributeSurplus {
                fund_id: self.fund(),
                amount: self.amount(),
                document_number: self.document(),
            },
        }
    }

    pub(super) fn family_payload(&mut self, tag: i32) -> Payload {
        match tag {
            45 => Payload::EstimateApproved {
                project_id: self.code(),
                fund: self.fund_number(),
                amount: self.amount(),
                issuer_id: self.issuer(),
                document_number: self.document(),
            },
            46 => Payload::EntitlementDetermined(Box::new(EntitlementDetermined {
                fund: self.fund_number(),
                unit_id: self.unit(),
                item_code: self.code(),
                period: self.period(),
                head_count: self.minor(),
                standard_minor: self.minor(),
                shares: self.list(|g| (g.code(), g.minor())),
            })),
            70..=73 => Payload::Nontax(Box::new(self.nontax_event(tag))),
            100..=103 => Payload::Housing(Box::new(self.housing_event(tag))),
            _ => Payload::Persons(Box::new(self.persons_event(tag))),
        }
    }

    fn nontax_event(&mut self, tag: i32) -> NontaxEvent {
        match tag {
            70 => NontaxEvent::Noticed {
                notice_id: self.notice(),
                fund: self.fund_number(),
                payer: self.payee(),
                item_code: self.code(),
                amount: self.amount(),
                due_on: self.optional(Self::day),
            },
            71 => NontaxEvent::Collected {
                notice_id: self.notice(),
                bank_reference: self.bank(),
                receipt_number: self.code(),
            },
            72 => NontaxEvent::Split { notice_id: self.notice() },
            _ => NontaxEvent::Refunded {
                notice_id: self.notice(),
                bank_reference: self.bank(),
                reason_code: self.reason(),
            },
        }
    }

    fn persons_event(&mut self, tag: i32) -> PersonsEvent {
        match tag {
            43 => PersonsEvent::EligibilityRecorded {
                person: self.payee(),
                fact: self.pick(FACTS),
                effective_on: self.day(),
                fund: self.fund_number(),
                source: self.code(),
            },
            80 => PersonsEvent::ContributionReceived {
                bank_reference: self.bank(),
                employer: self.payee(),
                period: self.period(),
                kind: self.pick(CONTRIBUTIONS),
                lines: self.list(|g| ContributionLine {
                    account: g.account_number(),
                    base_minor: g.minor(),
                    employer_minor: g.minor(),
                    personal_minor: g.minor(),
                    personal_pooled_minor: g.minor(),
                }),
                late_days: self.number(),
                late_fee_minor: self.minor(),
            },
            81 => PersonsEvent::IncomeReceived {
                source: self.pick(SOURCES),
                bank_reference: self.bank(),
                document_number: self.optional(Self::document),
            },
            82 => {
                PersonsEvent::FundsMoved { bank_reference: self.bank(), document_number: self.optional(Self::document) }
            }
            83 => PersonsEvent::BenefitPaid {
                payment_id: self.payment(),
                account: self.account_number(),
                item_code: self.code(),
                period: self.period(),
                payee: self.payee(),
            },
            84 => PersonsEvent::BenefitRecovered {
                payment_id: self.payment(),
                original: self.sequence(),
                bank_reference: self.bank(),
                reason_code: self.reason(),
            },
            85 => PersonsEvent::RelationTransferred {
                direction: self.pick(DIRECTIONS),
                account: self.account_number(),
                wage_base_minor: self.minor(),
                peer_id: self.code(),
                bank_reference: self.bank(),
            },
            _ => PersonsEvent::InterestCredited {
                fund: self.fund_number(),
                year: self.pick(&[2026, 0, -1]),
                rate_ppm: self.number(),
                method: self.pick(METHODS),
                lines: self.list(|g| InterestLine {
                    account: g.account_number(),
                    basis: g.minor(),
                    interest_minor: g.minor(),
                }),
            },
        }
    }

    fn housing_event(&mut self, tag: i32) -> HousingEvent {
        match tag {
            100 => HousingEvent::Withdrawn {
                payment_id: self.payment(),
                account: self.account_number(),
                reason_code: self.reason(),
                evidence_sha256: self.digest(),
                property: self.optional(Self::payee),
                payee: self.payee(),
            },
            101 => HousingEvent::LoanIssued {
                loan_id: self.loan(),
                account: self.account_number(),
                months: self.number(),
                rate_ppm: self.number(),
                instalment_minor: self.minor(),
            },
            102 => {
                HousingEvent::LoanRepaid { loan_id: self.loan(), period: self.period(), bank_reference: self.bank() }
            }
            _ => HousingEvent::SurplusDistributed { document_number: self.document() },
        }
    }
}
