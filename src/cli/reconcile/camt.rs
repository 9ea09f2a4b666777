//! ISO 20022 camt.053 (bank to customer statement), versions 02 and later: by the local names of its elements, which have
//! stayed the same, whatever the namespace and its prefix.
//!
//! The parser knows no external entities; a document type definition is refused, depth and length are bounded.

use std::io::Read;

use jiff::civil::Date;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::source::{Source, fault_of};
use super::statement::{Detail, Entry, Fault, Pending, Raw, read_decimal, read_iso_date};

/// Elements within elements; a statement has about a dozen.
const DEPTH_MAX: usize = 64;
const ROOT: &str = "/Document/BkToCstmrStmt";
/// What banks write where the payer gave no end-to-end reference.
const NOT_PROVIDED: &str = "NOTPROVIDED";
/// Statements of a file that an error lists.
const LISTED_MAX: usize = 10;

/// Which statement of a file is meant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choice<'a> {
    /// The statement's own id.
    pub(super) statement_id: Option<&'a str>,
    /// The bank's number of the account: IBAN or other.
    pub(super) bank_account: Option<&'a str>,
    /// Currency of the account.
    pub(super) currency: &'a str,
    /// Its decimal places.
    pub(super) exponent: u32,
}

/// Reads the one statement that is meant.
pub(super) fn read<R: Read>(source: Source<R>, choice: &Choice<'_>) -> Result<Raw, Fault> {
    let mut reader = Reader::from_reader(source);
    reader.config_mut().expand_empty_elements = true;
    let mut parser =
        Parser { choice: *choice, path: String::new(), depth: 0, value: String::new(), ..Parser::default() };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        let (line, column) = reader.get_ref().place();
        let here = |fault: Fault| {
            if matches!(fault, Fault::At { .. }) {
                return fault;
            }
            Fault::At { line, column: Some(column), fault: Box::new(fault) }
        };
        let done = match event {
            Ok(Event::Eof) => {
                return parser.finish().map_err(|fault| if parser_ended(&fault) { fault } else { here(fault) });
            }
            Ok(Event::DocType(_)) => Err(Fault::DocumentType),
            Ok(Event::Start(start)) => parser.start(&start),
            Ok(Event::End(_)) => {
                parser.end((line, column));
                Ok(())
            }
            Ok(Event::Text(text)) => parser.text(&text),
            Ok(Event::CData(text)) => parser.text(&text),
            Ok(Event::GeneralRef(reference)) => match reference.resolve_char_ref() {
                Ok(Some(character)) => parser.text(character.encode_utf8(&mut [0; 4])),
                Ok(None) => {
                    let name: &str = &reference;
                    match quick_xml::escape::resolve_xml_entity(name) {
                        Some(text) => parser.text(text),
                        None => Err(Fault::Xml { cause: format!("&{};", name.chars().take(64).collect::<String>()) }),
                    }
                }
                Err(error) => Err(xml(&error)),
            },
            Ok(Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_)) => Ok(()),
            Err(quick_xml::Error::Io(error)) => Err(fault_of(&error)),
            Err(error) => Err(xml(&error)),
        };
        done.map_err(here)?;
        reader.get_mut().next_piece();
    }
}

fn xml(error: &impl ToString) -> Fault {
    Fault::Xml { cause: error.to_string() }
}

/// Faults that are of the file as a whole have no place in it.
fn parser_ended(fault: &Fault) -> bool {
    matches!(fault, Fault::StatementMissing { .. } | Fault::SeveralStatements { .. })
}

#[derive(Default)]
struct Parser<'a> {
    choice: Choice<'a>,
    /// Names of the open elements, each after a slash.
    path: String,
    depth: usize,
    /// Text of the innermost element.
    value: String,
    /// `Ccy` of the last amount that began.
    amount_currency: String,
    statement: Draft,
    balance: BalanceDraft,
    entry: EntryDraft,
    detail: DetailDraft,
    chosen: Option<Result<Raw, Fault>>,
    /// What each statement of the file is called.
    seen: Vec<String>,
    matching: usize,
    is_camt: bool,
}

#[derive(Default)]
struct Draft {
    raw: Raw,
    currency: String,
    closing_date: Option<Date>,
    first: Option<Date>,
    last: Option<Date>,
    last_is_midnight: bool,
    /// The entries are of a statement that is not meant.
    is_passed_over: bool,
    /// The first thing wrong with it.
    fault: Option<Fault>,
}

#[derive(Default)]
struct BalanceDraft {
    code: String,
    amount_minor: Option<i64>,
    currency: String,
    side: Option<Side>,
    date: Option<Date>,
}

