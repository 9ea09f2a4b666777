//! From bytes to rows: what cannot be read is a refused row with its reason, never the end of the import.

use std::borrow::Cow;
use std::io::Read;

use csv::ByteRecord;
use encoding_rs::Encoding;
use flate2::read::MultiGzDecoder;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::mapping::{AmountForm, ColumnName, Mapping, in_range, read_date};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Decompressed bytes taken from one file: a guard against a mistaken or hostile archive.
const INPUT_BYTES_MAX: u64 = 4 << 30;
/// Largest amount of the API, 2^53 - 1.
pub(in crate::cli) const AMOUNT_MINOR_MAX: i64 = (1 << 53) - 1;
const PAYEE_BYTES_MAX: usize = 256;

/// One readable row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Line of the file it starts on, from 1.
    pub(super) line: u64,
    /// Business date.
    pub(super) date: Date,
    /// Minor units, as in the file: negative for a return.
    pub(super) amount_minor: i64,
    /// Value of the lot column.
    pub(super) lot: String,
    /// Value of the unit column.
    pub(super) unit: String,
    /// Value of the payee column; empty in a budget.
    pub(super) payee: String,
    /// Value of the functional classification column; empty where none is mapped.
    pub(super) function: String,
    /// Value of the economic classification column; empty where none is mapped.
    pub(super) economic: String,
}

/// A row that was not posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefusedRow {
    /// Line of the file it starts on, from 1.
    pub(super) line: u64,
    /// Its amount as in the file, where it could be read.
    pub(super) amount_minor: Option<i64>,
    /// Why.
    pub(super) fault: Fault,
}

/// Why a row was not posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Fault {
    /// A field is not in the file's encoding.
    EncodingInvalid { column: String },
    /// More or fewer fields than the header, or a quote that never ends.
    ColumnsMismatch { expected: usize, found: usize },
    /// A mapped field is empty.
    FieldEmpty { column: String },
    /// A field is longer than the ledger takes.
    FieldTooLong { column: String, bytes_max: usize },
    /// The date is not in the mapping's format or does not exist.
    DateInvalid { text: String },
    /// The amount is no number in the mapping's form.
    AmountInvalid { text: String },
    /// The amount has more decimals than the currency: amounts are never rounded.
    AmountTooPrecise { text: String, exponent: u32 },
    /// The amount is above 2^53 - 1 minor units.
    AmountOutOfRange { text: String },
    /// Nothing was paid.
    AmountZero,
    /// No payment of the same payee, lot value and unit before it has that much left.
    ReturnWithoutPayment,
    /// A budget line below zero.
    BudgetLineNegative,
    /// The ledger refused it.
    Ledger { reason: String, message: String },
}

/// All rows of a file.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// SHA-256 of the file's bytes, after decompression.
    pub(super) digest: [u8; 32],
    /// Rows under the header, without blank ones.
    pub(super) read: u64,
    /// Rows with nothing in them.
    pub(super) blank: u64,
    /// Readable rows, in the order of the file.
    pub(super) readable: Vec<Row>,
    /// The others.
    pub(super) refused: Vec<RefusedRow>,
}

/// Decompresses a file if it is gzip.
pub(super) fn decompress(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(bytes.as_slice()).take(INPUT_BYTES_MAX).read_to_end(&mut plain);
    match read.map(u64::try_from) {
        Ok(Ok(length)) if length < INPUT_BYTES_MAX => Ok(plain),
        Ok(_) => Err(format!("more than {INPUT_BYTES_MAX} bytes after decompression")),
        Err(error) => Err(format!("the gzip data are damaged: {error}")),
    }
}

