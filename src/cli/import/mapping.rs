//! The mapping file: what the columns of a published file mean (docs/import.md). Every error names file, line and key.

use std::fmt;

use encoding_rs::Encoding;
use jiff::civil::Date;
use serde::de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::ids::is_id;

/// Room for `FUND.UNALLOCATED.` and a unit in an account id of 64 characters.
pub(in crate::cli) const FUND_ID_CHARS_MAX: usize = 16;
/// Room for prefix and period in a lot id of 64 characters.
const LOT_PREFIX_CHARS_MAX: usize = 20;
const COMMANDS_A_REQUEST_MAX: usize = 8_192;

/// A mapping file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Mapping {
    /// What the rows are.
    pub(in crate::cli) kind: Kind,
    /// How the bytes are to be read.
    #[serde(default)]
    pub(in crate::cli) file: FileForm,
    /// Which column is what.
    pub(in crate::cli) columns: Columns,
    /// How dates are written.
    pub(in crate::cli) date: DateForm,
    /// How amounts are written.
    #[serde(default)]
    pub(in crate::cli) amount: AmountForm,
    /// The fund posted to.
    pub(in crate::cli) fund: Fund,
    /// The policy of the fund.
    pub(in crate::cli) policy: Policy,
    /// How lots are formed.
    pub(in crate::cli) lot: LotRule,
    /// What every payment carries; payments only.
    pub(in crate::cli) payment: Option<PaymentForm>,
    /// Who posts, and how.
    pub(in crate::cli) posting: Posting,
}

/// What the rows of a file are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Kind {
    /// Payments and, negative, their returns.
    Payments,
    /// Lines of an approved budget.
    Budget,
}

/// How the bytes of a file are to be read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::cli) struct FileForm {
    /// Encoding, by its WHATWG label.
    pub(in crate::cli) encoding: EncodingName,
    /// Delimiter: one ASCII character, or `tab`.
    pub(in crate::cli) delimiter: Delimiter,
}

impl Default for FileForm {
    fn default() -> Self {
        Self { encoding: EncodingName(encoding_rs::UTF_8), delimiter: Delimiter(b',') }
    }
}

/// Which column is what, by name in the header.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Columns {
    /// Business date.
    pub(in crate::cli) date: ColumnName,
    /// Amount.
    pub(in crate::cli) amount: ColumnName,
    /// What decides the lot.
    pub(in crate::cli) lot: ColumnName,
    /// What decides the budget unit.
    pub(in crate::cli) unit: ColumnName,
    /// Who was paid; payments only.
    pub(in crate::cli) payee: Option<ColumnName>,
    /// Functional classification.
    pub(in crate::cli) function_code: Option<ColumnName>,
    /// Economic classification.
    pub(in crate::cli) economic_code: Option<ColumnName>,
}

/// How dates are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct DateForm {
    /// A strptime format; `%Y` alone stands for the first of January.
    pub(in crate::cli) format: DateFormat,
}

/// How amounts are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::cli) struct AmountForm {
    /// Decimal mark.
    pub(in crate::cli) decimal: char,
    /// Thousands separator; none if absent.
    pub(in crate::cli) grouping: Option<char>,
    /// Currency sign that may stand before or after the digits.
    pub(in crate::cli) sign: Option<String>,
}

impl Default for AmountForm {
    fn default() -> Self {
        Self { decimal: '.', grouping: None, sign: None }
    }
}

/// The fund posted to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Fund {
    /// Id, and the first part of its account ids.
    pub(in crate::cli) id: Id<FUND_ID_CHARS_MAX>,
    /// Display name.
    pub(in crate::cli) name: Text,
    /// ISO 4217 code.
    pub(in crate::cli) currency: Currency,
    /// Decimal places of the currency.
    pub(in crate::cli) exponent: Exponent,
    /// Legal basis.
    pub(in crate::cli) legal_basis: Text,
    /// Business date of its definition.
    pub(in crate::cli) opened_on: Day,
}

/// The policy of the fund: rows of a published file show payments, not plans, so the plan is optional.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Policy {
    /// Id.
    pub(in crate::cli) id: Id<64>,
    /// First business date it applies to.
    pub(in crate::cli) effective_from: Day,
}

/// How lots are formed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct LotRule {
    /// One lot per period and value of the lot column.
    pub(in crate::cli) period: Period,
    /// First part of the lot ids.
    pub(in crate::cli) prefix: Option<Id<LOT_PREFIX_CHARS_MAX>>,
    /// When lots lapse.
    #[serde(default)]
    pub(in crate::cli) expires: Expiry,
    /// Who issued the authority.
    pub(in crate::cli) issuer: Id<64>,
}