#[derive(Default)]
struct EntryDraft {
    amount_minor: Option<i64>,
    currency: String,
    side: Option<Side>,
    status: String,
    date: Option<Date>,
    servicer_reference: String,
    entry_reference: String,
    details: Vec<DetailDraft>,
}

#[derive(Clone, Default)]
struct DetailDraft {
    amount_minor: Option<i64>,
    currency: String,
    side: Option<Side>,
    servicer_reference: String,
    end_to_end: String,
    instruction: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Credit,
    Debit,
}

impl Side {
    fn read(value: &str) -> Result<Self, Fault> {
        match value {
            "CRDT" => Ok(Self::Credit),
            "DBIT" => Ok(Self::Debit),
            other => Err(invalid("CdtDbtInd", other)),
        }
    }

    /// The sign of the account: what comes in is above 0.
    fn of(self, amount_minor: i64) -> i64 {
        match self {
            Self::Credit => amount_minor,
            Self::Debit => amount_minor.saturating_neg(),
        }
    }
}

fn invalid(field: &str, value: &str) -> Fault {
    Fault::FieldInvalid { field: field.to_owned(), value: value.chars().take(64).collect() }
}

fn missing(field: &str) -> Fault {
    Fault::FieldMissing { field: field.to_owned() }
}

impl Parser<'_> {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Fault> {
        let name = start.local_name();
        let name = name.as_ref();
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX {
            return Err(Fault::TooDeep { max: DEPTH_MAX });
        }
        self.path.push('/');
        self.path.push_str(name);
        self.value.clear();
        if self.depth == 2 && self.path != ROOT {
            return Err(Fault::NotCamt { found: self.path.chars().take(64).collect() });
        }
        self.is_camt |= self.path == ROOT;
        match self.path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix("/Stmt")) {
            Some("") => self.statement = Draft::default(),
            Some("/Bal") => self.balance = BalanceDraft::default(),
            Some("/Ntry") => {
                self.statement.is_passed_over = !self.is_meant() || self.statement.fault.is_some();
                self.entry = EntryDraft::default();
            }
            Some("/Ntry/NtryDtls/TxDtls") => self.detail = DetailDraft::default(),
            _ => {}
        }
        if name == "Amt" || name == "TxAmt" {
            self.amount_currency.clear();
            for attribute in start.attributes() {
                let attribute = attribute.map_err(|error| xml(&error))?;
                if attribute.key.local_name().as_ref() == "Ccy" {
                    self.amount_currency = attribute.value.into_owned();
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        if self.depth == 0 && !text.trim().is_empty() {
            return Err(Fault::Xml { cause: text.trim().chars().take(16).collect() });
        }
        if self.value.len().saturating_add(text.len()) > super::source::PIECE_BYTES_MAX {
            return Err(Fault::PieceTooLong { max: super::source::PIECE_BYTES_MAX });
        }
        self.value.push_str(text);
        Ok(())
    }

    /// An element ends: its value goes where its path says.
    fn end(&mut self, (line, column): (u64, u64)) {
        let value = std::mem::take(&mut self.value);
        let value = value.trim();
        let path = std::mem::take(&mut self.path);
        let taken = match path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix("/Stmt")) {
            Some("") => {
                self.end_statement();
                Ok(())
            }
            Some(place) => match place.strip_prefix("/Ntry") {
                Some(place) => self.in_entry(place, value, line),
                None => self.in_statement(place, value),
            },
            None => Ok(()),
        };
        if let Err(fault) = taken {
            // What is wrong with a statement matters once it is known to be the one that is meant.
            let fault = Fault::At { line, column: Some(column), fault: Box::new(fault.innermost().clone()) };
            self.statement.fault.get_or_insert(fault);
        }
        self.path = path;
        let parent = self.path.rfind('/').unwrap_or(0);
        self.path.truncate(parent);
        self.depth = self.depth.saturating_sub(1);
    }

    fn amount(&self, value: &str) -> Result<(Option<i64>, String), Fault> {
        let minor = read_decimal(value, self.choice.exponent)?;
        if minor < 0 {
            return Err(invalid("Amt", value));
        }
        Ok((Some(minor), self.amount_currency.clone()))
    }

    fn in_statement(&mut self, place: &str, value: &str) -> Result<(), Fault> {
        match place {
            "/Id" => value.clone_into(&mut self.statement.raw.id),
            "/Acct/Id/IBAN" | "/Acct/Id/Othr/Id" => value.clone_into(&mut self.statement.raw.bank_account),
            "/Acct/Ccy" => value.clone_into(&mut self.statement.currency),
            "/FrToDt/FrDtTm" => self.statement.first = Some(read_iso_date(value)?),
            "/FrToDt/ToDtTm" => {
                self.statement.last = Some(read_iso_date(value)?);
                let time = value.get(11..19);
                self.statement.last_is_midnight = time == Some("00:00:00");
            }
            "/Bal/Tp/CdOrPrtry/Cd" => value.clone_into(&mut self.balance.code),
            // Another account's money may have other decimals.
            "/Bal/Amt" if self.is_meant() => (self.balance.amount_minor, self.balance.currency) = self.amount(value)?,
            "/Bal/CdtDbtInd" => self.balance.side = Some(Side::read(value)?),
            "/Bal/Dt/Dt" | "/Bal/Dt/DtTm" => self.balance.date = Some(read_iso_date(value)?),
            "/Bal" => self.end_balance()?,
            _ => {}
        }
        Ok(())
    }

    fn end_balance(&mut self) -> Result<(), Fault> {
        let balance = std::mem::take(&mut self.balance);
        // Other balances (available, interim) are of no use here.
        if !self.is_meant() || !["OPBD", "PRCD", "CLBD"].contains(&balance.code.as_str()) {
            return Ok(());
        }
        let amount_minor = balance.amount_minor.ok_or_else(|| missing("Bal/Amt"))?;
        let side = balance.side.ok_or_else(|| missing("Bal/CdtDbtInd"))?;
        self.check_currency(&balance.currency)?;
        let signed = side.of(amount_minor);
        let raw = &mut self.statement.raw;
        match balance.code.as_str() {
            "CLBD" => {
                raw.closing_minor = Some(signed);
                self.statement.closing_date = balance.date;
            }
            // The opening balance says more than the one before it closed with.
            "OPBD" => raw.opening_minor = Some(signed),
            _ => raw.opening_minor = raw.opening_minor.or(Some(signed)),
        }
        Ok(())
    }

    fn in_entry(&mut self, place: &str, value: &str, line: u64) -> Result<(), Fault> {
        if self.statement.is_passed_over {
            return Ok(());
        }
        if let Some(place) = place.strip_prefix("/NtryDtls/TxDtls") {
            return self.in_detail(place, value);
        }
        let entry = &mut self.entry;
        match place {
            "/Amt" => (self.entry.amount_minor, self.entry.currency) = self.amount(value)?,
            "/CdtDbtInd" => entry.side = Some(Side::read(value)?),
            // A reversal's indicator is that of the reversal itself: the sign needs nothing else.
            "/RvslInd" if !["true", "false", "1", "0"].contains(&value) => return Err(invalid("RvslInd", value)),
            "/Sts" if !value.is_empty() => value.clone_into(&mut entry.status),
            "/Sts/Cd" => value.clone_into(&mut entry.status),
            "/BookgDt/Dt" | "/BookgDt/DtTm" => entry.date = Some(read_iso_date(value)?),
            "/AcctSvcrRef" => value.clone_into(&mut entry.servicer_reference),
            "/NtryRef" => value.clone_into(&mut entry.entry_reference),
            "" => return self.end_entry(line),
            _ => {}
        }
        Ok(())
    }

    fn in_detail(&mut self, place: &str, value: &str) -> Result<(), Fault> {
        match place {
            "/Amt" | "/AmtDtls/TxAmt/Amt" if self.detail.amount_minor.is_none() || place == "/Amt" => {
                (self.detail.amount_minor, self.detail.currency) = self.detail_amount(value)?;
            }
            "/CdtDbtInd" => self.detail.side = Some(Side::read(value)?),
            "/Refs/AcctSvcrRef" => value.clone_into(&mut self.detail.servicer_reference),
            "/Refs/EndToEndId" => value.clone_into(&mut self.detail.end_to_end),
            "/Refs/InstrId" => value.clone_into(&mut self.detail.instruction),
            "" => self.entry.details.push(std::mem::take(&mut self.detail)),
            _ => {}
        }
        Ok(())
    }

    /// An amount of a detail may be in another currency, with other decimals: such a one is no part of the entry's.
    fn detail_amount(&self, value: &str) -> Result<(Option<i64>, String), Fault> {
        if self.amount_currency != self.choice.currency {
            return Ok((None, self.amount_currency.clone()));
        }
        self.amount(value)
    }

    fn end_entry(&mut self, line: u64) -> Result<(), Fault> {
        let entry = std::mem::take(&mut self.entry);
        let amount_minor = entry.amount_minor.ok_or_else(|| missing("Ntry/Amt"))?;
        let side = entry.side.ok_or_else(|| missing("Ntry/CdtDbtInd"))?;
        self.check_currency(&entry.currency)?;
        let amount_minor = side.of(amount_minor);
        let mut references = named([&entry.servicer_reference, &entry.entry_reference]);
        match entry.status.as_str() {
            "BOOK" => {}
            "PDNG" | "INFO" | "FUTR" => {
                let pending = Pending { line, date: entry.date, amount_minor, references };
                self.statement.raw.pending.push(pending);
                return Ok(());
            }
            "" => return Err(missing("Ntry/Sts")),
            other => return Err(invalid("Ntry/Sts", other)),
        }
        let date = entry.date.ok_or_else(|| missing("Ntry/BookgDt"))?;
        let details = details(&entry.details, side, amount_minor);
        if details.is_empty()
            && let [only] = entry.details.as_slice()
        {
            references.extend(only.references());
        }
        let mut kept: Vec<String> = Vec::new();
        for reference in references {
            if !kept.contains(&reference) {
                kept.push(reference);
            }
        }
        let references = kept;
        self.statement.raw.push(Entry { number: 0, line, date, amount_minor, references, details })
    }

    fn check_currency(&self, found: &str) -> Result<(), Fault> {
        let found = if found.is_empty() { &self.statement.currency } else { found };
        if found == self.choice.currency {
            return Ok(());
        }
        let found = if found.is_empty() { return Err(missing("Amt/@Ccy")) } else { found.chars().take(16).collect() };
        Err(Fault::CurrencyDiffers { found, expected: self.choice.currency.to_owned() })
    }

    /// Whether the statement that is being read is the one asked for, as far as is known: id and account come first.
    fn is_meant(&self) -> bool {
        let raw = &self.statement.raw;
        let is = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        is(self.choice.statement_id, &raw.id) && is(self.choice.bank_account, &raw.bank_account)
    }

    fn end_statement(&mut self) {
        let is_meant = self.is_meant();
        let Draft { mut raw, closing_date, first, last, last_is_midnight, fault, .. } =
            std::mem::take(&mut self.statement);
        if self.seen.len() < LISTED_MAX {
            self.seen.push(format!("{} ({})", raw.id, raw.bank_account));
        }
        if !is_meant {
            return;
        }
        self.matching = self.matching.saturating_add(1);
        // A period that ends at midnight ends with the day before.
        let last = last.and_then(|last| {
            let is_exclusive = last_is_midnight && first.is_some_and(|first| first < last);
            if is_exclusive { last.yesterday().ok() } else { Some(last) }
        });
        raw.first = first;
        raw.last = closing_date.or(last);
        // Several that match are an error; the entries of one are enough to hold.
        self.chosen.get_or_insert(fault.map_or(Ok(raw), Err));
    }

    fn finish(&mut self) -> Result<Raw, Fault> {
        if self.depth > 0 {
            return Err(Fault::Xml { cause: format!("</{}>", self.path.rsplit('/').next().unwrap_or_default()) });
        }
        if !self.is_camt {
            return Err(Fault::NotCamt { found: self.path.clone() });
        }
        let found = self.seen.join(", ");
        match (self.matching, self.chosen.take()) {
            (1, Some(read)) => read,
            (0, _) | (_, None) => Err(Fault::StatementMissing { found }),
            _ => Err(Fault::SeveralStatements { found }),
        }
    }
}

