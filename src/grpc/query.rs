//! `QueryService`: reading.

use std::sync::Arc;

use prost::bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::convert;
use super::ledger::{hash_bytes, timestamp};
use super::node::Node;
use super::page;
use super::server::Limits;
use super::status::Statuses;
use super::stopping::{Stopping, UntilStopped};
use super::subscribe::Subscription;
use crate::domain::account::{AccountKind, NormalSide};
use crate::domain::event::{Event, Payload};
use crate::domain::ids::{AccountNumber, FundNumber, LotNumber, PayeeRef, PaymentId, Sequence};
use crate::domain::refusal::Reason;
use crate::format::codec;
use crate::format::record::{EntryHash, Head, split_entry};
use crate::log::{Fault, LogRead, entry_at};
use crate::pb::v1;
use crate::pb::v1::query_service_server::QueryService;
use crate::projection::Views;
use crate::projection::books::AccountView;
use crate::projection::lineage::MovementKind;
use crate::projection::trace::{Node as TraceNode, NodeKind, Tree};

/// Nodes of one message of a trace.
const NODES_A_MESSAGE: usize = 1_000;

pub(super) struct QueryApi {
    pub(super) node: Arc<Node>,
    pub(super) limits: Limits,
    pub(super) stopping: Stopping,
    pub(super) subscribers: Arc<Semaphore>,
}

/// Waits until the views show a sequence that the caller has seen.
pub(super) async fn read_after(node: &Node, min_sequence: Option<i64>, statuses: Statuses) -> Result<(), Status> {
    let Some(sequence) = min_sequence else { return Ok(()) };
    let committed = node.ledger().committed().sequence;
    if sequence > committed {
        return Err(statuses.reason(Reason::SequenceBeyondHead, &beyond(sequence, committed)));
    }
    if node.reached(sequence).await {
        return Ok(());
    }
    let facts = [("min_sequence", sequence.to_string()), ("position", node.position().to_string())];
    Err(statuses.reason(Reason::QueueFull, &facts))
}

/// An event as it stands in the log, with the names of what its legs move.
pub(super) fn event_record(sequence: i64, entry: Bytes, views: &Views) -> Result<v1::EventRecord, Fault> {
    let missing = || Fault::new("reading the log", format!("no entry at {sequence}"));
    let (_, bytes) = split_entry(&entry).ok_or_else(missing)?;
    let event = <v1::Event as prost::Message>::decode(bytes);
    let event = event.map_err(|error| Fault::new("decoding an event", error))?;
    let is_genesis = sequence == 0;
    Ok(v1::EventRecord {
        sequence,
        entry_hash: hash_bytes(&EntryHash::of(&entry)),
        legs: event.legs.iter().map(|leg| named_leg(views, leg)).collect(),
        booked_at: Some(timestamp(crate::domain::time::UtcNanos(event.booked_at_ns))),
        business_date: (!is_genesis).then(|| convert::date(crate::domain::time::Day::from_days(event.business_day))),
        entry,
        event: Some(event),
    })
}

impl QueryApi {
    fn position(views: &Views) -> v1::ReadPosition {
        read_position(&views.position)
    }

    fn record(&self, sequence: i64, statuses: Statuses) -> Result<v1::EventRecord, Status> {
        let entry = entry_at(self.node.ledger().log().as_ref(), sequence).map_err(|fault| statuses.fault(&fault))?;
        let missing = || statuses.fault(&Fault::new("reading the log", format!("no entry at {sequence}")));
        let entry = Bytes::from(entry.ok_or_else(missing)?);
        event_record(sequence, entry, &self.node.views()).map_err(|fault| statuses.fault(&fault))
    }

    /// The payment with an id: its event and payee.
    fn payment(&self, payment_id: &PaymentId, statuses: Statuses) -> Result<(Sequence, PayeeRef), Status> {
        let candidates: Vec<i64> = self.node.views().lineage.payment_candidates(payment_id).collect();
        let log = self.node.ledger().log();
        for sequence in candidates {
            let event = event_at(log.as_ref(), sequence).map_err(|fault| statuses.fault(&fault))?;
            if let Payload::PaymentExecuted(payment) = event.decision.payload
                && payment.payment_id == *payment_id
            {
                return Ok((Sequence(sequence), payment.payee));
            }
        }
        Err(statuses.reason(Reason::PaymentNotFound, &[("payment", payment_id.to_string())]))
    }
}

