//! `Trace`, streamed.

use tokio::sync::mpsc;
use tonic::Status;

use super::convert::{self, Violation};
use super::reading::{Reading, shown};
use crate::domain::account::AccountKind;
use crate::domain::ids::{PayeeRef, PaymentId};
use crate::domain::refusal::Reason;
use crate::pb::v1;
use crate::pb::v1::trace_request::Start;
use crate::projection::events::Events;
use crate::projection::trace::{self, MovementKind, Node, NodeKind, TraceClass, Tree};

/// Nodes of one message of a trace.
const NODES_A_MESSAGE: usize = 1_000;

/// Where a trace starts, with its names checked.
enum Origin {
    Lot(String),
    Payment(PaymentId),
    Payee(PayeeRef),
}

/// Computes a trace; gives its head and nodes.
pub(super) async fn trace(reading: Reading, request: v1::TraceRequest) -> Result<(v1::TraceHead, Tree), Status> {
    let start = request.start.ok_or_else(|| {
        let description = "is missing: a trace starts from a lot, a payment or a payee".to_owned();
        reading.violation("start", Reason::FieldInvalid, description)
    })?;
    let invalid = |violations: Vec<Violation>| reading.statuses.violations(&violations);
    let from = match start {
        Start::LotId(lot_id) => Origin::Lot(lot_id),
        Start::PaymentId(id) => Origin::Payment(convert::name("payment_id", PaymentId::parse(id)).map_err(invalid)?),
        Start::Payee(identity) => {
            Origin::Payee(convert::payee("payee", &identity, reading.node.pseudonyms()).map_err(invalid)?)
        }
        Start::PayeePseudonym(pseudonym) => Origin::Payee(pseudonym_of(&reading, &pseudonym)?),
    };
    let as_of = reading.wait(request.min_sequence, request.as_of_sequence).await?;
    reading.blocking(move |reading| compute(reading, from, as_of)).await
}

/// A payee by pseudonym.
pub(super) fn pseudonym_of(reading: &Reading, pseudonym: &[u8]) -> Result<PayeeRef, Status> {
    <[u8; 16]>::try_from(pseudonym)
        .map(PayeeRef)
        .map_err(|_| reading.violation("payee_pseudonym", Reason::FieldInvalid, "is not 16 bytes long".to_owned()))
}

fn compute(reading: &Reading, from: Origin, as_of: Option<i64>) -> Result<(v1::TraceHead, Tree), Status> {
    let fault = |fault| reading.fault(&fault);
    let log = reading.node.log();
    let mut events = Events::new(log.as_ref());
    let views = reading.node.views();
    let as_of = as_of.unwrap_or(views.position.sequence);
    let tree = match from {
        Origin::Lot(lot_id) => {
            let lot = reading.lot(&views, &lot_id, as_of)?.and_then(|lot| views.lot_start(lot));
            let start = lot.ok_or_else(|| reading.statuses.reason(Reason::LotNotFound, &[("lot", shown(&lot_id))]))?;
            drop(views);
            trace::of_lot(start, &reading.history()?, &mut events, as_of).map_err(fault)?
        }
        Origin::Payment(payment_id) => {
            drop(views);
            let moved = trace::moved_by_payment(&payment_id, &reading.history()?, &mut events, as_of).map_err(fault)?;
            if moved.is_empty() {
                return Err(reading.statuses.reason(Reason::PaymentNotFound, &[("payment", payment_id.to_string())]));
            }
            let origins = reading.node.views().origins(&moved, as_of);
            let history = reading.history()?;
            trace::backwards(None, &moved, &origins, &history, &mut events, as_of).map_err(fault)?
        }
        Origin::Payee(payee) => {
            drop(views);
            let moved = trace::moved_to_payee(payee, &reading.history()?, &mut events, as_of).map_err(fault)?;
            if moved.is_empty() {
                return Err(reading.statuses.reason(Reason::PayeeNotFound, &[]));
            }
            let origins = reading.node.views().origins(&moved, as_of);
            let history = reading.history()?;
            trace::backwards(Some(payee), &moved, &origins, &history, &mut events, as_of).map_err(fault)?
        }
    };
    let views = reading.node.views();
    let fund = tree.fund.and_then(|fund| views.books.fund(fund));
    let currency_code = fund.map(|fund| fund.definition.currency.code_str().to_owned()).unwrap_or_default();
    let currency_exponent = fund.map(|fund| i32::from(fund.definition.currency.exponent)).unwrap_or_default();
    drop(views);
    let head = v1::TraceHead {
        position: Some(reading.position(&mut events, as_of)?),
        trace_class: wire_class(tree.classes().into_iter().max().unwrap_or(TraceClass::Strict)).into(),
        node_count: i64::try_from(tree.nodes.len()).unwrap_or(i64::MAX),
        currency_code,
        currency_exponent,
    };
    Ok((head, tree))
}

