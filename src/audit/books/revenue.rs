//! Non-tax revenue: where each minor unit of a notice stands, by the legs alone.

use super::accounts::person;
use super::legs::AMOUNT_MAX_MINOR;
use super::payments::{Sign, due, moved, total};
use super::rounding::by_weight;
use super::tables::ById;
use super::{Books, Posting, Step};
use crate::audit::report::FaultKind;
use crate::pb::v1::{AccountKind as Kind, FundFamily, NontaxNoticed};

const SHARES: &[Kind] = &[Kind::NontaxShare, Kind::PayableUpper, Kind::PayableLower];

/// A notice.
struct Notice {
    fund: i32,
    item_code: String,
    amount: i64,
    pending: i64,
    /// By account, in the order in which they were first credited.
    shares: Vec<(i32, i64)>,
}

impl Notice {
    /// What was collected and not refunded.
    fn held(&self) -> i64 {
        self.shares.iter().fold(self.pending, |sum, (_, held)| sum.saturating_add(*held))
    }

    fn add_share(&mut self, account: i32, change: i64) {
        match self.shares.iter_mut().find(|(known, _)| *known == account) {
            Some((_, held)) => *held = held.saturating_add(change),
            None => self.shares.push((account, change)),
        }
    }
}

/// All notices.
#[derive(Default)]
pub(super) struct Revenue {
    notices: ById<Notice>,
}

impl Books {
    /// A payer is told what is due.
    pub(super) fn notice(&mut self, step: Step<'_>, noticed: &NontaxNoticed) {
        let notice_id = format!("{:?}", noticed.notice_id);
        if self.family(noticed.fund) != FundFamily::Nontax {
            self.wrong(step, fact!("notice {} is of fund {}, which has no such revenue", notice_id, noticed.fund));
        }
        let amount = noticed.amount_minor;
        if amount < 1 || amount.unsigned_abs() > AMOUNT_MAX_MINOR || person(&noticed.payer).is_none() {
            self.wrong(step, fact!("notice {} is of {}, or to nobody", notice_id, amount));
        }
        let (fund, item_code) = (noticed.fund, noticed.item_code.clone());
        let notice = Notice { fund, item_code, amount, pending: 0, shares: Vec::new() };
        match self.revenue.notices.entry(self.fingerprints.of(&noticed.notice_id)) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(notice);
            }
            std::collections::hash_map::Entry::Occupied(_) => {
                self.wrong(step, fact!("notice {} was given before", notice_id));
            }
        }
    }

    /// Takes a notice out of its table while the event about it is looked at; a finding where there is none.
    fn take_notice(&mut self, step: Step<'_>, notice_id: &str, postings: &[Posting]) -> Option<Notice> {
        let notice = self.revenue.notices.remove(&self.fingerprints.of(notice_id));
        match &notice {
            None => self.wrong(step, fact!("notice {} is unknown", format_args!("{notice_id:?}"))),
            Some(notice) => self.check_fund(step, notice.fund, postings),
        }
        notice
    }

    fn put_notice(&mut self, notice_id: &str, notice: Notice) {
        self.revenue.notices.insert(self.fingerprints.of(notice_id), notice);
    }

    /// 收缴: never more than the notice says.
    pub(super) fn collect(&mut self, step: Step<'_>, notice_id: &str, postings: &[Posting]) {
        let Some(mut notice) = self.take_notice(step, notice_id, postings) else { return };
        notice.pending = notice.pending.saturating_add(total(postings, Kind::NontaxPending, Sign::Credit));
        let (held, amount) = (notice.held(), notice.amount);
        if held > amount {
            let notice_id = format_args!("{notice_id:?}");
            self.wrong(step, fact!("{} is collected on notice {}, which is of {}", held, notice_id, amount));
        }
        self.put_notice(notice_id, notice);
    }

    /// 分成: all that is pending, by the policy's split.
    pub(super) fn split_revenue(&mut self, step: Step<'_>, notice_id: &str, postings: &[Posting]) {
        let Some(mut notice) = self.take_notice(step, notice_id, postings) else { return };
        let named = format_args!("{notice_id:?}");
        let amount = total(postings, Kind::NontaxPending, Sign::Debit);
        if amount != notice.pending {
            self.wrong(step, fact!("{} of notice {} is split, {} is pending", amount, named, notice.pending));
        }
        notice.pending = notice.pending.saturating_sub(amount);
        let parts = self.split_by_policy(step, notice.fund, &notice.item_code, amount);
        let credited = moved(postings, SHARES, Sign::Credit);
        if let Some(parts) = parts {
            if credited != due(parts.iter().copied()) {
                self.wrong(step, fact!("notice {} is not split as the policy says", named));
            }
            // The order of the split is that in which a refund settles ties.
            for (account, _) in parts.iter().filter(|(_, part)| *part > 0) {
                notice.add_share(*account, 0);
            }
        }
        for (account, part) in credited {
            notice.add_share(account, part);
        }
        self.put_notice(notice_id, notice);
    }

    /// 退库: at most what is held; what is pending first, then the shares by what each still holds.
    pub(super) fn refund(&mut self, step: Step<'_>, notice_id: &str, postings: &[Posting]) {
        let Some(mut notice) = self.take_notice(step, notice_id, postings) else { return };
        let named = format_args!("{notice_id:?}");
        let amount = total(postings, Kind::Treasury, Sign::Credit);
        let from_pending = total(postings, Kind::NontaxPending, Sign::Debit);
        let from_shares = moved(postings, SHARES, Sign::Debit);
        let held = notice.held();
        if amount > held {
            let message = fact!("{} of notice {} is refunded, {} is held", amount, named, held);
            self.findings.add(step.sequence, FaultKind::OverReturn, message);
        } else {
            let pending = amount.min(notice.pending);
            let weights: Vec<i64> = notice.shares.iter().map(|(_, held)| *held).collect();
            let parts = by_weight(amount.saturating_sub(pending), &weights);
            let accounts = notice.shares.iter().map(|(account, _)| *account);
            if from_pending != pending || from_shares != due(accounts.zip(parts)) {
                self.wrong(step, fact!("the refund of notice {} is not drawn from where it stands", named));
            }
        }
        notice.pending = notice.pending.saturating_sub(from_pending).max(0);
        for (account, part) in from_shares {
            notice.add_share(account, part.saturating_neg());
        }
        self.put_notice(notice_id, notice);
    }
}
