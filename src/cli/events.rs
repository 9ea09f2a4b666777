//! `events`: what is on record, event by event, filtered by what it is about.

use std::io::Write;

use clap::Args;
use prost::Message;
use prost::bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::render::{self, hex};
use super::{Failure, Format, Globals};
use crate::messages::cli as text;
use crate::pb::DESCRIPTORS;
use crate::pb::v1::{EventRecord, ListEventsRequest};

const EVENT: &str = "fundledger.v1.Event";
const PAGE_ROWS: usize = 1_000;

/// Arguments of `events`.
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// The first sequence wanted; the genesis if not given.
    #[arg(long, value_name = "SEQUENCE")]
    pub from: Option<i64>,
    /// Most events wanted.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub limit: usize,
    /// Only events that moved this account.
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// Only events that moved this lot.
    #[arg(long, value_name = "ID")]
    pub lot: Option<String>,
    /// Only events about this person, as named in posting.
    #[arg(long, value_name = "NAME")]
    pub payee: Option<String>,
    /// Only events about this person, by the pseudonym in the log, 32 hexadecimal digits.
    #[arg(long, value_name = "HEX", conflicts_with = "payee")]
    pub payee_pseudonym: Option<String>,
    /// Only events of this project.
    #[arg(long, value_name = "ID")]
    pub project: Option<String>,
    /// Only events that rest on this document.
    #[arg(long, value_name = "NUMBER")]
    pub document: Option<String>,
    /// Only events of this contract.
    #[arg(long, value_name = "ID")]
    pub contract: Option<String>,
    /// Only events of this finding, matter or publication, evaluations of this subject, or freezes of this case.
    #[arg(long, value_name = "ID")]
    pub case: Option<String>,
    /// Only what was noticed, collected, split and refunded under this notice.
    #[arg(long, value_name = "ID")]
    pub notice: Option<String>,
    /// Only what was lent and repaid under this housing loan.
    #[arg(long, value_name = "ID")]
    pub loan: Option<String>,
    /// Only payouts of this batch, their returns and reversals.
    #[arg(long, value_name = "ID")]
    pub batch: Option<String>,
    /// Only the event that rests on this entry of the bank's.
    #[arg(long, value_name = "REFERENCE")]
    pub bank_reference: Option<String>,
}

/// Reads events by the descriptors that the server shows to everybody.
struct Shown {
    descriptor: MessageDescriptor,
}

impl Shown {
    fn new() -> Result<Self, Failure> {
        let pool = DescriptorPool::decode(DESCRIPTORS).map_err(|error| Failure::about(EVENT, error))?;
        let descriptor = pool.get_message_by_name(EVENT).ok_or_else(|| Failure::about(EVENT, "-"))?;
        Ok(Self { descriptor })
    }

    /// An event as JSON, every field under its name in the API, with the name of its payload.
    fn event(&self, record: &EventRecord) -> Result<(String, Value), Failure> {
        let bytes = record.event.clone().unwrap_or_default().encode_to_vec();
        let message = DynamicMessage::decode(self.descriptor.clone(), bytes.as_slice());
        let message = message.map_err(|error| Failure::about(EVENT, error))?;
        let payload = self.descriptor.oneofs().next().and_then(|payload| {
            payload.fields().find(|field| message.has_field(field)).map(|field| field.name().to_owned())
        });
        let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        let shown = message.serialize_with_options(serde_json::value::Serializer, &options);
        Ok((payload.unwrap_or_default(), shown.map_err(|error| Failure::about(EVENT, error))?))
    }
}

/// Runs `events`.
pub fn run(globals: &Globals, args: &EventsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let request = request(globals, args)?;
    let (records, is_cut) = connect::with(globals, async |connection| list(connection, request, args.limit).await)?;
    if is_cut && !globals.quiet {
        writeln!(std::io::stderr().lock(), "{}", text::events_cut(globals.lang, args.limit))?;
    }
    let shown = Shown::new()?;
    if format == Format::Json {
        for record in &records {
            let (payload, event) = shown.event(record)?;
            let line = json!({
                "sequence": record.sequence,
                "entry_hash": hex(&record.entry_hash),
                "payload": payload,
                "event": event,
            });
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    let mut rows = Vec::with_capacity(records.len());
    for record in &records {
        let (payload, _) = shown.event(record)?;
        let event = record.event.clone().unwrap_or_default();
        let checkers: Vec<String> = event.approvals.into_iter().map(|approval| approval.actor).collect();
        rows.push(vec![
            record.sequence.to_string(),
            render::date(record.business_date.as_ref()),
            payload,
            event.actor,
            checkers.join(" "),
            event.request_id,
        ]);
    }
    if format == Format::Csv {
        return render::csv(out, &["sequence", "business_date", "payload", "actor", "checkers", "request_id"], &rows);
    }
    let lang = globals.lang;
    let header = [
        text::events_sequence(lang),
        text::events_date(lang),
        text::events_payload(lang),
        text::events_actor(lang),
        text::events_checkers(lang),
        text::events_request(lang),
    ];
    writeln!(out, "{}", render::table(&header, &rows, &[0])).map_err(Failure::from)
}

fn request(globals: &Globals, args: &EventsArgs) -> Result<ListEventsRequest, Failure> {
    let text_of = |text: &Option<String>| text.clone().unwrap_or_default();
    let payee_pseudonym = match &args.payee_pseudonym {
        None => Bytes::new(),
        Some(digits) => render::bytes::<16>(digits)
            .map(|pseudonym| Bytes::copy_from_slice(&pseudonym))
            .ok_or_else(|| Failure::Usage(text::events_pseudonym(globals.lang)))?,
    };
    Ok(ListEventsRequest {
        after_sequence: args.from.map(|from| from.saturating_sub(1)),
        account_id: text_of(&args.account),
        lot_id: text_of(&args.lot),
        payee: text_of(&args.payee),
        payee_pseudonym,
        project_id: text_of(&args.project),
        document_number: text_of(&args.document),
        contract_id: text_of(&args.contract),
        case_id: text_of(&args.case),
        notice_id: text_of(&args.notice),
        loan_id: text_of(&args.loan),
        batch_id: text_of(&args.batch),
        bank_reference: text_of(&args.bank_reference),
        ..ListEventsRequest::default()
    })
}

async fn list(
    connection: &Connection,
    request: ListEventsRequest,
    limit: usize,
) -> Result<(Vec<EventRecord>, bool), Failure> {
    let mut records = Vec::new();
    let mut page_token = String::new();
    while records.len() < limit {
        let wanted = limit.saturating_sub(records.len()).min(PAGE_ROWS);
        let page_size = i32::try_from(wanted).unwrap_or(i32::MAX);
        let page = ListEventsRequest { page_size, page_token, ..request.clone() };
        let answer = connection.query().list_events(connection.request(page)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        records.extend(answer.records);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok((records, !page_token.is_empty()))
}
