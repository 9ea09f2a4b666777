//! Canonical bytes of the families' orders.

use super::{Canonical, REGISTERED_CONTRACTS};
use crate::domain::command::Payout;
use crate::domain::housing::HousingOrder;
use crate::domain::ids::DocumentNumber;
use crate::domain::nontax::NontaxOrder;
use crate::domain::persons::{PayBenefit, PersonsOrder, ReceiveContribution, TransferRelation};
use crate::domain::policy::{InterestMethod, PolicyTerms};
use crate::domain::release::Witnessing;
use crate::domain::time::Day;

pub(super) fn write_terms(terms: &PolicyTerms, out: &mut Canonical<'_>) {
    out.list(&terms.rates, |out, (kind, ppm)| {
        out.number(kind.number().into());
        out.number((*ppm).into());
    });
    out.list(&terms.splits, |out, split| {
        out.text(split.code.as_str());
        out.list(&split.shares, |out, (recipient, weight)| {
            out.text(recipient.as_str());
            out.number((*weight).into());
        });
    });
    out.list(&terms.items, |out, item| {
        out.text(item.code.as_str());
        out.tag(item.from_pool.into());
        out.tag(item.from_personal.into());
        out.number(item.max_minor);
    });
    out.list(&terms.withdrawal_reasons, |out, reason| out.text(reason.as_str()));
    out.number(terms.interest_method.map_or(0, InterestMethod::number).into());
    out.tag(terms.empty_income_at_month_end.into());
    out.list(&terms.clocks, |out, clock| {
        out.text(clock.code.as_str());
        out.number(clock.kind.number().into());
        out.number(clock.limit.into());
        out.number(clock.unit.number().into());
    });
    out.list(&terms.holidays, |out, day| out.day(*day));
    out.list(&terms.working_weekends, |out, day| out.day(*day));
    // Written only where it is set: terms that were asked for before there were witnesses keep their digest.
    if let Some(Witnessing { rule, from_minor }) = terms.witnessing {
        out.number(rule.number().into());
        out.number(from_minor);
    }
    if terms.registered_contracts_only {
        out.tag(REGISTERED_CONTRACTS);
    }
}

pub(super) fn write_payout(payout: &Payout, out: &mut Canonical<'_>) {
    out.text(payout.item_code.as_str());
    out.number(payout.period.number().into());
    out.optional(payout.line.as_ref(), |out, (batch, line)| {
        out.text(batch.as_str());
        out.number((*line).into());
    });
    out.optional(payout.reissue_of.as_ref(), |out, payment_id| out.text(payment_id.as_str()));
}

pub(super) fn write_nontax(order: &NontaxOrder, out: &mut Canonical<'_>) {
    match order {
        NontaxOrder::Notice { notice_id, fund_id, payer, item_code, amount, due_on } => {
            out.text(notice_id.as_str());
            out.text(fund_id.as_str());
            out.bytes(&payer.0);
            out.text(item_code.as_str());
            out.number(amount.minor());
            out.optional(due_on.as_ref(), |out, day: &Day| out.day(*day));
        }
        NontaxOrder::Collect { notice_id, amount, bank_reference, receipt_number } => {
            out.text(notice_id.as_str());
            out.number(amount.minor());
            out.text(bank_reference.as_str());
            out.text(receipt_number.as_str());
        }
        NontaxOrder::Split { notice_id } => out.text(notice_id.as_str()),
        NontaxOrder::Refund { notice_id, amount, payee, bank_reference, reason_code } => {
            out.text(notice_id.as_str());
            out.number(amount.minor());
            out.bytes(&payee.0);
            out.text(bank_reference.as_str());
            out.text(reason_code.as_str());
        }
    }
}

fn document(out: &mut Canonical<'_>, document_number: Option<&DocumentNumber>) {
    out.optional(document_number, |out, number| out.text(number.as_str()));
}

