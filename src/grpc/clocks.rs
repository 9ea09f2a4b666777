//! `ListClocks`.

use tonic::Status;

use super::convert;
use super::page;
use super::reading::{Reading, read_position};
use crate::domain::places::Place;
use crate::domain::rights::Action;
use crate::domain::time::Day;
use crate::ledger::clock::{Clock as _, SystemClock};
use crate::pb::v1;
use crate::projection::clocks::{Clock, ClockStatus};

/// Clocks that pass the filters, held against a day.
pub(super) async fn list(reading: Reading, request: v1::ListClocksRequest) -> Result<v1::ListClocksResponse, Status> {
    let on = match request.on {
        Some(date) => convert::day("on", date).map_err(|violations| reading.statuses.violations(&violations))?,
        None => today(),
    };
    let status = request.status.to_be_bytes();
    let day = on.days().to_be_bytes();
    // Without a date each page is of its own day: the token is for what was asked, not for when.
    let asked_on: &[u8] = if request.on.is_some() { &day } else { &[] };
    let parameters: [&[u8]; 5] =
        [&status, request.unit_id.as_bytes(), request.code.as_bytes(), request.fund_id.as_bytes(), asked_on];
    reading.wait(request.min_sequence, None).await?;
    let place = Place {
        fund: reading.node.views().books.fund_named(&request.fund_id),
        unit: Some(request.unit_id.as_str()).filter(|unit| !unit.is_empty()),
    };
    reading.caller.check_place(Action::ReadClocks, &place, &reading.node, reading.statuses)?;
    let page = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let views = reading.node.views();
    let fund_id = |clock: &Clock| {
        views.books.fund(clock.fund).map(|fund| fund.definition.fund_id.to_string()).unwrap_or_default()
    };
    let fits = |clock: &Clock| {
        (request.status == 0 || wire_status(clock.status(on)) == request.status())
            && (request.unit_id.is_empty()
                || clock.unit_id.as_ref().is_some_and(|unit| unit.as_str() == request.unit_id))
            && (request.code.is_empty() || clock.code.as_str() == request.code)
            && (request.fund_id.is_empty() || fund_id(clock) == request.fund_id)
    };
    let show = |clock: &Clock| wire_clock(clock, fund_id(clock), on);
    let as_of = views.position.sequence;
    let (clocks, next_page_token) = page::of_rows(views.clocks.all(), page, &parameters, as_of, fits, show);
    Ok(v1::ListClocksResponse { clocks, next_page_token, position: Some(read_position(&views.position)) })
}

pub(super) fn today() -> Day {
    SystemClock.now().shanghai_date()
}

const fn wire_status(status: ClockStatus) -> v1::ClockStatus {
    match status {
        ClockStatus::Running => v1::ClockStatus::Running,
        ClockStatus::Overdue => v1::ClockStatus::Overdue,
        ClockStatus::Met => v1::ClockStatus::Met,
        ClockStatus::MetLate => v1::ClockStatus::MetLate,
    }
}

fn wire_clock(clock: &Clock, fund_id: String, on: Day) -> v1::Clock {
    v1::Clock {
        code: clock.code.to_string(),
        kind: clock.kind.number(),
        subject_id: clock.subject.to_string(),
        fund_id,
        unit_id: clock.unit_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        status: wire_status(clock.status(on)).into(),
        started_sequence: clock.started.0,
        started_on: Some(convert::date(clock.started_on)),
        due_on: Some(convert::date(clock.due_on)),
        ended_sequence: clock.ended.map_or(0, |(sequence, _)| sequence.0),
        ended_on: clock.ended.map(|(_, day)| convert::date(day)),
    }
}
