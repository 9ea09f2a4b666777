//! `ListComplaints`.

use std::collections::BTreeMap;

use prost::bytes::Bytes;
use tonic::Status;

use super::clocks::today;
use super::convert;
use super::page;
use super::reading::{Reading, read_position};
use crate::domain::complaint::{ComplaintOutcome, ComplaintStage, Subject};
use crate::domain::places::Place;
use crate::domain::policy::ClockKind;
use crate::domain::rights::Action;
use crate::domain::time::Day;
use crate::pb::v1;
use crate::projection::Views;
use crate::projection::complaints::ComplaintView;

/// Complaints that pass the filters, in the order in which they were filed.
pub(super) async fn list(
    reading: Reading,
    request: v1::ListComplaintsRequest,
) -> Result<v1::ListComplaintsResponse, Status> {
    let on = match request.on {
        Some(date) => convert::day("on", date).map_err(|violations| reading.statuses.violations(&violations))?,
        None => today(),
    };
    let (stage, overdue) = (request.stage.to_be_bytes(), [u8::from(request.overdue_only)]);
    let day = on.days().to_be_bytes();
    // Without a date each page is of its own day: the token is for what was asked, not for when.
    let asked_on: &[u8] = if request.on.is_some() { &day } else { &[] };
    let (lot, payment) = (request.lot_id.as_bytes(), request.payment_id.as_bytes());
    let (unit, about_unit) = (request.unit_id.as_bytes(), request.about_unit_id.as_bytes());
    let parameters: [&[u8]; 8] = [b"complaints", lot, payment, unit, about_unit, &stage, &overdue, asked_on];
    reading.wait(request.min_sequence, None).await?;
    let place = Place { fund: None, unit: Some(request.unit_id.as_str()).filter(|unit| !unit.is_empty()) };
    reading.caller.check_place(Action::ReadComplaints, &place, &reading.node, reading.statuses)?;
    let page = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let views = reading.node.views();
    let due = due_days(&views);
    let due_on = |known: &ComplaintView| due.get(known.filed.complaint_id.as_str()).copied();
    let lot_number = views.books.lot_named(&request.lot_id);
    let fits = |known: &ComplaintView| {
        let filed = &known.filed;
        let about_lot = || matches!(filed.about, Subject::Lot(lot) if lot_number == Some(lot));
        let about_payment =
            || matches!(&filed.about, Subject::Payment(payment_id) if payment_id.as_str() == request.payment_id);
        (request.lot_id.is_empty() || about_lot())
            && (request.payment_id.is_empty() || about_payment())
            && (request.unit_id.is_empty()
                || known.handled_by.as_ref().is_some_and(|(unit_id, _)| unit_id.as_str() == request.unit_id))
            && (request.about_unit_id.is_empty()
                || filed.unit_id.as_ref().is_some_and(|unit_id| unit_id.as_str() == request.about_unit_id))
            && (request.stage == 0 || wire_stage(known.stage) == request.stage())
            && (!request.overdue_only || due_on(known).is_some_and(|due_on| on > due_on))
    };
    let show = |known: &ComplaintView| wire(known, due_on(known), on, &views);
    let as_of = views.position.sequence;
    let (complaints, next_page_token) = page::of_rows(views.complaints.all(), page, &parameters, as_of, fits, show);
    Ok(v1::ListComplaintsResponse { complaints, next_page_token, position: Some(read_position(&views.position)) })
}

/// The day that is due next, by complaint, of the clocks that run.
fn due_days(views: &Views) -> BTreeMap<&str, Day> {
    let is_of_complaint =
        |kind| matches!(kind, ClockKind::ComplaintFiledToAccepted | ClockKind::ComplaintFiledToAnswered);
    let mut due = BTreeMap::new();
    for clock in views.clocks.all().iter().filter(|clock| clock.ended.is_none() && is_of_complaint(clock.kind)) {
        let first = due.entry(clock.subject.as_ref()).or_insert(clock.due_on);
        *first = clock.due_on.min(*first);
    }
    due
}

const fn wire_stage(stage: ComplaintStage) -> v1::ComplaintStage {
    match stage {
        ComplaintStage::Filed => v1::ComplaintStage::Filed,
        ComplaintStage::Accepted => v1::ComplaintStage::Accepted,
        ComplaintStage::Answered => v1::ComplaintStage::Answered,
        ComplaintStage::Closed => v1::ComplaintStage::Closed,
    }
}

fn wire(known: &ComplaintView, due_on: Option<Day>, on: Day, views: &Views) -> v1::Complaint {
    use v1::complaint::About;
    let filed = &known.filed;
    let about = match &filed.about {
        Subject::Lot(lot) => About::LotId(views.books.lot(*lot).map(|lot| lot.lot_id.to_string()).unwrap_or_default()),
        Subject::Payment(payment_id) => About::PaymentId(payment_id.to_string()),
        Subject::Event(sequence) => About::EventSequence(sequence.0),
    };
    let (unit_id, first_handler) = known
        .handled_by
        .as_ref()
        .map(|(unit_id, handler)| (unit_id.to_string(), handler.to_string()))
        .unwrap_or_default();
    let (answer_document_number, answer_document_sha256) = known
        .answer
        .as_ref()
        .map(|(number, digest)| (number.to_string(), Bytes::copy_from_slice(digest)))
        .unwrap_or_default();
    v1::Complaint {
        complaint_id: filed.complaint_id.to_string(),
        kind: filed.kind.to_string(),
        stage: wire_stage(known.stage).into(),
        outcome: known.outcome.map_or(0, ComplaintOutcome::number),
        about: Some(about),
        fund_id: views.books.fund(filed.fund).map(|fund| fund.definition.fund_id.to_string()).unwrap_or_default(),
        about_unit_id: filed.unit_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        respondents: filed.respondents.iter().map(ToString::to_string).collect(),
        text_sha256: Bytes::copy_from_slice(&filed.text_sha256),
        unit_id,
        first_handler,
        answer_document_number,
        answer_document_sha256,
        due_on: due_on.map(convert::date),
        overdue: due_on.is_some_and(|due_on| on > due_on),
        filed_sequence: known.filed_at.0.0,
        filed_on: Some(convert::date(known.filed_at.1)),
        last_sequence: known.last.0.0,
        last_on: Some(convert::date(known.last.1)),
    }
}