fn named<const N: usize>(references: [&String; N]) -> Vec<String> {
    let is_one = |reference: &&String| !reference.is_empty() && reference.as_str() != NOT_PROVIDED;
    references.into_iter().filter(is_one).cloned().collect()
}

impl DetailDraft {
    fn references(&self) -> Vec<String> {
        named([&self.servicer_reference, &self.end_to_end, &self.instruction])
    }
}

/// The transactions of an entry, where all of them have an amount and a name, and they add up to it; else none: then the
/// entry counts as a whole.
fn details(drafts: &[DetailDraft], side: Side, amount_minor: i64) -> Vec<Detail> {
    let mut sum = 0_i128;
    let mut found = Vec::new();
    for draft in drafts {
        let references = draft.references();
        let Some(amount) = draft.amount_minor.filter(|amount| *amount != 0 && !references.is_empty()) else {
            return Vec::new();
        };
        let amount_minor = draft.side.unwrap_or(side).of(amount);
        sum = sum.saturating_add(amount_minor.into());
        found.push(Detail { amount_minor, references });
    }
    if found.len() < 2 || sum != i128::from(amount_minor) { Vec::new() } else { found }
}

/// Reads from bytes that are UTF-8; for tests.
#[cfg(test)]
pub(super) fn read_bytes(bytes: &[u8], choice: &Choice<'_>) -> Result<Raw, Fault> {
    read(Source::new(bytes, encoding_rs::UTF_8), choice)
}