pub(super) fn write_persons(order: &PersonsOrder, out: &mut Canonical<'_>) {
    match order {
        PersonsOrder::RecordEligibility { person, fact, effective_on, fund_id, source } => {
            out.bytes(&person.0);
            out.number(fact.number().into());
            out.day(*effective_on);
            out.optional(fund_id.as_ref(), |out, fund_id| out.text(fund_id.as_str()));
            out.text(source.as_str());
        }
        PersonsOrder::ReceiveContribution(order) => write_contribution(order, out),
        PersonsOrder::ReceiveIncome { account_id, source, amount, bank_reference, document_number } => {
            out.text(account_id.as_str());
            out.number(source.number().into());
            out.number(amount.minor());
            out.text(bank_reference.as_str());
            document(out, document_number.as_ref());
        }
        PersonsOrder::MoveFunds { from, to, amount, bank_reference, document_number } => {
            out.text(from.as_str());
            out.text(to.as_str());
            out.number(amount.minor());
            out.text(bank_reference.as_str());
            document(out, document_number.as_ref());
        }
        PersonsOrder::PayBenefit(order) => write_benefit(order, out),
        PersonsOrder::RecoverBenefit { payment_id, amount, bank_reference, reason_code } => {
            out.text(payment_id.as_str());
            out.number(amount.minor());
            out.text(bank_reference.as_str());
            out.text(reason_code.as_str());
        }
        PersonsOrder::TransferRelation(order) => write_transfer(order, out),
        PersonsOrder::CreditInterest { fund_id, year, account_ids } => {
            out.text(fund_id.as_str());
            out.number((*year).into());
            out.list(account_ids, |out, account_id| out.text(account_id.as_str()));
        }
    }
}

fn write_contribution(order: &ReceiveContribution, out: &mut Canonical<'_>) {
    out.text(order.fund_id.as_str());
    out.bytes(&order.employer.0);
    out.number(order.period.number().into());
    out.number(order.kind.number().into());
    out.list(&order.contributions, |out, contribution| {
        out.bytes(&contribution.person.0);
        out.number(contribution.base.minor());
        out.number(contribution.employer.minor());
        out.number(contribution.personal.minor());
    });
    out.number(order.late_days.into());
    out.number(order.amount.minor());
    out.text(order.bank_reference.as_str());
}

fn write_benefit(order: &PayBenefit, out: &mut Canonical<'_>) {
    out.text(order.payment_id.as_str());
    out.text(order.fund_id.as_str());
    out.bytes(&order.person.0);
    out.optional(order.payee.as_ref(), |out, payee| out.bytes(&payee.0));
    out.text(order.item_code.as_str());
    out.number(order.period.number().into());
    out.number(order.pool.minor());
    out.number(order.personal.minor());
}

fn write_transfer(order: &TransferRelation, out: &mut Canonical<'_>) {
    out.text(order.fund_id.as_str());
    out.bytes(&order.person.0);
    out.number(order.direction.number().into());
    out.number(order.wage_base.minor());
    out.number(order.personal.minor());
    out.number(order.amount.minor());
    out.text(order.account_id.as_str());
    out.text(order.peer_id.as_str());
    out.text(order.bank_reference.as_str());
}

pub(super) fn write_housing(order: &HousingOrder, out: &mut Canonical<'_>) {
    match order {
        HousingOrder::Withdraw { payment_id, fund_id, person, reason_code, amount, evidence_sha256, property } => {
            out.text(payment_id.as_str());
            out.text(fund_id.as_str());
            out.bytes(&person.0);
            out.text(reason_code.as_str());
            out.number(amount.minor());
            out.bytes(evidence_sha256);
            out.optional(property.as_ref(), |out, property| out.bytes(&property.0));
        }
        HousingOrder::IssueLoan { loan_id, fund_id, person, amount, months } => {
            out.text(loan_id.as_str());
            out.text(fund_id.as_str());
            out.bytes(&person.0);
            out.number(amount.minor());
            out.number((*months).into());
        }
        HousingOrder::RepayLoan { loan_id, period, amount, bank_reference } => {
            out.text(loan_id.as_str());
            out.number(period.number().into());
            out.number(amount.minor());
            out.text(bank_reference.as_str());
        }
        HousingOrder::DistributeSurplus { fund_id, amount, document_number } => {
            out.text(fund_id.as_str());
            out.number(amount.minor());
            out.text(document_number.as_str());
        }
    }
}
