//! `personal-data`: opening a piece of personal data to an auditor, which goes on record, and listing which there are.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use prost::bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::evidence::{PrivateCopy, Served};
use super::render::{self, hex};
use super::{Failure, Format, Globals, Lang, is_url};
use crate::audit::{Depth, Evidence, Opened, Opening, Options, Verdict, check_opening, read_bundle};
use crate::grpc::convert;
use crate::ledger::clock::{Clock as _, SystemClock};
use crate::messages::cli as text;
use crate::pb::v1::command::Payload;
use crate::pb::v1::{
    Command, ListPersonalDataRequest, OpenPersonalData, OpenPersonalDataRequest, OpenPersonalDataResponse,
    PersonalDataEntry, PersonalDataState, PersonalField,
};

const PAGE_ROWS: i32 = 1_000;

/// Arguments of `personal-data`.
#[derive(Args, Clone, Debug)]
pub struct PersonalDataArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with personal data. They are restricted, released and erased by commands: see `post` and `propose`.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Open one piece to an auditor: that it was opened is on record before the value is shown.
    Open(OpenArgs),
    /// Check an opened piece against a log, alone: a running ledger, a stopped ledger's directory, or a bundle.
    Check(CheckArgs),
    /// List which pieces there are about a person or of an event, and how they stand; no values.
    List(ListArgs),
}

/// Arguments of `personal-data open`.
#[derive(Args, Clone, Debug)]
pub struct OpenArgs {
    /// The event that carries the commitment.
    #[arg(value_name = "SEQUENCE")]
    pub sequence: i64,
    /// The person, as the posting system names them.
    #[arg(long, value_name = "IDENTITY", required_unless_present = "person_pseudonym")]
    pub person: Option<String>,
    /// The person's pseudonym in the event instead, 32 hexadecimal digits: of who complains there is no other way.
    #[arg(long, value_name = "HEX", conflicts_with = "person")]
    pub person_pseudonym: Option<String>,
    /// What to open.
    #[arg(long, value_enum)]
    pub field: Field,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub legal_basis: String,
    /// The auditor.
    #[arg(long, value_name = "NAME")]
    pub auditor: String,
    /// Idempotency key: the same one opens the same piece again on the same day, without a second event.
    #[arg(long, value_name = "KEY")]
    pub id: String,
}

/// Arguments of `personal-data check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// What `personal-data open --format json` printed.
    #[arg(value_name = "OPENING.json")]
    pub opening: PathBuf,
    /// Directory of a stopped ledger, bundle file, or address of a running server.
    #[arg(value_name = "DIR|BUNDLE|URL")]
    pub source: String,
}

/// An opened piece, as a file.
#[derive(Debug, Deserialize)]
struct OpeningFile {
    sequence: i64,
    request_id: String,
    person_pseudonym: String,
    field: String,
    value: String,
    nonce: String,
}

/// Arguments of `personal-data list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// About this person, as the posting system names them.
    #[arg(long, value_name = "IDENTITY", required_unless_present = "event", conflicts_with = "event")]
    pub person: Option<String>,
    /// Of this event.
    #[arg(long, value_name = "SEQUENCE")]
    pub event: Option<i64>,
}

/// What a piece of personal data says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Field {
    /// Name.
    Name,
    /// Identity document's number.
    IdentityNumber,
    /// Bank account.
    BankAccount,
    /// Address.
    Address,
    /// Telephone number.
    Telephone,
}

impl Field {
    const fn wire(self) -> PersonalField {
        match self {
            Self::Name => PersonalField::Name,
            Self::IdentityNumber => PersonalField::IdentityNumber,
            Self::BankAccount => PersonalField::BankAccount,
            Self::Address => PersonalField::Address,
            Self::Telephone => PersonalField::Telephone,
        }
    }
}