pub(super) fn beyond(sequence: i64, head: i64) -> [(&'static str, String); 2] {
    [("sequence", sequence.to_string()), ("head_sequence", head.to_string())]
}

pub(super) fn read_position(head: &Head) -> v1::ReadPosition {
    v1::ReadPosition { sequence: head.sequence, entry_hash: hash_bytes(&head.hash) }
}

pub(super) fn event_at(log: &dyn LogRead, sequence: i64) -> Result<Event, Fault> {
    let entry = entry_at(log, sequence)?;
    let missing = || Fault::new("reading the log", format!("no event at {sequence}"));
    let entry = entry.ok_or_else(missing)?;
    let (_, bytes) = split_entry(&entry).ok_or_else(missing)?;
    codec::decode(bytes).map_err(|error| Fault::new("decoding an event", error))
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

fn balance(views: &Views, account: &AccountView, lot: Option<LotNumber>) -> v1::Balance {
    let fund = views.books.fund(account.fund);
    v1::Balance {
        account_id: account.account_id.to_string(),
        lot_id: lot.and_then(|lot| views.books.lot(lot)).map(|lot| lot.lot_id.to_string()).unwrap_or_default(),
        kind: account.kind.number(),
        fund_id: fund.map(|fund| fund.fund_id.to_string()).unwrap_or_default(),
        unit_id: account.unit_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        amount_minor: lot.map_or(account.balance_minor, |lot| account.lot_minor(lot)),
        currency_code: fund.map(|fund| fund.currency().code_str().to_owned()).unwrap_or_default(),
        currency_exponent: fund.map(|fund| i32::from(fund.currency_exponent)).unwrap_or_default(),
        debit_normal: account.kind.normal_side() == NormalSide::Debit,
    }
}

#[tonic::async_trait]
impl QueryService for QueryApi {
    type TraceStream = UntilStopped<ReceiverStream<Result<v1::TraceResponse, Status>>>;
    type SubscribeStream = Subscription;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.subscribe_request(request)
    }

    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Result<Response<v1::GetBalanceResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let request = request.into_inner();
        read_after(&self.node, request.min_sequence, statuses).await?;
        let views = self.node.views();
        let not_found = || statuses.reason(Reason::AccountNotFound, &[("account", shown(&request.account_id))]);
        let account = views.books.account_named(&request.account_id).and_then(|number| views.books.account(number));
        let account = account.ok_or_else(not_found)?;
        let lot = match request.lot_id.as_str() {
            "" => None,
            lot_id => {
                let known = views.books.lot_named(lot_id);
                Some(known.ok_or_else(|| statuses.reason(Reason::LotNotFound, &[("lot", shown(lot_id))]))?)
            }
        };
        if lot.is_some() && !account.kind.tracks_lots() {
            let facts = [("account", account.account_id.to_string()), ("kind", account.kind.as_str().to_owned())];
            return Err(statuses.reason(Reason::AccountKindNotAllowed, &facts));
        }
        let balance = balance(&views, account, lot);
        Ok(Response::new(v1::GetBalanceResponse { balance: Some(balance), position: Some(Self::position(&views)) }))
    }

    async fn list_balances(
        &self,
        request: Request<v1::ListBalancesRequest>,
    ) -> Result<Response<v1::ListBalancesResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let request = request.into_inner();
        read_after(&self.node, request.min_sequence, statuses).await?;
        let by_lot = request.by_lot || !request.lot_id.is_empty();
        let parameters: [&[u8]; 4] =
            [b"balances", request.fund_id.as_bytes(), request.lot_id.as_bytes(), &[u8::from(by_lot)]];
        let (size, start) = page_of(request.page_size, &request.page_token, &parameters, statuses)?;
        let views = self.node.views();
        let fund = named(&request.fund_id, |id| views.books.fund_named(id))
            .map_err(|id| statuses.reason(Reason::FundNotFound, &[("fund", id)]))?;
        let lot = named(&request.lot_id, |id| views.books.lot_named(id))
            .map_err(|id| statuses.reason(Reason::LotNotFound, &[("lot", id)]))?;
        let after = start.map_or((0, -1), |start| start.after);
        let mut rows = balance_rows(&views, fund, lot, by_lot).filter(|(key, _, _)| *key > after);
        let page: Vec<_> = rows.by_ref().take(size).collect();
        let has_more = rows.next().is_some();
        let as_of = views.position.sequence;
        let last = page.last().map(|(key, _, _)| *key).filter(|_| has_more);
        let next_page_token =
            last.map(|after| page::token(page::Position { as_of, after }, &parameters)).unwrap_or_default();
        let balances = page.into_iter().map(|(_, account, lot)| balance(&views, account, lot)).collect();
        Ok(Response::new(v1::ListBalancesResponse {
            balances,
            next_page_token,
            position: Some(Self::position(&views)),
        }))
    }

    async fn trace(&self, request: Request<v1::TraceRequest>) -> Result<Response<Self::TraceStream>, Status> {
        use v1::trace_request::Start;
        let statuses = Statuses::for_request(&request);
        let request = request.into_inner();
        read_after(&self.node, request.min_sequence, statuses).await?;
        let missing = || {
            let field = "start".to_owned();
            let description = "is missing: a trace starts from a lot, a payment or a payee".to_owned();
            statuses.violations(&[convert::Violation { field, reason: Reason::FieldInvalid, description }])
        };
        let invalid = |violations: Vec<convert::Violation>| statuses.violations(&violations);
        let (tree, fund, position) = match request.start.ok_or_else(missing)? {
            Start::LotId(lot_id) => {
                let views = self.node.views();
                let lot = views.books.lot_named(&lot_id);
                let lot = lot.ok_or_else(|| statuses.reason(Reason::LotNotFound, &[("lot", shown(&lot_id))]))?;
                let fund = views.books.lot(lot).map(|lot| lot.fund);
                (views.trace_lot(lot), fund, views.position)
            }
            Start::PaymentId(payment_id) => {
                let payment_id = convert::name("payment_id", PaymentId::parse(payment_id)).map_err(invalid)?;
                let (sequence, payee) = self.payment(&payment_id, statuses)?;
                let views = self.node.views();
                let fund = fund_of_payee(&views, payee, Some(sequence));
                (views.trace_payment(payee, sequence), fund, views.position)
            }
            Start::Payee(identity) => {
                let payee = convert::payee("payee", &identity, self.node.pseudonyms()).map_err(invalid)?;
                self.trace_of_payee(payee, statuses)?
            }
            Start::PayeePseudonym(pseudonym) => {
                let payee = <[u8; 16]>::try_from(pseudonym.as_ref()).map(PayeeRef).map_err(|_| {
                    let field = "payee_pseudonym".to_owned();
                    let description = "is not 16 bytes long".to_owned();
                    invalid(vec![convert::Violation { field, reason: Reason::FieldInvalid, description }])
                })?;
                self.trace_of_payee(payee, statuses)?
            }
        };
        let currency = fund.and_then(|fund| {
            let views = self.node.views();
            views.books.fund(fund).map(|fund| (fund.currency().code_str().to_owned(), fund.currency_exponent))
        });
        let (currency_code, currency_exponent) = currency.unwrap_or_default();
        let head = v1::TraceHead {
            position: Some(read_position(&position)),
            trace_class: v1::TraceClass::Strict.into(),
            node_count: i64::try_from(tree.nodes.len()).unwrap_or(i64::MAX),
            currency_code,
            currency_exponent: currency_exponent.into(),
        };
        let (sender, receiver) = mpsc::channel(4);
        let log = self.node.ledger().log();
        tokio::task::spawn_blocking(move || send_trace(log.as_ref(), &tree, head, statuses, &sender));
        Ok(Response::new(UntilStopped::new(ReceiverStream::new(receiver), self.stopping.clone(), statuses)))
    }

    async fn get_event(&self, request: Request<v1::GetEventRequest>) -> Result<Response<v1::GetEventResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let sequence = request.into_inner().sequence;
        let head = self.node.ledger().committed().sequence;
        if sequence < 0 {
            let field = "sequence".to_owned();
            let description = format!("is {sequence}; sequences start at 0");
            return Err(statuses.violations(&[convert::Violation {
                field,
                reason: Reason::FieldInvalid,
                description,
            }]));
        }
        if sequence > head {
            return Err(statuses.reason(Reason::SequenceBeyondHead, &beyond(sequence, head)));
        }
        let record = Some(self.record(sequence, statuses)?);
        Ok(Response::new(v1::GetEventResponse { record }))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let request = request.into_inner();
        read_after(&self.node, request.min_sequence, statuses).await?;
        let after_bytes = request.after_sequence.unwrap_or(-1).to_be_bytes();
        let parameters: [&[u8]; 4] = [b"events", &after_bytes, request.lot_id.as_bytes(), request.payee.as_bytes()];
        let (size, start) = page_of(request.page_size, &request.page_token, &parameters, statuses)?;
        let payee = match request.payee.as_str() {
            "" => None,
            identity => Some(
                convert::payee("payee", identity, self.node.pseudonyms())
                    .map_err(|violations| statuses.violations(&violations))?,
            ),
        };
        let views = self.node.views();
        let position = views.position;
        // Later pages answer as of the first one: what was appended since does not shift them.
        let as_of = start.map_or(position.sequence, |start| start.as_of.min(position.sequence));
        let after = start.map_or(request.after_sequence.unwrap_or(-1), |start| start.after.0);
        let lot = named(&request.lot_id, |id| views.books.lot_named(id))
            .map_err(|id| statuses.reason(Reason::LotNotFound, &[("lot", id)]))?;
        let sequences = event_sequences(&views, lot, payee, after, as_of, size.saturating_add(1))
            .ok_or_else(|| statuses.reason(Reason::PayeeNotFound, &[]))?;
        drop(views);
        let page = sequences.get(..size.min(sequences.len())).unwrap_or_default();
        let mut records = Vec::with_capacity(page.len());
        for sequence in page {
            records.push(self.record(*sequence, statuses)?);
        }
        let last = page.last().filter(|_| sequences.len() > size);
        let next_page_token =
            last.map(|last| page::token(page::Position { as_of, after: (*last, 0) }, &parameters)).unwrap_or_default();
        Ok(Response::new(v1::ListEventsResponse { records, next_page_token, position: Some(read_position(&position)) }))
    }
}

