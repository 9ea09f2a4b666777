//! Complaints, and how far each has got: filed, accepted, answered, closed. Who complains is left in the log.

use std::collections::BTreeMap;

use crate::domain::complaint::{Complaint, ComplaintEvent, ComplaintOutcome, ComplaintStage, Filed, Subject};
use crate::domain::event::{Event, Payload};
use crate::domain::ids::{ActorId, ComplaintId, DocumentDigest, DocumentNumber, Sequence, UnitId};
use crate::domain::time::Day;
use crate::format::stored::{Malformed, Stored};
use crate::stored_struct;

/// A complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplaintView {
    /// What was filed, without who complains.
    pub filed: Filed,
    /// The event that filed it, and its business date.
    pub filed_at: (Sequence, Day),
    /// Agency that is to deal with it, and who took it first there; `None` until it is accepted.
    pub handled_by: Option<(UnitId, ActorId)>,
    /// The last answer.
    pub answer: Option<(DocumentNumber, DocumentDigest)>,
    /// The last event about it, and its business date.
    pub last: (Sequence, Day),
    /// How far it has got.
    pub stage: ComplaintStage,
    /// How it ended, once it is closed.
    pub outcome: Option<ComplaintOutcome>,
}

stored_struct!(ComplaintView { filed, filed_at, handled_by, answer, last, stage, outcome });
stored_struct!(Filed { complaint_id, kind, about, fund, unit_id, respondents, reporter, text_sha256 });

/// All complaints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaints {
    // In the order in which they were filed.
    all: Vec<ComplaintView>,
    places: BTreeMap<ComplaintId, usize>,
}

impl Complaints {
    /// All of them, in the order in which they were filed.
    pub fn all(&self) -> &[ComplaintView] {
        &self.all
    }

    /// A complaint by its name.
    pub fn named(&self, complaint_id: &str) -> Option<&ComplaintView> {
        self.places.get(complaint_id).and_then(|place| self.all.get(*place))
    }

    pub(super) fn apply(&mut self, sequence: Sequence, event: &Event) {
        if let (Payload::Complaint(complaint), Some(envelope)) = (&event.decision.payload, &event.envelope) {
            self.complain((sequence, envelope.business_date), complaint);
        }
    }

    fn complain(&mut self, at: (Sequence, Day), event: &ComplaintEvent) {
        if let Complaint::File(filed) = event {
            self.places.insert(filed.complaint_id.clone(), self.all.len());
            self.all.push(ComplaintView {
                // What is not kept here cannot be shown by mistake.
                filed: Filed { reporter: None, ..filed.clone() },
                filed_at: at,
                handled_by: None,
                answer: None,
                last: at,
                stage: ComplaintStage::Filed,
                outcome: None,
            });
            return;
        }
        let place = self.places.get(event.complaint_id());
        let Some(known) = place.and_then(|place| self.all.get_mut(*place)) else { return };
        known.last = at;
        match event {
            Complaint::File(_) => {}
            Complaint::Accept { unit_id, first_handler, .. } => {
                known.handled_by = Some((unit_id.clone(), first_handler.clone()));
                known.stage = ComplaintStage::Accepted;
            }
            Complaint::Answer { document_number, document_sha256, .. } => {
                known.answer = Some((document_number.clone(), *document_sha256));
                known.stage = ComplaintStage::Answered;
            }
            Complaint::Close { outcome, .. } => {
                known.outcome = Some(*outcome);
                known.stage = ComplaintStage::Closed;
            }
        }
    }
}

impl Stored for Complaints {
    fn put(&self, to: &mut Vec<u8>) {
        self.all.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let all: Vec<ComplaintView> = Stored::take(from)?;
        let places = all.iter().enumerate().map(|(place, known)| (known.filed.complaint_id.clone(), place)).collect();
        Ok(Self { all, places })
    }
}

impl<L: Stored> Stored for Subject<L> {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Lot(lot) => {
                1_u8.put(to);
                lot.put(to);
            }
            Self::Payment(payment_id) => {
                2_u8.put(to);
                payment_id.put(to);
            }
            Self::Event(sequence) => {
                3_u8.put(to);
                sequence.put(to);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(from)? {
            1 => Stored::take(from).map(Self::Lot),
            2 => Stored::take(from).map(Self::Payment),
            3 => Stored::take(from).map(Self::Event),
            _ => Err(Malformed),
        }
    }
}
