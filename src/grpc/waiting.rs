//! Wait levels of `Post`: how far events must have got before the answer.

use tonic::Status;

use super::convert::Violation;
use super::ledger::LedgerApi;
use super::proofs::{Proofs, WAIT_MAX};
use super::status::Statuses;
use crate::domain::refusal::Reason;
use crate::pb::v1;
use crate::pb::v1::{WaitLevel, post_result};

impl LedgerApi {
    /// The level that is asked for, if it can be reached: nothing may be done where it cannot.
    pub(super) fn wait_level(&self, number: i32, statuses: Statuses) -> Result<WaitLevel, Status> {
        match WaitLevel::try_from(number) {
            Ok(WaitLevel::Unspecified | WaitLevel::Durable) => Ok(WaitLevel::Durable),
            Ok(WaitLevel::Witnessed) if self.node.checkpoints().has_witnesses() => Ok(WaitLevel::Witnessed),
            Ok(WaitLevel::Witnessed) => Err(statuses.reason(Reason::NoWitnesses, &[])),
            Err(_) => {
                let (field, description) = ("wait_level".to_owned(), "is not a known value".to_owned());
                Err(statuses.violations(&[Violation { field, reason: Reason::FieldInvalid, description }]))
            }
        }
    }

    /// The answer, once the events have got as far as was asked, or witnesses have taken too long.
    pub(super) async fn reached(
        &self,
        results: Vec<v1::PostResult>,
        level: WaitLevel,
        statuses: Statuses,
    ) -> v1::PostResponse {
        let sequence = |result: &v1::PostResult| match &result.outcome {
            Some(post_result::Outcome::Receipt(receipt)) => Some(receipt.sequence),
            Some(post_result::Outcome::Error(_)) | None => None,
        };
        let last = results.iter().filter_map(sequence).max().filter(|last| *last > 0);
        let witnessed = match (level, last) {
            (WaitLevel::Witnessed, Some(last)) => {
                let proofs = Proofs { node: self.node.clone(), statuses };
                // The events stand whatever becomes of waiting: only how far they have got is told.
                proofs.covering("wait_level", last, true, WAIT_MAX).await.ok()
            }
            (WaitLevel::Witnessed, None) | (WaitLevel::Durable | WaitLevel::Unspecified, _) => None,
        };
        let reached = if witnessed.is_some() { WaitLevel::Witnessed } else { WaitLevel::Durable };
        v1::PostResponse {
            results,
            reached_level: reached.into(),
            witnessed_checkpoint: witnessed.map(|witnessed| witnessed.note.clone()).unwrap_or_default(),
        }
    }
}