impl QueryApi {
    fn trace_of_payee(&self, payee: PayeeRef, statuses: Statuses) -> Result<(Tree, Option<FundNumber>, Head), Status> {
        let views = self.node.views();
        let tree = views.trace_payee(payee).ok_or_else(|| statuses.reason(Reason::PayeeNotFound, &[]))?;
        Ok((tree, fund_of_payee(&views, payee, None), views.position))
    }
}

/// The fund of a payee's movements (or of one payment's); `None` where there are several.
fn fund_of_payee(views: &Views, payee: PayeeRef, payment: Option<Sequence>) -> Option<FundNumber> {
    let movements = views.lineage.of_payee(payee)?;
    let of_payment = movements.filter(|(_, movement)| payment.is_none_or(|payment| movement.original == payment));
    let mut funds = of_payment.filter_map(|(lot, _)| views.books.lot(lot)).map(|lot| lot.fund);
    let first = funds.next()?;
    funds.all(|fund| fund == first).then_some(first)
}

/// What a caller sent, cut to what an answer may carry.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}

/// An optional name: nothing, a number, or the name that nobody knows.
pub(super) fn named<T>(id: &str, find: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, String> {
    if id.is_empty() { Ok(None) } else { find(id).map(Some).ok_or_else(|| shown(id)) }
}

pub(super) fn page_of(
    raw_size: i32,
    token: &str,
    parameters: &[&[u8]],
    statuses: Statuses,
) -> Result<(usize, Option<page::Position>), Status> {
    let size = page::size(raw_size).ok_or_else(|| {
        let field = "page_size".to_owned();
        let description = format!("is {raw_size}; it must not be negative");
        statuses.violations(&[convert::Violation { field, reason: Reason::FieldInvalid, description }])
    })?;
    if token.is_empty() {
        return Ok((size, None));
    }
    let position = page::position(token, parameters).ok_or_else(|| statuses.reason(Reason::PageTokenInvalid, &[]))?;
    Ok((size, Some(position)))
}

type BalanceRow<'a> = ((i64, i64), &'a AccountView, Option<LotNumber>);

