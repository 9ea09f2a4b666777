//! The families on the wire: non-tax revenue, persons, the housing provident fund, projects.

use super::Parser;
use crate::domain::command::{Order, Payout};
use crate::domain::housing::{HousingOrder, LOAN_MAX_MINOR};
use crate::domain::ids::{
    AccountId, BankReference, Code, DocumentNumber, FundId, IssuerId, LoanId, NoticeId, PaymentId, ReasonCode, UnitId,
};
use crate::domain::nontax::NontaxOrder;
use crate::domain::persons::{
    Contribution, ContributionKind, EligibilityFact, IncomeSource, PayBenefit, PersonsOrder, ReceiveContribution,
    TransferDirection, TransferRelation,
};
use crate::domain::refusal::Reason;
use crate::domain::time::Period;
use crate::pb::v1;

const CONTRIBUTIONS_MAX: usize = 512;
const INTEREST_ACCOUNTS_MAX: usize = 512;
const LATE_DAYS_MAX: u32 = 36_500;
const LOAN_MONTHS_MAX: u32 = 360;
const HEADS_MAX: i64 = 1_000_000_000;
const LINES_MAX: u32 = 1_000_000_000;

impl Parser<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "called for the families only")]
    pub(super) fn family_order(&mut self, payload: v1::command::Payload) -> Option<Order> {
        use v1::command::Payload;
        let nontax = |order| Order::Nontax(Box::new(order));
        let persons = |order| Order::Persons(Box::new(order));
        let housing = |order| Order::Housing(Box::new(order));
        match payload {
            Payload::ApproveEstimate(wire) => self.approve_estimate(*wire),
            Payload::DetermineEntitlement(wire) => self.determine_entitlement(*wire),
            Payload::NoticeNontax(wire) => self.notice_nontax(*wire).map(nontax),
            Payload::CollectNontax(wire) => self.collect_nontax(*wire).map(nontax),
            Payload::SplitNontax(wire) => {
                let notice_id = self.named("notice_id", NoticeId::parse(wire.notice_id))?;
                Some(nontax(NontaxOrder::Split { notice_id }))
            }
            Payload::RefundNontax(wire) => self.refund_nontax(*wire).map(nontax),
            Payload::RecordEligibility(wire) => self.record_eligibility(*wire).map(persons),
            Payload::ReceiveContribution(wire) => {
                self.receive_contribution(*wire).map(PersonsOrder::ReceiveContribution).map(persons)
            }
            Payload::ReceiveIncome(wire) => self.receive_income(*wire).map(persons),
            Payload::MoveFunds(wire) => self.move_funds(*wire).map(persons),
            Payload::PayBenefit(wire) => self.pay_benefit(*wire).map(PersonsOrder::PayBenefit).map(persons),
            Payload::RecoverBenefit(wire) => self.recover_benefit(*wire).map(persons),
            Payload::TransferRelation(wire) => {
                self.transfer_relation(*wire).map(PersonsOrder::TransferRelation).map(persons)
            }
            Payload::CreditInterest(wire) => self.credit_interest(*wire).map(persons),
            Payload::WithdrawHousing(wire) => self.withdraw_housing(*wire).map(housing),
            Payload::IssueLoan(wire) => self.issue_loan(*wire).map(housing),
            Payload::RepayLoan(wire) => self.repay_loan(*wire).map(housing),
            Payload::DistributeSurplus(wire) => self.distribute_surplus(*wire).map(housing),
            _ => None,
        }
    }

    pub(super) fn payout(&mut self, wire: v1::Payout) -> Option<Payout> {
        let item_code = self.named("payout.item_code", Code::parse(wire.item_code));
        let period = Period::new(wire.period.div_euclid(100), wire.period.rem_euclid(100));
        let period = match period {
            Ok(period) => Some(period),
            Err(_) => self.wrong("payout.period", Reason::DateInvalid, "is not a month of 1900 to 2199, as yyyymm"),
        };
        let batch_id = self.optional("payout.batch_id", wire.batch_id, Code::parse);
        let least = u32::from(matches!(batch_id, Some(Some(_))));
        let most = if least == 0 { 0 } else { LINES_MAX };
        let line_number = self.within("payout.line_number", wire.line_number, least, most);
        let reissue_of = self.optional("payout.reissue_of", wire.reissue_of, PaymentId::parse);
        let line_number = line_number?;
        Some(Payout {
            item_code: item_code?,
            period: period?,
            line: batch_id?.map(|batch_id| (batch_id, line_number)),
            reissue_of: reissue_of?,
        })
    }

    fn approve_estimate(&mut self, wire: v1::ApproveEstimate) -> Option<Order> {
        let project_id = self.named("project_id", Code::parse(wire.project_id));
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let issuer_id = self.named("issuer_id", IssuerId::parse(wire.issuer_id));
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        Some(Order::ApproveEstimate {
            project_id: project_id?,
            fund_id: fund_id?,
            amount: amount?,
            issuer_id: issuer_id?,
            document_number: document_number?,
        })
    }

    fn determine_entitlement(&mut self, wire: v1::DetermineEntitlement) -> Option<Order> {
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let unit_id = self.named("unit_id", UnitId::parse(wire.unit_id));
        let item_code = self.named("item_code", Code::parse(wire.item_code));
        let period = self.period("", wire.year, wire.month);
        let head_count = if (1..=HEADS_MAX).contains(&wire.head_count) {
            Some(wire.head_count)
        } else {
            self.wrong("head_count", Reason::FieldInvalid, format!("is not 1 to {HEADS_MAX}"))
        };
        let standard = self.amount("standard_minor", wire.standard_minor);
        Some(Order::DetermineEntitlement {
            fund_id: fund_id?,
            unit_id: unit_id?,
            item_code: item_code?,
            period: period?,
            head_count: head_count?,
            standard: standard?,
        })
    }

    fn notice_nontax(&mut self, wire: v1::NoticeNontax) -> Option<NontaxOrder> {
        let notice_id = self.named("notice_id", NoticeId::parse(wire.notice_id));
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let payer = self.party("payer", &wire.payer, &wire.payer_pseudonym);
        let item_code = self.named("item_code", Code::parse(wire.item_code));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let due_on = self.optional_date("due_on", wire.due_on);
        Some(NontaxOrder::Notice {
            notice_id: notice_id?,
            fund_id: fund_id?,
            payer: payer?,
            item_code: item_code?,
            amount: amount?,
            due_on: due_on?,
        })
    }

    fn collect_nontax(&mut self, wire: v1::CollectNontax) -> Option<NontaxOrder> {
        let notice_id = self.named("notice_id", NoticeId::parse(wire.notice_id));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
        let receipt_number = self.named("receipt_number", Code::parse(wire.receipt_number));
        Some(NontaxOrder::Collect {
            notice_id: notice_id?,
            amount: amount?,
            bank_reference: bank_reference?,
            receipt_number: receipt_number?,
        })
    }

    fn refund_nontax(&mut self, wire: v1::RefundNontax) -> Option<NontaxOrder> {
        let notice_id = self.named("notice_id", NoticeId::parse(wire.notice_id));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let payee = self.party("payee", &wire.payee, &wire.payee_pseudonym);
        let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
        let reason_code = self.named("reason_code", ReasonCode::parse(wire.reason_code));
        Some(NontaxOrder::Refund {
            notice_id: notice_id?,
            amount: amount?,
            payee: payee?,
            bank_reference: bank_reference?,
            reason_code: reason_code?,
        })
    }

    fn record_eligibility(&mut self, wire: v1::RecordEligibility) -> Option<PersonsOrder> {
        let person = self.party("person", &wire.person, &wire.person_pseudonym);
        let fact = self.known("fact", EligibilityFact::from_number(wire.fact));
        let effective_on = self.date("effective_on", wire.effective_on);
        let fund_id = self.optional("fund_id", wire.fund_id, FundId::parse);
        let source = self.named("source", Code::parse(wire.source));
        Some(PersonsOrder::RecordEligibility {
            person: person?,
            fact: fact?,
            effective_on: effective_on?,
            fund_id: fund_id?,
            source: source?,
        })
    }

    fn receive_contribution(&mut self, wire: v1::ReceiveContribution) -> Option<ReceiveContribution> {
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let employer = self.party("employer", &wire.employer, &wire.employer_pseudonym);
        let period = self.period("", wire.year, wire.month);
        let kind = self.known("kind", ContributionKind::from_number(wire.kind));
        let contributions = self.list("contributions", wire.contributions, CONTRIBUTIONS_MAX, |parser, field, line| {
            let person = parser.party(format_args!("{field}.person"), &line.person, &line.person_pseudonym);
            let base = parser.amount_or_zero(format_args!("{field}.base_minor"), line.base_minor);
            let employer = parser.amount_or_zero(format_args!("{field}.employer_minor"), line.employer_minor);
            let personal = parser.amount_or_zero(format_args!("{field}.personal_minor"), line.personal_minor);
            Some(Contribution { person: person?, base: base?, employer: employer?, personal: personal? })
        });
        let contributions = self.some_of("contributions", contributions);
        let late_days = self.within("late_days", wire.late_days, 0, LATE_DAYS_MAX);
        let amount = self.amount("amount_minor", wire.amount_minor);
        let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
        Some(ReceiveContribution {
            fund_id: fund_id?,
            employer: employer?,
            period: period?,
            kind: kind?,
            contributions: contributions?,
            late_days: late_days?,
            amount: amount?,
            bank_reference: bank_reference?,
        })
    }

    fn receive_income(&mut self, wire: v1::ReceiveIncome) -> Option<PersonsOrder> {
        let account_id = self.named("account_id", AccountId::parse(wire.account_id));
        let source = self.known("source", IncomeSource::from_number(wire.source));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
        let document_number = self.optional("document_number", wire.document_number, DocumentNumber::parse);
        if let (Some(IncomeSource::Subsidy), Some(None)) = (source, &document_number) {
            return self.wrong("document_number", Reason::FieldInvalid, "is missing: a subsidy rests on a document");
        }
        Some(PersonsOrder::ReceiveIncome {
            account_id: account_id?,
            source: source?,
            amount: amount?,
            bank_reference: bank_reference?,
            document_number: document_number?,
        })
    }

    fn move_funds(&mut self, wire: v1::MoveFunds) -> Option<PersonsOrder> {
        let from = self.named("from_account_id", AccountId::parse(wire.from_account_id));
        let to = self.named("to_account_id", AccountId::parse(wire.to_account_id));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
        let document_number = self.optional("document_number", wire.document_number, DocumentNumber::parse);
        Some(PersonsOrder::MoveFunds {
            from: from?,
            to: to?,
            amount: amount?,
            bank_reference: bank_reference?,
            document_number: document_number?,
        })
    }

    fn pay_benefit(&mut self, wire: v1::PayBenefit) -> Option<PayBenefit> {
        let payment_id = self.named("payment_id", PaymentId::parse(wire.payment_id));
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let person = self.party("person", &wire.person, &wire.person_pseudonym);
        let payee = self.optional_party("payee", &wire.payee, &wire.payee_pseudonym);
        let item_code = self.named("item_code", Code::parse(wire.item_code));
        let period = self.period("", wire.year, wire.month);
        let pool = self.amount_or_zero("pool_minor", wire.pool_minor);
        let personal = self.amount_or_zero("personal_minor", wire.personal_minor);
        if let (Some(pool), Some(personal)) = (pool, personal) {
            self.amount("pool_minor", pool.minor().saturating_add(personal.minor()))?;
        }
        Some(PayBenefit {
            payment_id: payment_id?,
            fund_id: fund_id?,
            person: person?,
            payee: payee?,
            item_code: item_code?,
            period: period?,
            pool: pool?,
            personal: personal?,
        })
    }

    fn recover_benefit(&mut self, wire: v1::RecoverBenefit) -> Option<PersonsOrder> {
        let payment_id = self.named("payment_id", PaymentId::parse(wire.payment_id));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
        let reason_code = self.named("reason_code", ReasonCode::parse(wire.reason_code));
        Some(PersonsOrder::RecoverBenefit {
            payment_id: payment_id?,
            amount: amount?,
            bank_reference: bank_reference?,
            reason_code: reason_code?,
        })
    }

    fn transfer_relation(&mut self, wire: v1::TransferRelation) -> Option<TransferRelation> {
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let person = self.party("person", &wire.person, &wire.person_pseudonym);
        let direction = self.known("direction", TransferDirection::from_number(wire.direction));
        let wage_base = self.amount_or_zero("wage_base_minor", wire.wage_base_minor);
        let personal = match (direction, self.amount_or_zero("personal_minor", wire.personal_minor)) {
            (Some(TransferDirection::Out), Some(personal)) if personal.minor() != 0 => {
                self.wrong("personal_minor", Reason::FieldInvalid, "is set: what goes out is the whole account")
            }
            (_, personal) => personal,
        };
        let amount = self.amount("amount_minor", wire.amount_minor);
        let account_id = self.named("account_id", AccountId::parse(wire.account_id));
        let peer_id = self.named("peer_id", Code::parse(wire.peer_id));
        let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
        Some(TransferRelation {
            fund_id: fund_id?,
            person: person?,
            direction: direction?,
            wage_base: wage_base?,
            personal: personal?,
            amount: amount?,
            account_id: account_id?,
            peer_id: peer_id?,
            bank_reference: bank_reference?,
        })
    }

    fn credit_interest(&mut self, wire: v1::CreditInterest) -> Option<PersonsOrder> {
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        // The same years as of months.
        let year = self.period("", wire.year, 1).map(|_| wire.year);
        let account_ids = self.list("account_ids", wire.account_ids, INTEREST_ACCOUNTS_MAX, |parser, field, id| {
            parser.named(field, AccountId::parse(id))
        });
        let account_ids = self.some_of("account_ids", account_ids);
        Some(PersonsOrder::CreditInterest { fund_id: fund_id?, year: year?, account_ids: account_ids? })
    }

    fn withdraw_housing(&mut self, wire: v1::WithdrawHousing) -> Option<HousingOrder> {
        let payment_id = self.named("payment_id", PaymentId::parse(wire.payment_id));
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let person = self.party("person", &wire.person, &wire.person_pseudonym);
        let reason_code = self.named("reason_code", ReasonCode::parse(wire.reason_code));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let evidence_sha256 = self.digest("evidence_sha256", &wire.evidence_sha256);
        let property = self.optional_party("property", &wire.property, &wire.property_pseudonym);
        Some(HousingOrder::Withdraw {
            payment_id: payment_id?,
            fund_id: fund_id?,
            person: person?,
            reason_code: reason_code?,
            amount: amount?,
            evidence_sha256: evidence_sha256?,
            property: property?,
        })
    }

    fn issue_loan(&mut self, wire: v1::IssueLoan) -> Option<HousingOrder> {
        let loan_id = self.named("loan_id", LoanId::parse(wire.loan_id));
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let person = self.party("person", &wire.person, &wire.person_pseudonym);
        let amount = match self.amount("amount_minor", wire.amount_minor) {
            Some(amount) if amount.minor() > LOAN_MAX_MINOR => {
                self.wrong("amount_minor", Reason::AmountInvalid, format!("is above {LOAN_MAX_MINOR} minor units"))
            }
            amount => amount,
        };
        let months = self.within("months", wire.months, 1, LOAN_MONTHS_MAX);
        // Less would be repaid in instalments of nothing.
        let amount = match (amount, months) {
            (Some(amount), Some(months)) if amount.minor() < i64::from(months) => {
                self.wrong("amount_minor", Reason::AmountInvalid, "is less than one minor unit a month")
            }
            (amount, _) => amount,
        };
        Some(HousingOrder::IssueLoan {
            loan_id: loan_id?,
            fund_id: fund_id?,
            person: person?,
            amount: amount?,
            months: months?,
        })
    }

    fn repay_loan(&mut self, wire: v1::RepayLoan) -> Option<HousingOrder> {
        let loan_id = self.named("loan_id", LoanId::parse(wire.loan_id));
        let period = self.period("", wire.year, wire.month);
        let amount = self.amount("amount_minor", wire.amount_minor);
        let bank_reference = self.named("bank_reference", BankReference::parse(wire.bank_reference));
        Some(HousingOrder::RepayLoan {
            loan_id: loan_id?,
            period: period?,
            amount: amount?,
            bank_reference: bank_reference?,
        })
    }

    fn distribute_surplus(&mut self, wire: v1::DistributeSurplus) -> Option<HousingOrder> {
        let fund_id = self.named("fund_id", FundId::parse(wire.fund_id));
        let amount = self.amount("amount_minor", wire.amount_minor);
        let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
        Some(HousingOrder::DistributeSurplus { fund_id: fund_id?, amount: amount?, document_number: document_number? })
    }
}