/// Period of a lot.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Period {
    /// The row's month: `2020-04`.
    Month,
    /// The row's year: `2012`.
    Year,
    /// None: one lot per value.
    None,
}

/// When lots lapse.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Expiry {
    /// Never.
    #[default]
    Never,
    /// On the last day of the year of the lot's first row.
    EndOfYear,
    /// On the last day of the month of the lot's first row.
    EndOfMonth,
}

/// What every payment carries.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct PaymentForm {
    /// Purpose code.
    pub(in crate::cli) purpose: Id<64>,
    /// Method.
    pub(in crate::cli) method: Method,
    /// Reason code of the returns.
    #[serde(default = "default_return_reason")]
    pub(in crate::cli) return_reason: ReasonCode,
}

fn default_return_reason() -> ReasonCode {
    ReasonCode("SUPPLIER_CREDIT".to_owned())
}

/// How the treasury paid.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Method {
    /// The finance department pays the payee directly.
    Direct,
    /// The unit pays within its quota.
    Authorized,
}

/// Who posts, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Posting {
    /// Maker of every command.
    pub(in crate::cli) maker: Id<64>,
    /// Checkers of every command.
    pub(in crate::cli) checkers: Vec<Id<64>>,
    /// Commands a request.
    #[serde(default = "default_batch")]
    pub(in crate::cli) batch: Batch,
}

fn default_batch() -> Batch {
    Batch(2_000)
}

/// A column by its name, or by the first of several names that the header has; or several columns joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct ColumnName {
    /// The columns whose values are joined; of each, the names it may have.
    pub(in crate::cli) parts: Vec<Vec<String>>,
}

impl<'de> Deserialize<'de> for ColumnName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = ColumnName;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a column name, a list of names it may have, or { join = [column, column] }")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<ColumnName, E> {
                Ok(ColumnName { parts: vec![vec![name.to_owned()]] })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<ColumnName, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = sequence.next_element()? {
                    names.push(name);
                }
                if names.is_empty() {
                    return Err(de::Error::custom("name at least one column"));
                }
                Ok(ColumnName { parts: vec![names] })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ColumnName, A::Error> {
                let join = Join::deserialize(de::value::MapAccessDeserializer::new(map))?.join;
                let parts: Vec<Vec<String>> = join.into_iter().flat_map(|column| column.parts).collect();
                if parts.len() < 2 {
                    return Err(de::Error::custom("join at least two columns"));
                }
                Ok(ColumnName { parts })
            }
        }
        deserializer.deserialize_any(Names)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    join: Vec<ColumnName>,
}

/// Declares a value that is checked while it is read, so that the error knows its place in the file.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident($inner:ty), $raw:ty, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(try_from = "toml::Value")]
        pub(in crate::cli) struct $name(pub(in crate::cli) $inner);

        impl TryFrom<toml::Value> for $name {
            type Error = String;

            fn try_from(value: toml::Value) -> Result<Self, String> {
                let raw: $raw = value.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
                let check: fn($raw) -> Result<$inner, String> = $check;
                check(raw).map(Self)
            }
        }
    };
}

checked!(
    /// 1 to 128 characters without control characters.
    Text(String), String, |text| {
        let fits = (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(text) } else { Err("1 to 128 characters without control characters are needed".to_owned()) }
    }
);

checked!(
    /// ISO 4217 code.
    Currency(String), String, |code| {
        if code.len() == 3 && code.chars().all(|char| char.is_ascii_uppercase()) {
            Ok(code)
        } else {
            Err(format!("`{code}` is no currency code of three capital letters, like GBP"))
        }
    }
);

checked!(
    /// Decimal places of the currency.
    Exponent(u32), i64, |places| {
        u32::try_from(places).ok().filter(|places| *places <= 4).ok_or_else(|| "0 to 4 decimal places are possible".to_owned())
    }
);

checked!(
    /// A day as `YYYY-MM-DD`.
    Day(Date), String, |text| {
        let date: Date = text.parse().map_err(|_| format!("`{text}` is no date like 2020-04-01"))?;
        if in_range(date) { Ok(date) } else { Err(format!("{text} lies outside 1900 to 2199")) }
    }
);

