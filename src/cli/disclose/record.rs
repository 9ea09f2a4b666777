//! That a table was published, on record: the same id records the same table once, however often it is made.

use std::time::Duration;

use prost::Message;
use prost::bytes::Bytes;
use tonic::Code;

use super::super::connect::{self, Connection, Explanation};
use super::super::posting::{self, Mode};
use super::super::{Failure, Globals};
use super::{DiscloseArgs, Made};
use crate::domain::time::Day;
use crate::format::record::split_entry;
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1::command::Payload;
use crate::pb::v1::event::Payload as Happened;
use crate::pb::v1::post_result::Outcome;
use crate::pb::v1::{self, Command, Event, RecordDisclosure};

/// What a publication's record says: the sequence that its table is as of, and its business date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) as_of: i64,
    pub(super) on: Date,
}

/// The record of an id, where there is one: a table that is made again is made as of it.
pub(super) fn find(globals: &Globals, source: &str, disclosure_id: &str) -> Result<Option<Recorded>, Failure> {
    connect::with(&at(globals, source), async |connection| {
        let request = v1::GetReceiptRequest { request_id: key(disclosure_id) };
        let answer = connection.ledger().get_receipt(connection.request(request)).await;
        let result = match answer {
            Ok(answer) => answer.into_inner().result,
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(connection.failure(&status)),
        };
        // A refusal is told once the table is there and posted again.
        let Some(Outcome::Receipt(receipt)) = result.and_then(|result| result.outcome) else { return Ok(None) };
        let event = event(connection, receipt.sequence).await?;
        let recorded = match event.payload {
            Some(Happened::Disclosed(disclosed)) => Some(disclosed.as_of_sequence),
            _ => None,
        };
        Ok(recorded.map(|as_of| Recorded { as_of, on: date(event.business_day) }))
    })
}

/// The event at a sequence: whoever publishes reads the log, not the history of queries.
async fn event(connection: &Connection, sequence: i64) -> Result<Event, Failure> {
    let end_sequence = Some(sequence.saturating_add(1));
    let request = v1::ReadEntriesRequest { start_sequence: sequence, end_sequence };
    let answer = connection.audit().read_entries(connection.request(request)).await;
    let mut stream = answer.map_err(|status| connection.failure(&status))?.into_inner();
    let first = stream.message().await.map_err(|status| connection.failure(&status))?;
    let entry = first.and_then(|message| message.entries.into_iter().next()).unwrap_or_default();
    let event = split_entry(&entry).and_then(|(_, event)| Event::decode(event).ok());
    event.ok_or_else(|| Failure::Unavailable(text::verify_no_entries(connection.lang())))
}

/// Puts on record that a table was published; gives the sequence of the record.
pub(super) fn put(
    globals: &Globals,
    args: &DiscloseArgs,
    source: &str,
    (disclosure_id, on): (&str, Option<Date>),
    made: &Made,
) -> Result<i64, Failure> {
    let command = Command {
        request_id: key(disclosure_id),
        business_date: Some(on.unwrap_or_else(|| date(made.last_day))),
        actor: args.maker.clone().unwrap_or_default(),
        payload: Some(Payload::RecordDisclosure(Box::new(RecordDisclosure {
            disclosure_id: disclosure_id.to_owned(),
            scope: made.scope.clone(),
            file_sha256: Bytes::copy_from_slice(&made.written.digest),
            as_of_sequence: made.sequence,
        }))),
        ..Command::default()
    };
    connect::with(&at(globals, source), async |connection| {
        let patience = Duration::from_secs(args.retry_for);
        let mut results =
            posting::post(connection, std::slice::from_ref(&command), Mode::Commit, patience).await?.results;
        match results.pop().and_then(|result| result.outcome) {
            Some(Outcome::Receipt(receipt)) => Ok(receipt.sequence),
            Some(Outcome::Error(status)) => Err(Explanation::of_result(&status, globals.lang).failure()),
            None => Err(Failure::Unavailable(text::answer_has_no_outcome(globals.lang))),
        }
    })
}

fn key(disclosure_id: &str) -> String {
    format!("disclosure:{disclosure_id}")
}

fn date(business_day: i32) -> Date {
    let (year, month, day) = Day::from_days(business_day).civil();
    Date { year, month, day }
}

/// The server that the table is made from is where it is recorded.
fn at(globals: &Globals, source: &str) -> Globals {
    Globals { server: Some(source.to_owned()), ..globals.clone() }
}
