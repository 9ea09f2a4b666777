//! Payments that wait for witnesses (decision of the fund's policy), and what released them: each release must carry a proof
//! that the last of its payments is in a log that was cosigned. Entries hold the hash of the one before, so that this proof
//! vouches for the others too.

use std::collections::BTreeMap;

use super::kinds::is_cash;
use super::{Books, Posting, Step};
use crate::audit::anchors::Anchors;
use crate::audit::frame::Hash;
use crate::audit::note::NoteError;
use crate::audit::receipt::Receipt;
use crate::audit::report::{Fact, FaultKind};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{PaymentReleased, PolicyWitnessing, WitnessRule};

/// Most payments of one release.
const RELEASED_MAX: usize = 2_000;

/// A payment: its event, and its place in a transaction.
type Place = (i64, i32);

/// What waits, and whom the auditor believes.
#[derive(Default)]
pub(super) struct Releases {
    /// Payments that wait, with the hashes of their entries.
    unreleased: BTreeMap<Place, Hash>,
    anchors: Anchors,
}

/// Whether an event orders money out: what a bank would act on.
fn is_payment_order(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::PaymentExecuted(_) | Payload::BenefitPaid(_) | Payload::HousingWithdrawn(_) | Payload::LoanIssued(_)
    )
}

/// The day in Asia/Shanghai of a moment in UTC, nanoseconds.
pub(super) fn booked_day(ns: i64) -> i32 {
    const SHANGHAI_SECONDS: i64 = 8 * 3_600;
    let local = ns.div_euclid(1_000_000_000).saturating_add(SHANGHAI_SECONDS);
    i32::try_from(local.div_euclid(86_400)).unwrap_or_default()
}

/// What a payment moves: in both books the same, counted once.
fn amount(postings: &[Posting]) -> i64 {
    let debits = |cash: bool| {
        let of_book = postings.iter().filter(|posting| is_cash(posting.kind) == cash);
        of_book.fold(0_i64, |sum, posting| sum.saturating_add(posting.amount.max(0)))
    };
    debits(true).max(debits(false))
}

impl Books {
    /// A payment waits, where the policy in force says so.
    pub(super) fn hold(&mut self, step: Step<'_>, postings: &[Posting]) {
        if !is_payment_order(step.payload) {
            return;
        }
        let Some(fund) = self.fund_of(postings) else { return };
        // The stricter of two rules: that of its business date, and that of the day when it was booked.
        let rules = [step.business_day, self.booked_day].map(|day| self.witnessing(fund, day));
        let holds = |witnessing: &PolicyWitnessing| {
            witnessing.rule() == WitnessRule::Hold && amount(postings) >= witnessing.from_amount_minor
        };
        if rules.iter().flatten().any(holds) {
            self.releases.unreleased.insert((step.sequence, step.operation), self.entry_hash);
        }
    }

    /// Payments are released: each waited, and a quorum saw the last one.
    pub(super) fn release(&mut self, sequence: i64, released: &PaymentReleased) {
        let mut wrong = Vec::new();
        let places: Vec<Place> = released.payments.iter().map(|place| (place.sequence, place.operation)).collect();
        if places.is_empty() || places.len() > RELEASED_MAX || !places.is_sorted_by(|one, other| one < other) {
            wrong.push(fact!("a release of {} payments, or not in their order", places.len()));
        }
        let mut last = None;
        for place in places {
            match self.releases.unreleased.remove(&place) {
                Some(hash) => last = Some((place.0, hash)),
                None => wrong.push(fact!("the payment of event {} is released, and did not wait", place.0)),
            }
        }
        if let Some((of, hash)) = last
            && let Err(message) = self.check_release(sequence, of, &hash, &released.tlog_proof)
        {
            wrong.push(message);
        }
        for message in wrong {
            self.findings.add(sequence, FaultKind::Release, message);
        }
    }

    fn check_release(&self, sequence: i64, of: i64, hash: &Hash, proof: &str) -> Result<(), Fact> {
        let receipt = Receipt::parse(proof).map_err(|error| fact!("a release without a proof: {}", error))?;
        let checkpoint = &receipt.checkpoint;
        if u64::try_from(of) != Ok(receipt.index) || !receipt.proves(hash) {
            return Err(fact!("the proof of a release is not of the payment of event {}", of));
        }
        if checkpoint.origin != self.authority.origin() {
            return Err(fact!("a release cites a checkpoint of the log {}", checkpoint.origin));
        }
        if u64::try_from(sequence).is_ok_and(|sequence| checkpoint.size > sequence) {
            return Err(fact!("a release cites a checkpoint over {} entries, which came after it", checkpoint.size));
        }
        let anchors = &self.releases.anchors;
        let untrue = |error: NoteError| fact!("a release cites a checkpoint that cannot be believed: {}", error);
        let signers = receipt.note.signers(anchors.log_keys()).map_err(untrue)?;
        if anchors.log_keys().next().is_some() && signers.is_empty() {
            return Err(fact!("a release cites a checkpoint that no key of the log that is known signed"));
        }
        if let Some(policy) = anchors.policy.as_ref().filter(|policy| policy.needs_witnesses()) {
            let cosigners = receipt.note.signers(policy.witnesses().iter().map(|witness| &witness.key));
            if !policy.is_met(&cosigners.map_err(untrue)?) {
                return Err(fact!("a release cites a checkpoint that the quorum of the policy did not cosign"));
            }
        }
        Ok(())
    }
}

impl Releases {
    pub(super) const fn new(anchors: Anchors) -> Self {
        Self { unreleased: BTreeMap::new(), anchors }
    }

    /// Whether a payment waits still.
    pub(super) fn is_waiting(&self, place: Place) -> bool {
        self.unreleased.contains_key(&place)
    }

    /// A payment was reversed: it waits no more.
    pub(super) fn let_go(&mut self, place: Place) {
        self.unreleased.remove(&place);
    }
}