/// Runs `personal-data`.
pub fn run(globals: &Globals, args: &PersonalDataArgs, out: &mut dyn Write) -> Result<(), Failure> {
    match &args.action {
        Action::Open(args) => open(globals, args, out),
        Action::Check(args) => check(globals, args, out),
        Action::List(args) => list(globals, args, out),
    }
}

fn open(globals: &Globals, args: &OpenArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json])?;
    let pseudonym = match args.person_pseudonym.as_deref().map(render::bytes::<16>) {
        None => Bytes::new(),
        Some(Some(pseudonym)) => Bytes::copy_from_slice(&pseudonym),
        Some(None) => return Err(Failure::Usage(text::personal_bad_pseudonym(globals.lang))),
    };
    let order = OpenPersonalData {
        sequence: args.sequence,
        person: args.person.clone().unwrap_or_default(),
        person_pseudonym: pseudonym,
        field: args.field.wire().into(),
        legal_basis: args.legal_basis.clone(),
    };
    let command = Command {
        request_id: args.id.clone(),
        business_date: Some(convert::date(SystemClock.now().shanghai_date())),
        actor: args.auditor.clone(),
        payload: Some(Payload::OpenPersonalData(Box::new(order))),
        ..Command::default()
    };
    let request = OpenPersonalDataRequest { command: Some(command) };
    let opened = connect::with(globals, async |connection| {
        let answer = connection.personal_data().open_personal_data(connection.request(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| connection.failure(&status))
    })?;
    let receipt = opened.receipt.as_ref().map_or(0, |receipt| receipt.sequence);
    if format == Format::Json {
        return render::json(out, &opening(&opened));
    }
    let lang = globals.lang;
    writeln!(out, "{}", opened.value)?;
    writeln!(out, "{}", text::personal_opened(lang, receipt, &opened.request_id, opened.sequence))?;
    writeln!(out, "{}", text::personal_nonce(lang, hex(&opened.nonce)))?;
    writeln!(out, "{}", text::personal_commitment(lang, hex(&opened.commitment)))?;
    Ok(())
}

/// What opens a commitment, for programs.
fn opening(opened: &OpenPersonalDataResponse) -> Value {
    json!({
        "opened_by_sequence": opened.receipt.as_ref().map(|receipt| receipt.sequence),
        "sequence": opened.sequence,
        "request_id": opened.request_id,
        "person_pseudonym": hex(&opened.person_pseudonym),
        "field": field_code(opened.field()),
        "value": opened.value,
        "nonce": hex(&opened.nonce),
        "commitment": hex(&opened.commitment),
    })
}

fn check(globals: &Globals, args: &CheckArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = globals.lang;
    let opening = read_opening(&args.opening, lang)?;
    let options = |claimed_head| Options { depth: Depth::Chain, claimed_head, ..Options::default() };
    let path = Path::new(&args.source);
    let (opened, report) = if is_url(&args.source) {
        let served = Served::start(globals, &args.source, 0)?;
        let options = options(Some(served.claimed_head));
        check_opening(Evidence::Entries(Box::new(served.entries())), &options, &opening)
    } else if path.is_file() {
        let bundle = read_bundle(path).map_err(|error| Failure::Unavailable(error.to_string()))?;
        check_opening(Evidence::Bundle(Box::new(bundle)), &options(None), &opening)
    } else {
        let copy = PrivateCopy::take(path)?;
        check_opening(Evidence::Blocks(Box::new(copy.values())), &options(None), &opening)
    };
    match report.verdict {
        Verdict::Verified => {}
        Verdict::Broken => return Err(Failure::Refused(text::verify_broken(lang))),
        Verdict::Incomplete => return Err(Failure::Unavailable(text::verify_incomplete(lang))),
    }
    let head = report.head.map_or_else(String::new, |head| hex(&head.hash));
    match opened {
        Opened::Matches => Ok(writeln!(out, "{}", text::personal_matches(lang, head, opening.sequence))?),
        Opened::Differs => Err(Failure::Refused(text::personal_differs(lang, opening.sequence))),
        Opened::NotThere => Err(Failure::Refused(text::personal_not_there(lang, opening.sequence))),
    }
}