/// Reads the rows of a file. Fails only where no row could be read: an empty file, a missing column.
pub(super) fn read(mapping: &Mapping, plain: &[u8]) -> Result<Rows, String> {
    let digest = Sha256::digest(plain).into();
    let (text, encoding) = to_single_bytes(plain, mapping.file.encoding.0);
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(mapping.file.delimiter.0)
        .flexible(true)
        .has_headers(false)
        .from_reader(text);
    let mut record = ByteRecord::new();
    let mut lines = LineCounter { text, byte: 0, line: 1 };
    let mut next = |record: &mut ByteRecord| -> Result<Option<u64>, String> {
        // Reading bytes from memory into flexible records leaves nothing to fail; an error is passed on all the same.
        let more = reader.read_byte_record(record).map_err(|error| error.to_string())?;
        let start = record.position().map_or(0, csv::Position::byte);
        Ok(more.then(|| lines.line_at(start)))
    };
    if next(&mut record)?.is_none() {
        return Err("the file is empty".to_owned());
    }
    let columns = Columns::find(mapping, &record, encoding)?;
    let mut rows = Rows { digest, read: 0, blank: 0, readable: Vec::new(), refused: Vec::new() };
    while let Some(line) = next(&mut record)? {
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            rows.blank = rows.blank.saturating_add(1);
            continue;
        }
        rows.read = rows.read.saturating_add(1);
        match columns.read_row(mapping, &record, encoding, line) {
            Ok(row) => rows.readable.push(row),
            Err(refused) => rows.refused.push(refused),
        }
    }
    Ok(rows)
}

/// UTF-16 becomes UTF-8 as a whole; every other encoding has ASCII's delimiters, and is decoded field by field.
fn to_single_bytes<'a>(plain: &'a [u8], encoding: &'static Encoding) -> (Cow<'a, [u8]>, &'static Encoding) {
    if encoding.is_ascii_compatible() {
        return (Cow::Borrowed(plain), encoding);
    }
    let (text, _, _) = encoding.decode(plain);
    (Cow::Owned(text.into_owned().into_bytes()), encoding_rs::UTF_8)
}

/// Counts lines up to where each record starts; the reader's own count stops before blank lines.
struct LineCounter<'a> {
    text: &'a [u8],
    byte: usize,
    line: u64,
}

impl LineCounter<'_> {
    fn line_at(&mut self, record_start: u64) -> u64 {
        let start = usize::try_from(record_start).unwrap_or(usize::MAX);
        let blank = self.text.get(start..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let start = start.saturating_add(blank.count());
        let between = self.text.get(self.byte..start).unwrap_or_default();
        let breaks = between.split(|byte| *byte == b'\n').count().saturating_sub(1);
        self.line = self.line.saturating_add(u64::try_from(breaks).unwrap_or(u64::MAX));
        self.byte = start.max(self.byte);
        self.line
    }
}

/// A mapped column: where it is, and what it is called; several, where the mapping joins them.
struct Column {
    places: Vec<usize>,
    name: String,
}

/// Between the values of joined columns.
const JOINT: &str = ".";

struct Columns {
    count: usize,
    date: Column,
    amount: Column,
    lot: Column,
    unit: Column,
    payee: Option<Column>,
    function: Option<Column>,
    economic: Option<Column>,
}

impl Columns {
    fn find(mapping: &Mapping, header: &ByteRecord, encoding: &'static Encoding) -> Result<Self, String> {
        let names: Vec<String> = header.iter().map(|field| encoding.decode(field).0.trim().to_owned()).collect();
        let find_part = |key: &str, wanted: &[String]| -> Result<(usize, String), String> {
            let found = wanted.iter().find_map(|name| {
                let place = names.iter().position(|have| have == name.trim())?;
                Some((place, name.clone()))
            });
            let Some((place, name)) = found else {
                let wanted = wanted.join("` or `");
                return Err(format!(
                    "line 1: no column `{wanted}` (key `columns.{key}`); it has: {}",
                    names.join(", ")
                ));
            };
            if names.iter().filter(|have| **have == name).count() > 1 {
                return Err(format!("line 1: the column `{name}` (key `columns.{key}`) occurs twice"));
            }
            Ok((place, name))
        };
        let find = |key: &str, wanted: &ColumnName| -> Result<Column, String> {
            let parts: Result<Vec<_>, _> = wanted.parts.iter().map(|names| find_part(key, names)).collect();
            let (places, names): (Vec<_>, Vec<_>) = parts?.into_iter().unzip();
            Ok(Column { places, name: names.join(JOINT) })
        };
        let find_optional =
            |key, wanted: &Option<ColumnName>| wanted.as_ref().map(|wanted| find(key, wanted)).transpose();
        let wanted = &mapping.columns;
        Ok(Self {
            count: header.len(),
            date: find("date", &wanted.date)?,
            amount: find("amount", &wanted.amount)?,
            lot: find("lot", &wanted.lot)?,
            unit: find("unit", &wanted.unit)?,
            payee: find_optional("payee", &wanted.payee)?,
            function: find_optional("function_code", &wanted.function_code)?,
            economic: find_optional("economic_code", &wanted.economic_code)?,
        })
    }

