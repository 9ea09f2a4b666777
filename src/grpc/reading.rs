//! What every query has in common: what it is as of, its page, where its answer was computed, and the names in it.

use std::sync::Arc;

use prost::Message;
use prost::bytes::Bytes;
use tonic::Status;

use super::convert::{self, Violation};
use super::identity::Caller;
use super::ledger::hash_bytes;
use super::node::Node;
use super::page::{self, Page};
use super::spans::spawn_blocking;
use super::status::Statuses;
use crate::domain::account::NormalSide;
use crate::domain::ids::{AccountNumber, LotNumber, Sequence, UnitId};
use crate::domain::places::Place;
use crate::domain::refusal::Reason;
use crate::domain::rights::Action;
use crate::domain::time::{Day, UtcNanos};
use crate::format::record::{EntryHash, Head, split_entry};
use crate::log::Fault;
use crate::pb::{self, v1};
use crate::projection::Views;
use crate::projection::books::AccountView;
use crate::projection::events::Events;
use crate::projection::history::{Bounds, Snapshot, Subject};

/// One query on a node.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) node: Arc<Node>,
    /// Who asks.
    pub(super) caller: Caller,
    pub(super) statuses: Statuses,
}

impl Reading {
    /// Waits until the views show what the caller has seen and what is asked for; gives the sequence to answer as of,
    /// where one is asked for.
    pub(super) async fn wait(
        &self,
        min_sequence: Option<i64>,
        as_of_sequence: Option<i64>,
    ) -> Result<Option<i64>, Status> {
        if let Some(sequence) = as_of_sequence.filter(|sequence| *sequence < 0) {
            let description = format!("is {sequence}; sequences start at 0");
            return Err(self.violation("as_of_sequence", Reason::FieldInvalid, description));
        }
        let Some(sequence) = min_sequence.max(as_of_sequence) else { return Ok(None) };
        let committed = self.node.ledger().committed().sequence;
        if sequence > committed {
            return Err(self.statuses.reason(Reason::SequenceBeyondHead, &beyond(sequence, committed)));
        }
        if self.node.reached(sequence).await {
            return Ok(as_of_sequence);
        }
        let facts = [("min_sequence", sequence.to_string()), ("position", self.node.position().to_string())];
        Err(self.statuses.reason(Reason::QueueFull, &facts))
    }

    /// Answers on a thread that may block: the index and the log are files.
    pub(super) async fn blocking<T: Send + 'static>(
        self,
        answer: impl FnOnce(&Self) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let statuses = self.statuses;
        let answered = spawn_blocking(move || answer(&self)).await;
        answered.unwrap_or_else(|error| Err(statuses.fault(&Fault::new("answering a query", error))))
    }

    pub(super) fn fault(&self, fault: &Fault) -> Status {
        self.statuses.fault(fault)
    }

    pub(super) fn violation(&self, field: &str, reason: Reason, description: String) -> Status {
        self.statuses.violations(&[Violation { field: field.to_owned(), reason, description }])
    }

    pub(super) fn history(&self) -> Result<Snapshot, Status> {
        self.node.history().map_err(|fault| self.fault(&fault))
    }

    /// Where an answer as of a sequence was computed: with the entry's hash, from the log.
    pub(super) fn position(&self, events: &mut Events<'_>, as_of: i64) -> Result<v1::ReadPosition, Status> {
        events.head(as_of).map(|head| read_position(&head)).map_err(|fault| self.fault(&fault))
    }

    /// A date of a query, which may be unset.
    pub(super) fn day(&self, field: &str, date: Option<pb::Date>) -> Result<Option<Day>, Status> {
        let parsed = date.map(|date| convert::day(field, date)).transpose();
        parsed.map_err(|violations| self.statuses.violations(&violations))
    }

    /// The page asked for. Its token must have been made for these parameters, and for this `as_of`, where one is asked for.
    pub(super) fn page(
        &self,
        raw_size: i32,
        token: &str,
        parameters: &[&[u8]],
        as_of: Option<i64>,
    ) -> Result<Page, Status> {
        let size = page::size(raw_size).ok_or_else(|| {
            let description = format!("is {raw_size}; it must not be negative");
            self.violation("page_size", Reason::FieldInvalid, description)
        })?;
        if token.is_empty() {
            return Ok(Page { size, start: None });
        }
        // A token is no authority: one that was not made here could name any sequence.
        let seen = 0..=self.node.position();
        let start = page::position(token, parameters)
            .filter(|start| seen.contains(&start.as_of) && as_of.is_none_or(|as_of| as_of == start.as_of))
            .ok_or_else(|| self.statuses.reason(Reason::PageTokenInvalid, &[]))?;
        Ok(Page { size, start: Some(start) })
    }

    /// An account by name that was open at a sequence.
    pub(super) fn account<'v>(
        &self,
        views: &'v Views,
        account_id: &str,
        as_of: i64,
    ) -> Result<(AccountNumber, &'v AccountView), Status> {
        let number = views.books.account_named(account_id);
        let found = number.and_then(|number| Some((number, views.books.account(number)?)));
        let not_found = || self.statuses.reason(Reason::AccountNotFound, &[("account", shown(account_id))]);
        let (number, account) = found.filter(|(_, account)| account.opened.0 <= as_of).ok_or_else(not_found)?;
        let unit = account.unit_id.as_ref().map(UnitId::as_str);
        let place = Place { fund: Some(account.fund), unit };
        self.caller.check_place(Action::ReadAccount, &place, &self.node, self.statuses)?;
        Ok((number, account))
    }

    /// A lot by name that was open at a sequence; none where no name is given.
    pub(super) fn lot(&self, views: &Views, lot_id: &str, as_of: i64) -> Result<Option<LotNumber>, Status> {
        if lot_id.is_empty() {
            return Ok(None);
        }
        let number = views.books.lot_named(lot_id);
        let opened = |number: &LotNumber| views.books.lot(*number).is_some_and(|view| view.opened.0 <= as_of);
        let not_found = || self.statuses.reason(Reason::LotNotFound, &[("lot", shown(lot_id))]);
        number.filter(opened).ok_or_else(not_found).map(Some)
    }

    /// A lot can only be asked for where the account tracks lots.
    pub(super) fn check_tracks_lots(&self, account: &AccountView, lot: Option<LotNumber>) -> Result<(), Status> {
        if lot.is_none() || account.kind.tracks_lots() {
            return Ok(());
        }
        let facts = [("account", account.account_id.to_string()), ("kind", account.kind.as_str().to_owned())];
        Err(self.statuses.reason(Reason::AccountKindNotAllowed, &facts))
    }
}

