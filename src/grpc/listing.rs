//! `ListEvents`: events in the order of the log, filtered by way of the index.

use tonic::Status;

use super::convert;
use super::node::Node;
use super::page::{self, Page};
use super::reading::{Reading, record};
use super::trace::pseudonym_of;
use crate::domain::event::Payload;
use crate::domain::ids::{PayeeRef, Sequence};
use crate::domain::refusal::Reason;
use crate::log::Fault;
use crate::pb::v1;
use crate::projection::events::Events;
use crate::projection::history::{Bounds, Mark, Snapshot, Subject, documents_of, party_of};

/// Rows taken from the index at a time.
const ROWS_A_STEP: usize = 256;

/// `ListEvents`.
pub(super) async fn list(reading: Reading, request: v1::ListEventsRequest) -> Result<v1::ListEventsResponse, Status> {
    reading.wait(request.min_sequence, None).await?;
    reading.blocking(move |reading| answer(reading, &request)).await
}

fn answer(reading: &Reading, request: &v1::ListEventsRequest) -> Result<v1::ListEventsResponse, Status> {
    let after_bytes = request.after_sequence.unwrap_or(-1).to_be_bytes();
    let reconciliations = [u8::from(request.reconciliations_only)];
    check_reconciliations(reading, request)?;
    let marks = marks(request);
    let mut parameters: Vec<&[u8]> = vec![
        b"events",
        &after_bytes,
        request.lot_id.as_bytes(),
        request.payee.as_bytes(),
        request.account_id.as_bytes(),
        &request.payee_pseudonym,
        request.document_number.as_bytes(),
        &reconciliations,
    ];
    parameters.extend(marks.iter().map(|(_, text)| text.as_bytes()));
    let Page { size, start } = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let payee = payee_of(reading, request)?;
    let views = reading.node.views();
    // Later pages answer as of the first one: what was appended since does not shift them.
    let as_of = start.map_or(views.position.sequence, |start| start.as_of);
    let after = start.map_or(request.after_sequence.unwrap_or(-1), |start| start.after[0]);
    let mut filter = Filter { payee, request, marks: &marks, subjects: Vec::new(), or_else: None };
    let lot = reading.lot(&views, &request.lot_id, as_of)?;
    if request.account_id.is_empty() {
        filter.subjects.extend(lot.map(Subject::lot));
    } else {
        let (number, account) = reading.account(&views, &request.account_id, as_of)?;
        let splits = lot.filter(|_| account.kind.tracks_lots());
        let moved = splits.map_or(Subject::account(number), |lot| Subject::account_lot(number, lot));
        filter.subjects.push(if request.reconciliations_only { Subject::reconciled(number) } else { moved });
        // Whoever looks at an account wants to see that it was compared with the bank.
        filter.or_else = Some(Subject::reconciled(number)).filter(|_| lot.is_none());
        // A lot that the account does not track still narrows the events down.
        filter.subjects.extend(lot.filter(|_| splits.is_none()).map(Subject::lot));
    }
    drop(views);
    filter.add_texts();
    let fault = |fault| reading.fault(&fault);
    let log = reading.node.log();
    let mut events = Events::new(log.as_ref());
    let limit = size.saturating_add(1);
    let sequences: Vec<i64> = if filter.subjects.is_empty() {
        (after.saturating_add(1).max(0)..=as_of).take(limit).collect()
    } else {
        let history = reading.history()?;
        if let Some(payee) = payee {
            let known = history.rows(Subject::payee(payee), &Bounds::as_of(as_of), 1).map_err(fault)?;
            if known.is_empty() {
                return Err(reading.statuses.reason(Reason::PayeeNotFound, &[]));
            }
        }
        filter.sequences(&history, &reading.node, &mut events, (after, as_of), limit).map_err(fault)?
    };
    let page = sequences.get(..size.min(sequences.len())).unwrap_or_default();
    let records = page.iter().map(|sequence| record(reading, &mut events, *sequence)).collect::<Result<_, _>>()?;
    let last = page.last().filter(|_| sequences.len() > size);
    let token = last.map(|last| page::token(page::Position { as_of, after: [*last, 0, 0] }, &parameters));
    let position = Some(reading.position(&mut events, as_of)?);
    Ok(v1::ListEventsResponse { records, next_page_token: token.unwrap_or_default(), position })
}

fn payee_of(reading: &Reading, request: &v1::ListEventsRequest) -> Result<Option<PayeeRef>, Status> {
    match (request.payee.as_str(), request.payee_pseudonym.as_ref()) {
        ("", []) => Ok(None),
        ("", pseudonym) => pseudonym_of(reading, pseudonym).map(Some),
        (identity, []) => {
            let payee = convert::payee("payee", identity, reading.node.pseudonyms());
            payee.map(Some).map_err(|violations| reading.statuses.violations(&violations))
        }
        _ => {
            let description = "stands together with payee; only one of them can be given".to_owned();
            Err(reading.violation("payee_pseudonym", Reason::FieldInvalid, description))
        }
    }
}

/// What is asked for: subjects of the index, all of which an event must have a row of, and the texts behind them.
struct Filter<'a> {
    payee: Option<PayeeRef>,
    request: &'a v1::ListEventsRequest,
    marks: &'a Marks<'a>,
    subjects: Vec<Subject>,
    /// Rows of this one pass as those of the first.
    or_else: Option<Subject>,
}

