//! The readers: what is read, what is refused and where, and that no bytes do any harm.

use encoding_rs::UTF_8;
use jiff::civil::Date;
use proptest::prelude::*;

use super::camt::{self, Choice, read_bytes};
use super::delimited;
use super::mapping::Mapping;
use super::source::{Hashing, PIECE_BYTES_MAX, Prefix, Source};
use super::statement::{Entry, Fault, Raw, Said, Statement, read_decimal, read_iso_date};
use crate::cli::Lang;

const CHOICE: Choice<'_> = Choice { statement_id: None, bank_account: None, currency: "CNY", exponent: 2 };
const JULY: &str = include_str!("../../../tests/data/bank/july.xml");
const JUNE: &str = include_str!("../../../tests/data/bank/june.xml");
const MAPPING: &str = include_str!("../../../deploy/mappings/bank-statement.toml");
const SIMPLE: &str = r#"
[columns]
date = "date"
amount = "amount"
indicator = "side"
reference = { join = ["batch", "number"] }
[indicator]
credit = ["C"]
debit = ["D"]
[date]
format = "%Y-%m-%d"
"#;

fn simple(csv: &str) -> Result<Raw, Fault> {
    let mapping = Mapping::read("m", SIMPLE).unwrap();
    delimited::read(Source::new(csv.as_bytes(), UTF_8), &mapping, "CNY", 2)
}

fn told(fault: &Fault) -> String {
    fault.failure("f", 2, Lang::En).to_string()
}