checked!(
    /// Reason code, `[A-Z0-9_]`.
    ReasonCode(String), String, |code| {
        let fits = (1..=64).contains(&code.len())
            && code.chars().all(|char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_');
        if fits { Ok(code) } else { Err("1 to 64 characters of [A-Z0-9_] are needed".to_owned()) }
    }
);

checked!(
    /// Commands a request.
    Batch(usize), i64, |count| {
        usize::try_from(count)
            .ok()
            .filter(|count| (1..=COMMANDS_A_REQUEST_MAX).contains(count))
            .ok_or_else(|| format!("1 to {COMMANDS_A_REQUEST_MAX} commands a request are possible"))
    }
);

checked!(
    /// An encoding by its WHATWG label.
    EncodingName(&'static Encoding), String, |label| {
        Encoding::for_label(label.as_bytes()).ok_or_else(|| format!("`{label}` is no encoding known here, like utf-8 or windows-1252"))
    }
);

checked!(
    /// Delimiter of the fields.
    Delimiter(u8), String, |text| {
        match (text.as_str(), text.as_bytes()) {
            ("tab", _) => Ok(b'\t'),
            (_, [byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
            _ => Err("one ASCII character, or `tab`, is needed".to_owned()),
        }
    }
);

checked!(
    /// A strptime format.
    DateFormat(String), String, |format| {
        let sample = jiff::fmt::strtime::format(&format, Date::constant(2020, 4, 30)).map_err(|error| error.to_string())?;
        let back = read_date(&format, &sample);
        let year_only = Date::constant(2020, 1, 1);
        if back == Some(Date::constant(2020, 4, 30)) || (format == "%Y" && back == Some(year_only)) {
            Ok(format)
        } else {
            Err(format!("`{format}` does not give year, month and day, like %d/%m/%Y; `%Y` alone is possible too"))
        }
    }
);

/// An id of at most `CHARS_MAX` characters.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(in crate::cli) struct Id<const CHARS_MAX: usize>(pub(in crate::cli) String);

/// Whether a text is an id of the API: 1 to 64 characters of `[A-Za-z0-9._:-]`.
pub(in crate::cli) fn is_id_of_the_api(text: &str) -> bool {
    is_id(text, 64)
}

impl<const CHARS_MAX: usize> TryFrom<String> for Id<CHARS_MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_id(&text, CHARS_MAX) {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is no id: 1 to {CHARS_MAX} characters of [A-Za-z0-9._:-] are needed"))
    }
}

/// Reads a date by a format; a year alone stands for its first day.
pub(in crate::cli) fn read_date(format: &str, text: &str) -> Option<Date> {
    if format == "%Y" {
        let year = (text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())??;
        return Date::new(year, 1, 1).ok();
    }
    Date::strptime(format, text).ok()
}

/// Whether the ledger takes this date.
pub(in crate::cli) fn in_range(date: Date) -> bool {
    (1900..=2199).contains(&date.year())
}

impl Mapping {
    /// Reads a mapping; the error is complete, with file, line and key.
    pub(in crate::cli) fn read(file: &str, text: &str) -> Result<Self, String> {
        let mapping: Self = parse(file, text)?;
        mapping.check().map_err(|(key, message)| format!("{file}:{}: key `{key}`: {message}", line_of(text, key)))?;
        Ok(mapping)
    }

    /// What no single key shows.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let payments = self.kind == Kind::Payments;
        match (payments, &self.columns.payee, &self.payment) {
            (true, None, _) => return Err(("columns.payee", "payments need a payee column".to_owned())),
            (true, _, None) => return Err(("payment", "payments need a [payment] table".to_owned())),
            (false, Some(_), _) => return Err(("columns.payee", "a budget has no payee".to_owned())),
            (false, _, Some(_)) => return Err(("payment", "a budget has no payments".to_owned())),
            (true, Some(_), Some(_)) | (false, None, None) => {}
        }
        let checkers = &self.posting.checkers;
        if checkers.is_empty() || checkers.len() > 8 {
            return Err(("posting.checkers", "1 to 8 checkers are needed".to_owned()));
        }
        if checkers.contains(&self.posting.maker) {
            return Err(("posting.checkers", "the maker cannot be a checker".to_owned()));
        }
        if checkers.iter().enumerate().any(|(index, checker)| checkers.iter().take(index).any(|other| other == checker))
        {
            return Err(("posting.checkers", "a checker is named twice".to_owned()));
        }
        if self.amount.grouping == Some(self.amount.decimal) {
            return Err(("amount.grouping", "the thousands separator cannot be the decimal mark".to_owned()));
        }
        Ok(())
    }
}

/// Reads a mapping of any kind; the error names file, line and key.
pub(in crate::cli) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, key) = place(text, at);
        let key = if key.is_empty() { String::new() } else { format!(" key `{key}`:") };
        format!("{file}:{line}:{key} {}", error.message())
    })
}