/// Rows of a trial balance that are not zero, by account, then lot.
fn balance_rows(
    views: &Views,
    fund: Option<FundNumber>,
    lot: Option<LotNumber>,
    by_lot: bool,
) -> impl Iterator<Item = BalanceRow<'_>> {
    let accounts = views.books.accounts().filter(move |(_, account)| fund.is_none_or(|fund| account.fund == fund));
    accounts.flat_map(move |(number, account)| {
        let splits = by_lot && account.kind.tracks_lots();
        let whole = (!splits && lot.is_none() && account.balance_minor != 0).then_some((
            (i64::from(number.0), 0),
            account,
            None,
        ));
        let lots = if splits { account.lots.as_slice() } else { &[] };
        let parts = lots
            .iter()
            .filter(move |(of_lot, balance)| *balance != 0 && lot.is_none_or(|lot| *of_lot == lot))
            .map(move |(of_lot, _)| ((i64::from(number.0), i64::from(of_lot.0)), account, Some(*of_lot)));
        whole.into_iter().chain(parts)
    })
}

/// Sequences after one and up to another, filtered; at most `limit`. `None` for a payee never paid.
fn event_sequences(
    views: &Views,
    lot: Option<LotNumber>,
    payee: Option<PayeeRef>,
    after: i64,
    as_of: i64,
    limit: usize,
) -> Option<Vec<i64>> {
    let within = |sequence: &i64| *sequence > after && *sequence <= as_of;
    let Some(payee) = payee else {
        return Some(match lot {
            None => (after.saturating_add(1).max(0)..=as_of).take(limit).collect(),
            Some(lot) => {
                let events = views.lineage.events_of_lot(lot);
                let start = events.partition_point(|sequence| sequence.0 <= after);
                let rest = events.get(start..).unwrap_or_default();
                rest.iter().map(|sequence| sequence.0).filter(within).take(limit).collect()
            }
        });
    };
    let movements = views.lineage.of_payee(payee)?;
    let of_lot = movements.filter(|(of_lot, _)| lot.is_none_or(|lot| *of_lot == lot));
    let mut sequences: Vec<i64> = of_lot.map(|(_, movement)| movement.sequence.0).filter(within).collect();
    sequences.dedup();
    sequences.truncate(limit);
    Some(sequences)
}