impl Filter<'_> {
    fn add_texts(&mut self) {
        self.subjects.extend(self.payee.map(Subject::payee));
        let document_number = self.request.document_number.as_str();
        self.subjects.extend((!document_number.is_empty()).then(|| Subject::document(document_number)));
        let asked = self.marks.iter().filter(|(_, text)| !text.is_empty());
        self.subjects.extend(asked.map(|(mark, text)| mark.subject(text)));
    }

    /// Sequences after one and up to another that pass, ascending, at most `limit`.
    fn sequences(
        &self,
        history: &Snapshot,
        node: &Node,
        events: &mut Events<'_>,
        (after, as_of): (i64, i64),
        limit: usize,
    ) -> Result<Vec<i64>, Fault> {
        let walk = |subject: Subject| Walk { history, subject, as_of, ahead: Vec::new().into_iter() };
        let also = std::iter::once(self.or_else).chain(std::iter::repeat(None));
        let pairs = self.subjects.iter().zip(also);
        let mut walks: Vec<Either<'_>> =
            pairs.map(|(subject, other)| Either { one: walk(*subject), other: other.map(walk) }).collect();
        let mut found = Vec::new();
        let mut wanted = after.saturating_add(1);
        'next: while found.len() < limit {
            let start = wanted;
            for walk in &mut walks {
                match walk.at_least(wanted)? {
                    None => break 'next,
                    Some(sequence) => wanted = sequence,
                }
            }
            // Every walk stands at the same event, or the furthest one says from where to look again.
            let stands = wanted == start || walks.len() == 1;
            if stands {
                let event = events.event(Sequence(wanted))?;
                let mut is_meant = false;
                // One step has to have all of it: another's payee does not make it a payment of this project.
                for step in event.decision.steps() {
                    is_meant |= self.passes(step.payload, node, events)?;
                }
                found.extend(is_meant.then_some(wanted));
                wanted = wanted.saturating_add(1);
            }
        }
        Ok(found)
    }

    /// Whether a step of an event has the very texts asked for: subjects carry fingerprints only.
    fn passes(&self, payload: &Payload, node: &Node, events: &mut Events<'_>) -> Result<bool, Fault> {
        let document_number = &self.request.document_number;
        if self.payee.is_none() && document_number.is_empty() && self.marks.iter().all(|(_, text)| text.is_empty()) {
            return Ok(true);
        }
        let payment = events.payment_of(payload)?;
        let mut has_document = document_number.is_empty();
        documents_of(payload, |document| has_document |= document == document_number);
        let has = |(mark, text): &(Mark, &str)| text.is_empty() || mark.of(payload, payment.as_deref()) == Some(text);
        let has_payee = match self.payee {
            None => true,
            Some(payee) => {
                events.payee_of(payload)? == Some(payee) || party_of(payload, &node.views().books) == Some(payee)
            }
        };
        Ok(has_document && has_payee && self.marks.iter().all(has))
    }
}

type Marks<'a> = [(Mark, &'a str); Mark::ALL.len()];

/// What is asked for of each mark; empty where nothing is.
fn marks(request: &v1::ListEventsRequest) -> Marks<'_> {
    Mark::ALL.map(|mark| {
        let text = match mark {
            Mark::Project => &request.project_id,
            Mark::Contract => &request.contract_id,
            Mark::Case => &request.case_id,
            Mark::Notice => &request.notice_id,
            Mark::Loan => &request.loan_id,
            Mark::Batch => &request.batch_id,
            Mark::BankReference => &request.bank_reference,
        };
        (mark, text.as_str())
    })
}

/// Only an account has comparisons.
fn check_reconciliations(reading: &Reading, request: &v1::ListEventsRequest) -> Result<(), Status> {
    let others = [&request.lot_id, &request.payee, &request.document_number];
    let is_alone = others.iter().all(|text| text.is_empty())
        && marks(request).iter().all(|(_, text)| text.is_empty())
        && request.payee_pseudonym.is_empty();
    if !request.reconciliations_only || (is_alone && !request.account_id.is_empty()) {
        return Ok(());
    }
    let description = "needs account_id, and stands with no other filter but after_sequence".to_owned();
    Err(reading.violation("reconciliations_only", Reason::FieldInvalid, description))
}

/// A walk through the events of a subject, or of either of two.
struct Either<'a> {
    one: Walk<'a>,
    other: Option<Walk<'a>>,
}

impl Either<'_> {
    fn at_least(&mut self, sequence: i64) -> Result<Option<i64>, Fault> {
        let one = self.one.at_least(sequence)?;
        let other = self.other.as_mut().map(|walk| walk.at_least(sequence)).transpose()?.flatten();
        Ok(match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        })
    }
}

/// A walk through the events of a subject.
struct Walk<'a> {
    history: &'a Snapshot,
    subject: Subject,
    as_of: i64,
    ahead: std::vec::IntoIter<i64>,
}

impl Walk<'_> {
    /// The first event at or after a sequence; asked with growing ones.
    fn at_least(&mut self, sequence: i64) -> Result<Option<i64>, Fault> {
        loop {
            match self.ahead.as_slice().first() {
                Some(next) if *next >= sequence => return Ok(Some(*next)),
                Some(_) => {
                    self.ahead.next();
                }
                None => {
                    let bounds = Bounds { after_sequence: sequence.saturating_sub(1), ..Bounds::as_of(self.as_of) };
                    let rows = self.history.rows(self.subject, &bounds, ROWS_A_STEP)?;
                    if rows.is_empty() {
                        return Ok(None);
                    }
                    self.ahead = rows.into_iter().map(|row| row.sequence).collect::<Vec<_>>().into_iter();
                }
            }
        }
    }
}