/// Line (from 1) and dotted key at a byte position of a TOML text.
fn place(text: &str, at: usize) -> (usize, String) {
    let before = text.get(..at).unwrap_or(text);
    let line_number = before.matches('\n').count().saturating_add(1);
    let mut table = "";
    let mut key = "";
    for line in text.lines().take(line_number) {
        key = "";
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            table = name.0.trim();
        } else if let Some((name, _)) = line.split_once('=') {
            key = name.trim();
        }
    }
    let dotted = match (table, key) {
        (table, "") => table.to_owned(),
        ("", key) => key.to_owned(),
        (table, key) => format!("{table}.{key}"),
    };
    (line_number, dotted)
}

/// Line (from 1) of a dotted key; of its table where the key is absent; 1 where both are.
pub(in crate::cli) fn line_of(text: &str, key: &str) -> usize {
    let table = key.split_once('.').map_or(key, |(table, _)| table);
    let mut found = 1;
    let mut start = 0_usize;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let (_, here) = place(text, start);
        if here == key {
            return index.saturating_add(1);
        }
        if here == table && line.trim_start().starts_with('[') {
            found = index.saturating_add(1);
        }
        start = start.saturating_add(line.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYMENTS: &str = include_str!("../../../deploy/mappings/gstt-payments.toml");
    const BUDGET: &str = include_str!("../../../deploy/mappings/madrid-budget.toml");

    #[test]
    fn shipped_mappings_are_valid() {
        assert_eq!(Mapping::read("p", PAYMENTS).unwrap().kind, Kind::Payments);
        assert_eq!(Mapping::read("b", BUDGET).unwrap().kind, Kind::Budget);
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let line = |needle: &str| PAYMENTS.lines().position(|line| line.starts_with(needle)).unwrap() + 1;
        let rows = [
            ("currency = \"GBP\"", "currency = \"gbp\"", "fund.currency", "currency", "no currency code"),
            ("exponent = 2", "exponent = 9", "fund.exponent", "exponent", "0 to 4 decimal places"),
            ("opened_on = \"2020-04-01\"", "opened_on = \"2020-02-30\"", "fund.opened_on", "opened_on", "no date"),
            ("id = \"GSTT\"", "id = \"G S\"", "fund.id", "id = \"GSTT\"", "1 to 16 characters"),
            ("format = \"%d/%m/%Y\"", "format = \"%d/%m\"", "date.format", "format", "year, month and day"),
            ("payee = \"Supplier\"", "", "columns.payee", "[columns]", "need a payee column"),
            ("batch = 2000", "batch = 0", "posting.batch", "batch", "1 to 8192"),
            ("batch = 2000", "bath = 1", "posting.bath", "batch", "unknown field `bath`"),
            ("encoding = \"utf-8\"", "encoding = \"utf-9\"", "file.encoding", "encoding", "no encoding"),
            ("delimiter = \",\"", "delimiter = \";;\"", "file.delimiter", "delimiter", "one ASCII character"),
            ("unit = \"Expense area\"", "unit = 5", "columns.unit", "unit", "a column name, a list"),
            ("method = \"direct\"", "method = \"post\"", "payment.method", "method", "unknown variant `post`"),
            (
                "maker = \"importer\"",
                "maker = \"checker\"",
                "posting.checkers",
                "checkers",
                "maker cannot be a checker",
            ),
            ("issuer = ", "issuers = ", "lot.issuers", "issuer", "unknown field `issuers`"),
        ];
        for (from, to, key, at, message) in rows {
            assert!(PAYMENTS.contains(from), "{from}");
            let error = Mapping::read("m.toml", &PAYMENTS.replace(from, to)).unwrap_err();
            assert!(error.starts_with(&format!("m.toml:{}: key `{key}`: ", line(at))), "{error}");
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn dates_are_read_strictly() {
        let rows = [
            ("%d/%m/%Y", "30/04/2020", Some("2020-04-30")),
            ("%d/%m/%Y", "31/04/2020", None),
            ("%d/%m/%Y", "2020-04-30", None),
            ("%d/%m/%Y", "30/04/2020 x", None),
            ("%Y", "2012", Some("2012-01-01")),
            ("%Y", "12", None),
            ("%Y", "+201", None),
        ];
        for (format, text, expected) in rows {
            assert_eq!(read_date(format, text).map(|date| date.to_string()).as_deref(), expected, "{text}");
        }
    }
}