/// Sends a trace: the head, then nodes.
pub(super) async fn send(head: v1::TraceHead, tree: Tree, to: mpsc::Sender<Result<v1::TraceResponse, Status>>) {
    use v1::trace_response::Part;
    let message = |part: Part| Ok(v1::TraceResponse { part: Some(part) });
    // Nobody left to tell is no fault.
    if to.send(message(Part::Head(head))).await.is_err() {
        return;
    }
    let mut number = 0_i64;
    let mut classes = tree.classes().into_iter();
    for nodes in tree.nodes.chunks(NODES_A_MESSAGE) {
        let nodes = nodes.iter().zip(classes.by_ref()).map(|(node, class)| {
            number = number.saturating_add(1);
            wire_node(node, number, class)
        });
        if to.send(message(Part::Nodes(v1::TraceNodes { nodes: nodes.collect() }))).await.is_err() {
            return;
        }
    }
}

const fn wire_class(class: TraceClass) -> v1::TraceClass {
    match class {
        TraceClass::Strict => v1::TraceClass::Strict,
        TraceClass::Individual => v1::TraceClass::Individual,
        TraceClass::Pooled => v1::TraceClass::Pooled,
    }
}

fn wire_node(node: &Node, number: i64, class: TraceClass) -> v1::TraceNode {
    use v1::TraceNodeKind as Wire;
    let parent = node.parent.and_then(|parent| i64::try_from(parent).ok()).map_or(0, |parent| parent.saturating_add(1));
    let note = node.event.as_ref().map(|(_, note)| note);
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
            let payment_id = note.and_then(|note| note.payment_id.as_ref());
            (wire, payment_id.map(ToString::to_string).unwrap_or_default(), None)
        }
        NodeKind::Opening => (Wire::Opening, String::new(), None),
        NodeKind::Document(document) => (Wire::Document, document.clone(), None),
        NodeKind::Unresolved(lot_id) => (Wire::Unresolved, lot_id.to_string(), None),
        NodeKind::PoolOpening => (Wire::PoolOpening, String::new(), None),
        NodeKind::PoolInflow(source) => (Wire::PoolInflow, source.as_str().to_owned(), None),
    };
    v1::TraceNode {
        node_number: number,
        parent_number: parent,
        kind: kind.into(),
        label,
        amount_minor: node.amount_minor,
        sequence: node.event.as_ref().map_or(0, |(sequence, _)| sequence.0),
        business_date: note.and_then(|note| note.business_date).map(convert::date),
        account_kind: account_kind.map_or(0, AccountKind::number),
        maker: note.map(|note| note.maker.clone()).unwrap_or_default(),
        checkers: note.map(|note| note.checkers.clone()).unwrap_or_default(),
        trace_class: wire_class(class).into(),
        keys: note
            .map(|note| note.keys.iter().filter_map(|key| i32::try_from(*key).ok()).collect())
            .unwrap_or_default(),
        policy_version: note.and_then(|note| i32::try_from(note.policy_version).ok()).unwrap_or_default(),
    }
}
