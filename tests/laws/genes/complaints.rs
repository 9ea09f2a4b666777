//! Orders and events about complaints.

use fundledger::domain::complaint::{Complaint, ComplaintOutcome, Filed, Filing, Subject};
use fundledger::domain::ids::{ComplaintId, FundNumber, LotNumber, Sequence};

use super::Genes;

const OUTCOMES: &[ComplaintOutcome] =
    &[ComplaintOutcome::Upheld, ComplaintOutcome::Unfounded, ComplaintOutcome::Referred, ComplaintOutcome::Withdrawn];

impl Genes<'_> {
    fn complaint_id(&mut self) -> ComplaintId {
        ComplaintId::parse(self.text()).unwrap()
    }

    /// One of three, the form by a gene.
    fn subject<L>(&mut self, lot: impl Fn(&mut Self) -> L) -> Subject<L> {
        match self.pick(&[0, 1, 2]) {
            0 => Subject::Lot(lot(self)),
            1 => Subject::Payment(self.payment()),
            _ => Subject::Event(Sequence(self.pick(&[1, 2, 127, 128]))),
        }
    }

    pub(super) fn filing(&mut self) -> Filing {
        Filing {
            complaint_id: self.complaint_id(),
            kind: self.code(),
            about: self.subject(Self::lot),
            unit_id: self.optional(Self::unit),
            reporter: self.optional(Self::payee),
            text_sha256: self.digest(),
        }
    }

    pub(super) fn filed(&mut self) -> Filed {
        Filed {
            complaint_id: self.complaint_id(),
            kind: self.code(),
            about: self.subject(|g| LotNumber(g.number())),
            fund: FundNumber(self.number()),
            unit_id: self.optional(Self::unit),
            respondents: self.list(Self::actor),
            reporter: self.optional(Self::payee),
            text_sha256: self.digest(),
        }
    }

    pub(super) fn complaint<F>(&mut self, kind: usize, file: impl Fn(&mut Self) -> F) -> Complaint<F> {
        match kind {
            0 => Complaint::File(file(self)),
            1 => Complaint::Accept {
                complaint_id: self.complaint_id(),
                unit_id: self.unit(),
                first_handler: self.actor(),
            },
            2 => Complaint::Answer {
                complaint_id: self.complaint_id(),
                document_number: self.document(),
                document_sha256: self.digest(),
            },
            _ => Complaint::Close { complaint_id: self.complaint_id(), outcome: self.pick(OUTCOMES) },
        }
    }
}