/// The subject of an account, or of a lot in it.
pub(super) fn subject(account: AccountNumber, lot: Option<LotNumber>) -> Subject {
    lot.map_or(Subject::account(account), |lot| Subject::account_lot(account, lot))
}

/// A balance as of a sequence and a business date, from the balance now and the index; minor units.
pub(super) fn balance_as_of(
    history: &Snapshot,
    subject: Subject,
    now: (i64, i64),
    as_of: i64,
    on: Option<Day>,
) -> Result<i64, Fault> {
    let (position, balance_minor) = now;
    if let Some(day) = on {
        return history.sum(subject, &Bounds::as_of(as_of).to_day(day.days()));
    }
    // What came later is taken off, or what came before is added up: whichever is the shorter way.
    if as_of > position / 2 {
        let later = Bounds { after_sequence: as_of, ..Bounds::as_of(position) };
        return Ok(balance_minor.saturating_sub(history.sum(subject, &later)?));
    }
    history.sum(subject, &Bounds::as_of(as_of))
}

/// A balance on the wire.
pub(super) fn wire_balance(
    views: &Views,
    account: &AccountView,
    lot: Option<LotNumber>,
    amount_minor: i64,
) -> v1::Balance {
    let fund = views.books.fund(account.fund);
    v1::Balance {
        account_id: account.account_id.to_string(),
        lot_id: lot.and_then(|lot| views.books.lot(lot)).map(|lot| lot.lot_id.to_string()).unwrap_or_default(),
        kind: account.kind.number(),
        fund_id: fund.map(|fund| fund.definition.fund_id.to_string()).unwrap_or_default(),
        unit_id: account.unit_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        amount_minor,
        currency_code: fund.map(|fund| fund.definition.currency.code_str().to_owned()).unwrap_or_default(),
        currency_exponent: fund.map(|fund| i32::from(fund.definition.currency.exponent)).unwrap_or_default(),
        debit_normal: account.kind.normal_side() == NormalSide::Debit,
        revision: None,
    }
}

pub(super) fn read_position(head: &Head) -> v1::ReadPosition {
    v1::ReadPosition { sequence: head.sequence, entry_hash: hash_bytes(&head.hash) }
}

pub(super) fn beyond(sequence: i64, head: i64) -> [(&'static str, String); 2] {
    [("sequence", sequence.to_string()), ("head_sequence", head.to_string())]
}

/// What a caller sent, cut to what an answer may carry.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}

/// An event's record, with names.
pub(super) fn record(reading: &Reading, events: &mut Events<'_>, sequence: i64) -> Result<v1::EventRecord, Status> {
    let entry = events.entry(Sequence(sequence)).map_err(|fault| reading.fault(&fault))?;
    let entry = Bytes::copy_from_slice(entry);
    let event = wire_event(&entry).map_err(|fault| reading.fault(&fault))?;
    let views = reading.node.views();
    let legs = event.legs.iter().map(|leg| named_leg(&views, leg)).collect();
    drop(views);
    Ok(v1::EventRecord {
        sequence,
        entry_hash: hash_bytes(&EntryHash::of(&entry)),
        legs,
        booked_at: Some(convert::to_timestamp(UtcNanos(event.booked_at_ns))),
        business_date: (sequence != 0).then(|| convert::date(Day::from_days(event.business_day))),
        entry,
        event: Some(event),
    })
}

/// The event of an entry, as it is stored.
pub(super) fn wire_event(entry: &[u8]) -> Result<v1::Event, Fault> {
    let (_, bytes) = split_entry(entry).unwrap_or_default();
    v1::Event::decode(bytes).map_err(|error| Fault::new("decoding an event", error))
}

fn named_leg(views: &Views, leg: &v1::Leg) -> v1::NamedLeg {
    let account = u32::try_from(leg.account).ok().and_then(|number| views.books.account(AccountNumber(number)));
    let lot = u32::try_from(leg.lot).ok().and_then(|number| views.books.lot(LotNumber(number)));
    v1::NamedLeg {
        account_id: account.map(|account| account.account_id.to_string()).unwrap_or_default(),
        lot_id: lot.map(|lot| lot.lot_id.to_string()).unwrap_or_default(),
        amount_minor: leg.amount_minor,
    }
}
