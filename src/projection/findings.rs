//! Auditors' findings, and how far each has got: flagged, explained, put right, closed.

use std::collections::BTreeMap;

use crate::domain::command::Envelope;
use crate::domain::event::{Event, Payload};
use crate::domain::ids::{ActorId, FindingId, Sequence};
use crate::domain::money;
use crate::domain::oversight::{FindingOutcome, FindingStage, Flag, Oversight};
use crate::domain::time::Day;
use crate::format::stored::{Malformed, Stored};
use crate::stored_struct;

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingView {
    /// What was flagged.
    pub flag: Flag,
    /// By whom.
    pub flagged_by: ActorId,
    /// The event that flagged it, and its business date.
    pub flagged: (Sequence, Day),
    /// The last event about it, and its business date.
    pub last: (Sequence, Day),
    /// How far it has got.
    pub stage: FindingStage,
    /// How it ended, once it is closed.
    pub outcome: Option<FindingOutcome>,
    /// What was put right in all, minor units.
    pub rectified_minor: i64,
}

stored_struct!(FindingView { flag, flagged_by, flagged, last, stage, outcome, rectified_minor });
stored_struct!(Flag { finding_id, rule_id, rule_version, sequences, amount, evidence_sha256 });

/// All findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    // In the order in which they were flagged.
    all: Vec<FindingView>,
    places: BTreeMap<FindingId, usize>,
}

impl Findings {
    /// All of them, in the order in which they were flagged.
    pub fn all(&self) -> &[FindingView] {
        &self.all
    }

    pub(super) fn apply(&mut self, sequence: Sequence, event: &Event) {
        if let (Payload::Oversight(oversight), Some(envelope)) = (&event.decision.payload, &event.envelope) {
            self.oversee((sequence, envelope.business_date), envelope, oversight);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these are about findings")]
    fn oversee<A, F>(&mut self, at: (Sequence, Day), envelope: &Envelope, oversight: &Oversight<A, F>) {
        match oversight {
            Oversight::Flag(flag) => {
                self.places.insert(flag.finding_id.clone(), self.all.len());
                self.all.push(FindingView {
                    flag: flag.clone(),
                    flagged_by: envelope.actor.clone(),
                    flagged: at,
                    last: at,
                    stage: FindingStage::Open,
                    outcome: None,
                    rectified_minor: 0,
                });
            }
            Oversight::Explanation { finding_id, .. } => self.change(at, finding_id, |finding| {
                // What was put right stays so, whatever is said of it later.
                if finding.stage != FindingStage::Rectified {
                    finding.stage = FindingStage::Explained;
                }
            }),
            Oversight::Rectification { finding_id, amount, .. } => self.change(at, finding_id, |finding| {
                finding.stage = FindingStage::Rectified;
                finding.rectified_minor = money::add(finding.rectified_minor, amount.minor());
            }),
            Oversight::FindingClose { finding_id, outcome } => self.change(at, finding_id, |finding| {
                finding.stage = FindingStage::Closed;
                finding.outcome = Some(*outcome);
            }),
            _ => {}
        }
    }

    fn change(&mut self, at: (Sequence, Day), finding_id: &FindingId, change: impl FnOnce(&mut FindingView)) {
        if let Some(finding) = self.places.get(finding_id).and_then(|place| self.all.get_mut(*place)) {
            finding.last = at;
            change(finding);
        }
    }
}

impl Stored for Findings {
    fn put(&self, to: &mut Vec<u8>) {
        self.all.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let all: Vec<FindingView> = Stored::take(from)?;
        let places = all.iter().enumerate().map(|(place, finding)| (finding.flag.finding_id.clone(), place)).collect();
        Ok(Self { all, places })
    }
}