/// Sends a trace, reading for each event it rests on who made and approved it.
fn send_trace(
    log: &dyn LogRead,
    tree: &Tree,
    head: v1::TraceHead,
    statuses: Statuses,
    to: &mpsc::Sender<Result<v1::TraceResponse, Status>>,
) {
    use v1::trace_response::Part;
    let send = |part: Part| to.blocking_send(Ok(v1::TraceResponse { part: Some(part) })).is_ok();
    if !send(Part::Head(head)) {
        return;
    }
    let mut number = 0_i64;
    for nodes in tree.nodes.chunks(NODES_A_MESSAGE) {
        let mut part = Vec::with_capacity(nodes.len());
        for node in nodes {
            number = number.saturating_add(1);
            match wire_node(log, node, number) {
                Ok(node) => part.push(node),
                Err(fault) => {
                    // Nobody left to tell is no fault.
                    drop(to.blocking_send(Err(statuses.fault(&fault))));
                    return;
                }
            }
        }
        if !send(Part::Nodes(v1::TraceNodes { nodes: part })) {
            return;
        }
    }
}

fn wire_node(log: &dyn LogRead, node: &TraceNode, number: i64) -> Result<v1::TraceNode, Fault> {
    use v1::TraceNodeKind as Wire;
    let parent = node.parent.and_then(|parent| i64::try_from(parent).ok()).map_or(0, |parent| parent.saturating_add(1));
    let event = match (&node.kind, node.sequence) {
        (NodeKind::Movement(_) | NodeKind::Lot(_) | NodeKind::Document(_), Some(sequence)) => {
            Some(event_at(log, sequence.0)?)
        }
        _ => None,
    };
    let (kind, label, account_kind): (Wire, String, Option<AccountKind>) = match &node.kind {
        NodeKind::Lot(lot_id) => (Wire::Lot, lot_id.to_string(), None),
        NodeKind::Unit(unit_id) => (Wire::Unit, unit_id.clone(), None),
        NodeKind::Account { account_id, kind } => (Wire::Account, account_id.clone(), Some(*kind)),
        NodeKind::Payee(payee) => (Wire::Payee, payee.to_string(), None),
        NodeKind::Movement(kind) => {
            let wire = match kind {
                MovementKind::Paid => Wire::Payment,
                MovementKind::Returned => Wire::Return,
                MovementKind::Reversed => Wire::Reversal,
            };
            (wire, payment_label(event.as_ref()), None)
        }
        NodeKind::Opening => (Wire::Opening, String::new(), None),
        NodeKind::Document(document) => (Wire::Document, document.clone(), None),
        NodeKind::Unresolved(lot_id) => (Wire::Unresolved, lot_id.to_string(), None),
    };
    let envelope = event.as_ref().and_then(|event| event.envelope.as_ref());
    Ok(v1::TraceNode {
        node_number: number,
        parent_number: parent,
        kind: kind.into(),
        label,
        amount_minor: node.amount_minor,
        sequence: node.sequence.map_or(0, |sequence| sequence.0),
        business_date: envelope.map(|envelope| convert::date(envelope.business_date)),
        account_kind: account_kind.map_or(0, AccountKind::number),
        maker: envelope.map(|envelope| envelope.actor.to_string()).unwrap_or_default(),
        checkers: envelope
            .map(|envelope| envelope.approvals.actors().map(ToString::to_string).collect())
            .unwrap_or_default(),
    })
}

fn payment_label(event: Option<&Event>) -> String {
    match event.map(|event| &event.decision.payload) {
        Some(Payload::PaymentExecuted(payment)) => payment.payment_id.to_string(),
        Some(Payload::PaymentReturned { payment_id, .. } | Payload::Reversed { payment_id: Some(payment_id), .. }) => {
            payment_id.to_string()
        }
        _ => String::new(),
    }
}