    fn read_row(
        &self,
        mapping: &Mapping,
        record: &ByteRecord,
        encoding: &'static Encoding,
        line: u64,
    ) -> Result<Row, RefusedRow> {
        let refuse = |amount_minor, fault| RefusedRow { line, amount_minor, fault };
        if record.len() != self.count {
            let fault = Fault::ColumnsMismatch { expected: self.count, found: record.len() };
            return Err(refuse(None, fault));
        }
        let decode = |column: &Column| -> Result<Vec<String>, Fault> {
            let parts = column.places.iter().map(|place| {
                let bytes = record.get(*place).unwrap_or_default();
                let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
                // A whole file that was decoded at once shows its damage as replacement characters.
                (!text.contains('\u{fffd}')).then(|| text.trim().to_owned())
            });
            parts.collect::<Option<_>>().ok_or_else(|| Fault::EncodingInvalid { column: column.name.clone() })
        };
        let required = |column: &Column| -> Result<String, Fault> {
            let parts = decode(column)?;
            if parts.iter().any(String::is_empty) {
                return Err(Fault::FieldEmpty { column: column.name.clone() });
            }
            Ok(parts.join(JOINT))
        };
        let optional = |column: &Option<Column>| match column {
            Some(column) => decode(column).map(|parts| parts.join(JOINT)),
            None => Ok(String::new()),
        };

        let amount = required(&self.amount)
            .and_then(|text| read_amount(&mapping.amount, mapping.fund.exponent.0, &text))
            .map_err(|fault| refuse(None, fault))?;
        let read = || -> Result<Row, Fault> {
            let date_text = required(&self.date)?;
            let date = read_date(&mapping.date.format.0, &date_text)
                .filter(|date| in_range(*date))
                .ok_or(Fault::DateInvalid { text: date_text })?;
            let payee = self.payee.as_ref().map_or(Ok(String::new()), required)?;
            if payee.len() > PAYEE_BYTES_MAX {
                let column = self.payee.as_ref().map(|column| column.name.clone()).unwrap_or_default();
                return Err(Fault::FieldTooLong { column, bytes_max: PAYEE_BYTES_MAX });
            }
            Ok(Row {
                line,
                date,
                amount_minor: amount,
                lot: required(&self.lot)?,
                unit: required(&self.unit)?,
                payee,
                function: optional(&self.function)?,
                economic: optional(&self.economic)?,
            })
        };
        let row = read().map_err(|fault| refuse(Some(amount), fault))?;
        if row.amount_minor == 0 { Err(refuse(Some(0), Fault::AmountZero)) } else { Ok(row) }
    }
}

/// Reads an amount exactly: integers only, nothing is rounded.
pub(in crate::cli) fn read_amount(form: &AmountForm, exponent: u32, text: &str) -> Result<i64, Fault> {
    let invalid = || Fault::AmountInvalid { text: text.to_owned() };
    let (negative, digits) = split_sign(form, text).ok_or_else(invalid)?;
    let (whole, fraction) =
        digits.split_once(form.decimal).map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let whole = ungroup(form.grouping, whole).ok_or_else(invalid)?;
    let fraction = fraction.unwrap_or("0");
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
        || whole.is_empty()
        || fraction.is_empty()
    {
        return Err(invalid());
    }
    let places = usize::try_from(exponent).unwrap_or(0);
    let fraction = if digits.contains(form.decimal) { fraction } else { "" };
    if fraction.len() > places {
        return Err(Fault::AmountTooPrecise { text: text.to_owned(), exponent });
    }
    let minor: Option<i64> = format!("{whole}{fraction:0<places$}").parse().ok();
    match minor.filter(|minor| *minor <= AMOUNT_MINOR_MAX) {
        Some(minor) if negative => Ok(minor.saturating_neg()),
        Some(minor) => Ok(minor),
        None => Err(Fault::AmountOutOfRange { text: text.to_owned() }),
    }
}