fn read_opening(path: &Path, lang: Lang) -> Result<Opening, Failure> {
    let bad = |why: String| Failure::Usage(text::personal_bad_file(lang, path.display(), why));
    let file = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let file: OpeningFile = serde_json::from_str(&file).map_err(|error| bad(error.to_string()))?;
    let party = render::bytes::<16>(&file.person_pseudonym).ok_or_else(|| bad("person_pseudonym".to_owned()))?;
    let nonce = render::bytes::<32>(&file.nonce).ok_or_else(|| bad("nonce".to_owned()))?;
    let field = PersonalField::from_str_name(&format!("PERSONAL_FIELD_{}", file.field));
    let field = field.ok_or_else(|| bad("field".to_owned()))?.into();
    let OpeningFile { sequence, request_id, value, .. } = file;
    Ok(Opening { sequence, request_id, party, field, value, nonce })
}

fn list(globals: &Globals, args: &ListArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let entries = connect::with(globals, async |connection| all(connection, args).await)?;
    let lang = globals.lang;
    let titles = [
        text::personal_sequence(lang),
        text::personal_person(lang),
        text::personal_field(lang),
        text::personal_state(lang),
        text::personal_committed(lang),
    ];
    let listing = render::Listing {
        name: "personal_data",
        columns: &["sequence", "person_pseudonym", "field", "state", "commitment"],
        titles: &titles,
        right_aligned: &[0],
    };
    listing.write((format, lang), out, &entries, row, to_json)
}

async fn all(connection: &Connection, args: &ListArgs) -> Result<Vec<PersonalDataEntry>, Failure> {
    connect::all_pages(async |page_token| {
        let request = ListPersonalDataRequest {
            person: args.person.clone().unwrap_or_default(),
            sequence: args.event,
            page_size: PAGE_ROWS,
            page_token,
            ..ListPersonalDataRequest::default()
        };
        let answer = connection.personal_data().list_personal_data(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.entries, answer.next_page_token))
    })
    .await
}

fn field_code(field: PersonalField) -> &'static str {
    field.as_str_name().trim_start_matches("PERSONAL_FIELD_")
}

fn state_code(state: PersonalDataState) -> &'static str {
    state.as_str_name().trim_start_matches("PERSONAL_DATA_STATE_")
}

fn field(field: PersonalField, lang: Lang) -> String {
    match field {
        PersonalField::Unspecified => "?".to_owned(),
        PersonalField::Name => text::personal_name(lang),
        PersonalField::IdentityNumber => text::personal_identity_number(lang),
        PersonalField::BankAccount => text::personal_bank_account(lang),
        PersonalField::Address => text::personal_address(lang),
        PersonalField::Telephone => text::personal_telephone(lang),
    }
}

fn state(state: PersonalDataState, lang: Lang) -> String {
    match state {
        PersonalDataState::Unspecified => "?".to_owned(),
        PersonalDataState::Present => text::personal_present(lang),
        PersonalDataState::Restricted => text::personal_restricted(lang),
        PersonalDataState::Erased => text::personal_erased(lang),
    }
}

/// A row; in a language for people, else for programs.
fn row(entry: &PersonalDataEntry, lang: Option<Lang>) -> Vec<String> {
    vec![
        entry.sequence.to_string(),
        hex(&entry.person_pseudonym),
        lang.map_or_else(|| field_code(entry.field()).to_owned(), |lang| field(entry.field(), lang)),
        lang.map_or_else(|| state_code(entry.state()).to_owned(), |lang| state(entry.state(), lang)),
        hex(&entry.commitment),
    ]
}

fn to_json(entry: &PersonalDataEntry) -> Value {
    json!({
        "sequence": entry.sequence,
        "person_pseudonym": hex(&entry.person_pseudonym),
        "field": field_code(entry.field()),
        "state": state_code(entry.state()),
        "commitment": hex(&entry.commitment),
    })
}
