//! Payments that wait for witnesses (decision of the fund's policy), and what released them: each release must carry a proof
//! that the last of its payments is in a log that was cosigned. Entries hold the hash of the one before, so that this proof
//! vouches for the others too.

use std::collections::BTreeMap;

use super::kinds::is_cash;
use super::{Books, Posting, Step};
use crate::audit::anchors::Anchors;
use crate::audit::frame::Hash;
use crate::audit::note::{NoteError, NoteKey};
use crate::audit::receipt::Receipt;
use crate::audit::report::{Fact, FaultKind};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{LogKeyChange, PaymentReleased, PolicyWitnessing, WitnessRule};

/// Most payments of one release.
const RELEASED_MAX: usize = 2_000;
/// By how many events signing may lag behind what the log says of its keys: those that came while a checkpoint was made.
const LAG: i64 = 4_096;

/// A payment: its event, and its place in a transaction.
type Place = (i64, i32);

/// What waits, and whom the auditor believes.
#[derive(Default)]
pub(super) struct Releases {
    /// Payments that wait, with the hashes of their entries.
    unreleased: BTreeMap<Place, Hash>,
    anchors: Anchors,
    /// What the log says of each key that the auditor knows.
    signing: Vec<Signing>,
    /// Releases under checkpoints that none of those keys signed, and the sizes of the checkpoints.
    unsigned: Vec<(i64, u64)>,
}

/// From when to when a key signs: the first key from the beginning, without having been announced.
#[derive(Clone, Copy, Default)]
struct Signing {
    announced: Option<i64>,
    retired: Option<i64>,
}

impl Signing {
    /// Whether a checkpoint of this size must carry its signature.
    fn covers(self, size: u64) -> bool {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.announced.is_none_or(|at| size > at.saturating_add(LAG))
            && self.retired.is_none_or(|at| size.saturating_add(LAG) <= at)
    }
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

    fn check_release(&mut self, sequence: i64, of: i64, hash: &Hash, proof: &str) -> Result<(), Fact> {
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
        if let Some(policy) = anchors.policy.as_ref().filter(|policy| policy.needs_witnesses()) {
            let cosigners = receipt.note.signers(policy.witnesses().iter().map(|witness| &witness.key));
            if !policy.is_met(&cosigners.map_err(untrue)?) {
                return Err(fact!("a release cites a checkpoint that the quorum of the policy did not cosign"));
            }
            // They vouch for it, whichever key the log had then.
            return Ok(());
        }
        let is_signed = signers.iter().any(|signer| signer.key.name() == checkpoint.origin);
        if anchors.log_keys().next().is_some() && !is_signed {
            // What the log says of its keys may come later.
            self.releases.unsigned.push((sequence, checkpoint.size));
        }
        Ok(())
    }

    /// Checkpoints that releases cite and no known key signed: wrong where one signed at that time; whether there are others.
    pub(super) fn check_unsigned_releases(&mut self) -> bool {
        let mut has_earlier_keys = false;
        for (sequence, size) in std::mem::take(&mut self.releases.unsigned) {
            if self.releases.is_signed_at(size, self.authority.origin()) {
                let message = fact!("a release cites a checkpoint that no key of the log that is known signed");
                self.findings.add(sequence, FaultKind::Release, message);
            } else {
                has_earlier_keys = true;
            }
        }
        has_earlier_keys
    }
}

impl Releases {
    pub(super) fn new(anchors: Anchors) -> Self {
        let signing = anchors.log_keys().map(|_| Signing::default()).collect();
        Self { unreleased: BTreeMap::new(), anchors, signing, unsigned: Vec::new() }
    }

    /// The log says that a key signs from here on, or no more.
    pub(super) fn key_changed(&mut self, sequence: i64, changed: &NoteKey, change: LogKeyChange) {
        for (_, signing) in self.anchors.log_keys().zip(&mut self.signing).filter(|(key, _)| *key == changed) {
            match change {
                LogKeyChange::Announced => signing.announced = signing.announced.or(Some(sequence)),
                LogKeyChange::Retired => signing.retired = signing.retired.or(Some(sequence)),
                LogKeyChange::Unspecified => {}
            }
        }
    }

    /// Whether a key that the auditor knows must have signed a checkpoint of this size; none of the log's is no excuse.
    fn is_signed_at(&self, size: u64, origin: &str) -> bool {
        let of_log = self.anchors.log_keys().zip(&self.signing).filter(|(key, _)| key.name() == origin);
        let mut of_log = of_log.map(|(_, signing)| signing.covers(size)).peekable();
        of_log.peek().is_none() || of_log.any(|covers| covers)
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