/// Takes sign and currency sign off: `-5`, `5-`, `(5)`, `−5`, `£-5`, `-£5`, `5 £`.
fn split_sign<'a>(form: &AmountForm, text: &'a str) -> Option<(bool, &'a str)> {
    let mut rest = text.trim();
    let mut negative = false;
    if let Some(inner) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        (rest, negative) = (inner.trim(), true);
    }
    let mut signs = usize::from(negative);
    let mut currency_signs = 0_usize;
    loop {
        let minus = rest.strip_prefix(['-', '\u{2212}']).or_else(|| rest.strip_suffix(['-', '\u{2212}']));
        let currency = form
            .sign
            .as_deref()
            .filter(|sign| !sign.is_empty())
            .and_then(|sign| rest.strip_prefix(sign).or_else(|| rest.strip_suffix(sign)));
        match (minus, currency) {
            (Some(inner), _) => {
                signs = signs.saturating_add(1);
                (rest, negative) = (inner.trim(), true);
            }
            (None, Some(inner)) => {
                currency_signs = currency_signs.saturating_add(1);
                rest = inner.trim();
            }
            (None, None) => break,
        }
    }
    (signs <= 1 && currency_signs <= 1).then_some((negative, rest))
}

/// Takes thousands separators out, if they stand where they belong.
fn ungroup(grouping: Option<char>, whole: &str) -> Option<String> {
    let Some(separator) = grouping.filter(|separator| whole.contains(*separator)) else {
        return Some(whole.to_owned());
    };
    let mut groups = whole.split(separator);
    let head = groups.next().unwrap_or_default();
    let fits = (1..=3).contains(&head.len()) && groups.all(|group| group.len() == 3);
    fits.then(|| whole.chars().filter(|char| *char != separator).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        let plain = AmountForm::default();
        let british = AmountForm { decimal: '.', grouping: Some(','), sign: Some("£".to_owned()) };
        let spanish = AmountForm { decimal: ',', grouping: Some('.'), sign: Some("€".to_owned()) };
        let precise = |text: &str, exponent| Err(Fault::AmountTooPrecise { text: text.to_owned(), exponent });
        let invalid = |text: &str| Err(Fault::AmountInvalid { text: text.to_owned() });
        let too_big = |text: &str| Err(Fault::AmountOutOfRange { text: text.to_owned() });
        let rows = [
            (&plain, 2, "2998.48", Ok(299_848)),
            (&plain, 2, "3014.9", Ok(301_490)),
            (&plain, 2, "675", Ok(67_500)),
            (&plain, 2, "-0.01", Ok(-1)),
            (&plain, 2, "\u{2212}5", Ok(-500)),
            (&plain, 2, "5-", Ok(-500)),
            (&plain, 2, "(5.00)", Ok(-500)),
            (&plain, 2, "0", Ok(0)),
            (&plain, 2, "1.005", precise("1.005", 2)),
            (&plain, 2, "1.000", precise("1.000", 2)),
            (&plain, 0, "1.0", precise("1.0", 0)),
            (&plain, 0, "102739", Ok(102_739)),
            (&plain, 2, "1,000.00", invalid("1,000.00")),
            (&plain, 2, "1.2E+05", invalid("1.2E+05")),
            (&plain, 2, "--5", invalid("--5")),
            (&plain, 2, "(-5)", invalid("(-5)")),
            (&plain, 2, ".5", invalid(".5")),
            (&plain, 2, "5.", invalid("5.")),
            (&plain, 2, "٥", invalid("٥")),
            (&plain, 2, "£5", invalid("£5")),
            (&plain, 2, "90071992547409.91", Ok(AMOUNT_MINOR_MAX)),
            (&plain, 2, "90071992547409.92", too_big("90071992547409.92")),
            (&plain, 2, "-99999999999999999999", too_big("-99999999999999999999")),
            (&british, 2, "£1,234,567.80", Ok(123_456_780)),
            (&british, 2, "-£1,234.00", Ok(-123_400)),
            (&british, 2, "£-1,234.00", Ok(-123_400)),
            (&british, 2, "1,23.00", invalid("1,23.00")),
            (&british, 2, "££1", invalid("££1")),
            (&spanish, 2, "1.234,50 €", Ok(123_450)),
            (&spanish, 2, "1.234.50", invalid("1.234.50")),
        ];
        for (form, exponent, text, expected) in rows {
            assert_eq!(read_amount(form, exponent, text), expected, "{text}");
        }
    }

    fn mapping() -> Mapping {
        Mapping::read("p", include_str!("../../../deploy/mappings/gstt-payments.toml")).unwrap()
    }

    const HEADER: &str = "Date of payment,Expense type,Expense area,Supplier,amount";

    #[test]
    fn a_bad_row_never_stops_the_others() {
        let mut bytes = format!("\u{feff}{HEADER}\r\n").into_bytes();
        let lines: [&[u8]; 11] = [
            b"01/04/2020,(1) A,(id:7) U,ACME LTD,5.00",
            b"",
            b"32/04/2020,(1) A,(id:7) U,ACME LTD,5.00",
            b"01/04/2020,(1) A,(id:7) U,ACME LTD,5.001",
            b"01/04/2020,(1) A,(id:7) U,,5.00",
            b"01/04/2020,(1) A,(id:7) U,AC\xffME,5.00",
            b"01/04/2020,(1) A,(id:7) U,5.00",
            b",,, ,",
            b"01/04/2020,(1) A,(id:7) U,ACME LTD,0.00",
            b"01/04/2020,(1) A,(id:7) U,\"two\nlines\",6.00",
            b"01/04/2020,(1) A,(id:7) U,ACME LTD,-7.00",
        ];
        for line in lines {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        let rows = read(&mapping(), &bytes).unwrap();
        assert_eq!((rows.read, rows.blank), (9, 1));
        let read: Vec<(u64, i64)> = rows.readable.iter().map(|row| (row.line, row.amount_minor)).collect();
        assert_eq!(read, [(2, 500), (11, 600), (13, -700)]);
        let refused: Vec<(u64, Option<i64>, Fault)> =
            rows.refused.into_iter().map(|row| (row.line, row.amount_minor, row.fault)).collect();
        let supplier = || "Supplier".to_owned();
        let expected = [
            (4, Some(500), Fault::DateInvalid { text: "32/04/2020".to_owned() }),
            (5, None, Fault::AmountTooPrecise { text: "5.001".to_owned(), exponent: 2 }),
            (6, Some(500), Fault::FieldEmpty { column: supplier() }),
            (7, Some(500), Fault::EncodingInvalid { column: supplier() }),
            (8, None, Fault::ColumnsMismatch { expected: 5, found: 4 }),
            (10, Some(0), Fault::AmountZero),
        ];
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_file_without_a_mapped_column_is_not_read() {
        let error = read(&mapping(), b"Date of payment,Expense type\n").unwrap_err();
        assert_eq!(
            error,
            "line 1: no column `amount` or `Amount in Sterling` (key `columns.amount`); it has: Date of payment, Expense type"
        );
        assert_eq!(read(&mapping(), b"").unwrap_err(), "the file is empty");
        let twice = format!("{HEADER},Supplier\n");
        assert!(
            read(&mapping(), twice.as_bytes()).unwrap_err().contains("`Supplier` (key `columns.payee`) occurs twice")
        );
    }

    #[test]
    fn other_encodings_and_delimiters() {
        let text = format!("{HEADER}\n01/04/2020,(1) A,(id:7) U,CAFÉ LTD,5.00\n");
        let latin = encoding_rs::WINDOWS_1252.encode(&text).0.into_owned();
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let tabs = text.replace(',', "\t").into_bytes();
        let toml = include_str!("../../../deploy/mappings/gstt-payments.toml");
        let cases = [
            ("encoding = \"utf-8\"", "encoding = \"windows-1252\"", latin),
            ("encoding = \"utf-8\"", "encoding = \"utf-16le\"", wide),
            ("delimiter = \",\"", "delimiter = \"tab\"", tabs),
        ];
        for (from, to, bytes) in cases {
            let mapping = Mapping::read("p", &toml.replace(from, to)).unwrap();
            let rows = read(&mapping, &bytes).unwrap();
            assert_eq!(rows.readable.first().map(|row| row.payee.as_str()), Some("CAFÉ LTD"), "{to}");
        }
    }

    #[test]
    fn compressed_or_not() {
        use flate2::write::GzEncoder;
        use std::io::Write;
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"a,b\n").unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(decompress(packed.clone()).unwrap(), b"a,b\n");
        assert_eq!(decompress(b"a,b\n".to_vec()).unwrap(), b"a,b\n");
        assert!(decompress(packed[..packed.len() - 4].to_vec()).is_err(), "a cut file is not half a file");
    }
}