#[test]
fn mappings_are_checked_with_file_line_and_key() {
    assert!(Mapping::read("m", MAPPING).is_ok());
    let rows = [
        ("debit = \"支出金额\"\n", "", "m:9: key `columns.amount`: either `amount`, or both"),
        ("[date]", "[dates]", "m:"),
        ("balance =", "balanse =", "m:14: key `columns.balanse`: unknown field `balanse`"),
        ("order = \"oldest-first\"", "order = \"oldest\"", "m:7: key `file.order`: unknown variant"),
        ("grouping = \",\"", "grouping = \".\"", "key `amount.grouping`: the thousands separator"),
        ("currency = \"币种\"", "indicator = \"方向\"", "m:15: key `columns.indicator`: the column and the table"),
        ("maker = \"cashier-1\"", "maker = \"a b\"", "key `posting.maker`: `a b` is no id"),
    ];
    for (from, to, message) in rows {
        assert!(MAPPING.contains(from), "{from}");
        let error = Mapping::read("m", &MAPPING.replace(from, to)).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn rows_in_any_order_with_signs_and_joined_references() {
    let csv = "date,side,amount,batch,number\n2026-03-02,D,5.00,B,2\n\n2026-03-01,C,7.00,,1\n2026-03-01,C,-1.00,,\n";
    let raw = simple(csv).unwrap();
    let found: Vec<_> = raw.entries.iter().map(|entry| (entry.amount_minor, entry.references.join("|"))).collect();
    assert_eq!(found, [(-500, "B.2".to_owned()), (700, "1".to_owned()), (-100, String::new())]);
    let said = Said { closing_minor: Some(100), ..Said::default() };
    let statement = Statement::new(raw, said).unwrap();
    assert_eq!((statement.first, statement.last), (Date::constant(2026, 3, 1), Date::constant(2026, 3, 2)));
    let newest = format!(
        "[file]\norder = \"newest-first\"\n{}",
        SIMPLE.replace("indicator = \"side\"", "indicator = \"side\"\nbalance = \"balance\"")
    );
    let mapping = Mapping::read("m", &newest).unwrap();
    let csv = "date,side,amount,batch,number,balance\n2026-03-02,D,5.00,B,2,4.00\n2026-03-01,C,7.00,,1,9.00\n";
    let raw = delimited::read(Source::new(csv.as_bytes(), UTF_8), &mapping, "CNY", 2).unwrap();
    assert_eq!((raw.opening_minor, raw.closing_minor, raw.entries[0].number), (Some(200), Some(400), 1));
    let fault = simple("date,side,amount,batch,number\n2026-03-02,X,5.00,B,2\n").unwrap_err();
    assert_eq!(told(&fault), "f: line 2: `side` cannot be `X`");
    let fault = simple("date,side,amount,batch,number\n2026-03-02,D\n").unwrap_err();
    assert_eq!(told(&fault), "f: line 2: the row has 2 fields, the header 5");
    assert_eq!(
        told(&Statement::new(Raw::default(), Said::default()).unwrap_err()),
        "f: nothing says what time the statement is of; say --from and --to"
    );
}

#[test]
fn decimals_and_dates_of_xml_are_exact_or_refused() {
    let rows: [(&str, u32, Option<i64>); 14] = [
        ("1234.5", 2, Some(123_450)),
        ("1000.00", 0, Some(1_000)),
        ("0.1200", 2, Some(12)),
        (".5", 2, Some(50)),
        ("5.", 2, Some(500)),
        ("-5", 2, Some(-500)),
        ("+5", 2, Some(500)),
        ("0.125", 2, None),
        ("", 2, None),
        (".", 2, None),
        ("1e3", 2, None),
        ("--1", 2, None),
        ("90071992547409.91", 2, Some(9_007_199_254_740_991)),
        ("90071992547409.92", 2, None),
    ];
    for (text, exponent, expected) in rows {
        assert_eq!(read_decimal(text, exponent).ok(), expected, "{text}");
    }
    assert_eq!(read_iso_date("2026-03-31T23:30:00+08:00"), Ok(Date::constant(2026, 3, 31)));
    for wrong in ["2026-02-30", "2026-3-1", "20260301", "2026-03-01x", "", "二〇二六-03-01"] {
        assert!(read_iso_date(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn statements_of_several_versions_are_read() {
    let july = read_bytes(JULY.as_bytes(), &CHOICE).unwrap();
    assert_eq!((july.opening_minor, july.closing_minor), (Some(99_957_000), Some(99_950_000)));
    assert_eq!(
        july.entries,
        [Entry {
            number: 1,
            line: 27,
            date: Date::constant(2026, 7, 1),
            amount_minor: -7_000,
            references: vec!["CLR-3".to_owned()],
            details: Vec::new(),
        }]
    );
    let ours = Choice { statement_id: Some("S-JUNE"), ..CHOICE };
    let june = read_bytes(JUNE.as_bytes(), &ours).unwrap();
    let references: Vec<_> = june.entries.iter().map(|entry| entry.references.join("|")).collect();
    assert_eq!(references, ["cash 1|1", "CLR-1|2", "BANK-77|CLR-2", "BANK-78|4|RET-1"]);
    assert_eq!(
        june.entries[1].details.iter().map(|detail| detail.amount_minor).collect::<Vec<_>>(),
        [-20_000, -30_000]
    );
    // What does not add up to the entry is not its parts.
    let other = JUNE.replace(">300.00<", ">299.00<");
    assert!(read_bytes(other.as_bytes(), &ours).unwrap().entries[1].details.is_empty());
    // A period that ends at midnight ends with the day before; the closing balance's day counts more.
    let midnight = JULY.replace("2026-07-05T23:59:59", "2026-07-06T00:00:00");
    assert_eq!(read_bytes(midnight.as_bytes(), &CHOICE).unwrap().last, Some(Date::constant(2026, 7, 5)));
    let undated = midnight.replace("<b:Dt><b:Dt>2026-07-05</b:Dt></b:Dt>", "");
    assert_eq!(read_bytes(undated.as_bytes(), &CHOICE).unwrap().last, Some(Date::constant(2026, 7, 5)));
    // Other encodings, by the declaration or the byte order mark.
    let chinese = JULY.replace("CLR-3", "批-3").replace("UTF-8", "GB18030");
    let bytes = encoding_rs::GB18030.encode(&chinese).0.into_owned();
    let wide: Vec<u8> = std::iter::once('\u{feff}')
        .chain(chinese.chars())
        .collect::<String>()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [bytes, wide] {
        let prefix = Prefix::read(&mut bytes.as_slice()).unwrap();
        assert_eq!(prefix.form(), super::source::Form::Camt);
        let encoding = prefix.xml_encoding().unwrap();
        assert_eq!(
            camt::read(Source::new(bytes.as_slice(), encoding), &CHOICE).unwrap().entries[0].references,
            ["批-3"]
        );
    }
}

#[test]
fn what_is_no_statement_is_refused_where_it_stands() {
    let entry = "line 27, column 16";
    let deep = format!("<b:Stmt>{}", "<x>".repeat(65));
    let long = format!("<!--{}-->", "x".repeat(PIECE_BYTES_MAX + 70_000));
    let rows = [
        ("<b:Document", "<!DOCTYPE b><b:Document", "column 13: a document type definition"),
        ("<b:Document", "<!DOCTYPE b [<!ENTITY x \"&x;&x;\">]><b:Document", "a document type definition"),
        ("CLR-3", "&x;", "&x;"),
        ("<b:Stmt>", deep.as_str(), "more than 64 elements"),
        ("<b:Stmt>", long.as_str(), "more than 1048576 bytes"),
        ("b:BkToCstmrStmt", "b:BkToCstmrRpt", "this is no camt.053: `/Document/BkToCstmrRpt`"),
        ("BOOK", "BOOKED", "`Ntry/Sts` cannot be `BOOKED`"),
        ("<b:Sts>BOOK</b:Sts>", "", "`Ntry/Sts` is missing"),
        ("<b:RvslInd>false", "<b:RvslInd>no", "`RvslInd` cannot be `no`"),
        (">70.00<", ">-70.00<", "`Amt` cannot be `-70.00`"),
        ("DBIT", "OUT", "`CdtDbtInd` cannot be `OUT`"),
        ("<b:BookgDt><b:Dt>2026-07-01</b:Dt></b:BookgDt>", "", "`Ntry/BookgDt` is missing"),
        ("<b:Amt Ccy=\"CNY\">70.00</b:Amt>", "", "`Ntry/Amt` is missing"),
        ("</b:Document>", "", "no well-formed XML: </Document>"),
        ("</b:Document>", "</b:Document>x", "no well-formed XML"),
        ("b:Stmt>", "b:Stnt>", "the statement asked for is not in it; it has: "),
    ];
    for (from, to, message) in rows {
        assert!(JULY.contains(from), "{from}");
        let fault = read_bytes(JULY.replace(from, to).as_bytes(), &CHOICE).unwrap_err();
        assert!(told(&fault).contains(message), "{to}: {}", told(&fault));
    }
    let zero = read_bytes(JULY.replace(">70.00<", ">0<").as_bytes(), &CHOICE).unwrap_err();
    assert_eq!(told(&zero).split(": ").nth(1), Some(entry), "{}", told(&zero));
    // Other entities than XML's own five are none; those are.
    let plain = read_bytes(JULY.replace("CLR-3", "A&amp;B&#x4e2d;<![CDATA[<&]]>").as_bytes(), &CHOICE).unwrap();
    assert_eq!(plain.entries[0].references, ["A&B中<&"]);
    let row = format!("date,side,amount,batch,number\n2026-03-02,D,5.00,\"{}\n", "x\n".repeat(PIECE_BYTES_MAX));
    assert!(told(&simple(&row).unwrap_err()).contains("more than 1048576 bytes"));
}

#[test]
fn the_file_is_hashed_as_it_is() {
    use sha2::{Digest, Sha256};
    let bytes = JUNE.as_bytes();
    let mut file = Hashing::new(bytes);
    let prefix = Prefix::read(&mut file).unwrap();
    drop(prefix);
    assert_eq!(file.finish().unwrap(), <[u8; 32]>::from(Sha256::digest(bytes)));
}

fn entries() -> impl Strategy<Value = Vec<(i64, u8, String)>> {
    let amount = prop_oneof![1_i64..100_000, -100_000_i64..-1, Just(9_007_199_254_740_991)];
    prop::collection::vec((amount, 1_u8..29, "[A-Za-z0-9&<>\"'中 -]{0,12}"), 0..20)
}

fn as_xml(entries: &[(i64, u8, String)]) -> String {
    let money = |minor: i64| crate::cli::render::decimal(i128::from(minor.abs()), 2);
    let side = |minor: i64| if minor < 0 { "DBIT" } else { "CRDT" };
    let mut rows = String::new();
    for (minor, day, reference) in entries {
        let (amount, side, reference) = (money(*minor), side(*minor), quick_xml::escape::escape(reference.as_str()));
        let begin = format!("<Ntry><Amt Ccy='CNY'>{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts>BOOK</Sts>");
        let end =
            format!("<BookgDt><Dt>2026-02-{day:02}</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef></Ntry>\n");
        rows.extend([begin, end]);
    }
    format!("<Document><BkToCstmrStmt><Stmt><Id>1</Id>{rows}</Stmt></BkToCstmrStmt></Document>")
}

fn as_csv(entries: &[(i64, u8, String)]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["date", "side", "amount", "batch", "number"]).unwrap();
    for (minor, day, reference) in entries {
        let amount = crate::cli::render::decimal(i128::from(*minor), 2);
        writer.write_record([&format!("2026-02-{day:02}"), "C", &amount, "", reference]).unwrap();
    }
    writer.into_inner().unwrap()
}

fn read_back(raw: &Raw) -> Vec<(i64, u8, String)> {
    let day = |entry: &Entry| u8::try_from(entry.date.day()).unwrap();
    raw.entries.iter().map(|entry| (entry.amount_minor, day(entry), entry.references.join(""))).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(entries in entries()) {
        let trimmed: Vec<_> = entries.iter().map(|(minor, day, reference)| (*minor, *day, reference.trim().to_owned())).collect();
        let xml = read_bytes(as_xml(&entries).as_bytes(), &CHOICE).unwrap();
        prop_assert_eq!(read_back(&xml), trimmed.clone());
        let mapping = Mapping::read("m", SIMPLE).unwrap();
        let csv = delimited::read(Source::new(as_csv(&entries).as_slice(), UTF_8), &mapping, "CNY", 2).unwrap();
        prop_assert_eq!(read_back(&csv), trimmed);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2_000), at in 0..3_000_usize) {
        let mapping = Mapping::read("m", SIMPLE).unwrap();
        let mut spoiled = JUNE.as_bytes().to_vec();
        let at = at.min(spoiled.len());
        spoiled.splice(at..at, bytes.iter().copied().take(40));
        let mut csv = b"date,side,amount,batch,number\n2026-03-02,D,5.00,B,2\n".to_vec();
        csv.extend(&bytes);
        for input in [&bytes, &spoiled, &csv] {
            for encoding in [UTF_8, encoding_rs::GB18030, encoding_rs::UTF_16LE] {
                drop(camt::read(Source::new(input.as_slice(), encoding), &CHOICE));
                drop(delimited::read(Source::new(input.as_slice(), encoding), &mapping, "CNY", 2));
            }
            let prefix = Prefix::read(&mut input.as_slice()).unwrap();
            let _ = (prefix.form(), prefix.xml_encoding());
        }
    }
}
