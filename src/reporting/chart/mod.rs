//! Charts of tables, as SVG: the same table gives the same bytes. What stands where is computed in whole numbers; a crate
//! writes the elements, and escapes what stands in them.

mod bars;
mod sankey;

use svg::node::Text;
use svg::node::element::Element;

use super::decimal::grouped;
use super::files::provenance;
use super::rows::Row;
use super::table::{Cell, Head, Tail};
use crate::audit::printable::is_steering;
use crate::messages::{self, Language};

/// Text height.
const FONT: i64 = 12;
const INK: &str = "#222222";
const FAINT: &str = "#d0d0d0";
/// Told apart by people who do not see all colours (Okabe and Ito).
const COLOURS: [&str; 7] = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8a7a00"];

/// A chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chart {
    /// A lot's money, from where to where.
    Flow,
    /// A fund's execution, by month.
    Execution,
}

/// A table that is whole, with what it rests on.
pub struct Whole<'a> {
    /// What it is.
    pub head: &'a Head,
    /// Its rows.
    pub rows: &'a [Row],
    /// What it rests on.
    pub tail: &'a Tail,
    /// Its digest.
    pub digest: &'a [u8; 32],
}

impl Whole<'_> {
    /// What was asked for by a name.
    fn parameter(&self, name: &str) -> &str {
        self.head.parameters.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// A cell by its column.
    fn cell<'r>(&self, row: &'r Row, column: &str) -> &'r Cell {
        let at = self.head.columns.iter().position(|known| known.id == column);
        at.and_then(|at| row.cells.get(at)).unwrap_or(&Cell::Empty)
    }

    fn text(&self, row: &Row, column: &str) -> String {
        self.cell(row, column).canonical()
    }

    /// An amount with the currency's decimal places; none where the cell holds none.
    fn amount(&self, row: &Row, column: &str) -> (i128, u32) {
        if let Cell::Amount(minor, exponent) = self.cell(row, column) { (*minor, *exponent) } else { (0, 0) }
    }
}

impl Chart {
    /// Draws a table.
    pub fn draw(self, whole: &Whole<'_>, language: Language) -> String {
        let (title, drawing) = match self {
            Self::Flow => {
                let lot = xml(whole.parameter("lot"));
                (messages::text(language, "chart-flow", &[("lot", &lot)]), sankey::draw(whole, language))
            }
            Self::Execution => {
                let name = whole.rows.first().map(|row| whole.text(row, "fund_name")).unwrap_or_default();
                let fund = xml(format!("{} {name}", whole.parameter("fund")).trim());
                (messages::text(language, "chart-execution", &[("fund", &fund)]), bars::draw(whole, language))
            }
        };
        document(&title, drawing, whole, language)
    }
}

/// What is drawn below the title, its size, and what it says in words.
struct Drawing {
    width: i64,
    height: i64,
    elements: Vec<Element>,
    description: String,
}

/// A drawing is not made wider than this for its heading.
const WIDTH_MAX: i64 = 1_200;

/// Text for XML: what XML cannot hold, even escaped, stands as a replacement.
fn xml(text: &str) -> String {
    let is_allowed = |c: char| !is_steering(c) && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }).collect()
}

fn element(name: &str, attributes: &[(&str, &str)]) -> Element {
    let mut element = Element::new(name);
    for (name, value) in attributes {
        element.get_attributes_mut().insert((*name).to_owned(), (*value).into());
    }
    element
}

fn with_text(mut element: Element, text: &str) -> Element {
    element.get_children_mut().push(Box::new(Text::new(xml(text))));
    element
}

/// Text at a place; `anchor` says which end of it.
fn label(x: i64, y: i64, anchor: &str, text: &str) -> Element {
    let (x, y) = (x.to_string(), y.to_string());
    with_text(element("text", &[("x", &x), ("y", &y), ("text-anchor", anchor)]), text)
}

/// A filled rectangle that says what it stands for.
fn block((x, y): (i64, i64), (width, height): (i64, i64), fill: &str, says: &str) -> Element {
    let [x, y, width, height] = [x, y, width, height].map(|number| number.to_string());
    let mut block = element("rect", &[("x", &x), ("y", &y), ("width", &width), ("height", &height), ("fill", fill)]);
    block.get_children_mut().push(with_text(element("title", &[]), says).into());
    block
}

fn money((minor, exponent): (i128, u32), currency_code: &str) -> String {
    format!("{} {currency_code}", grouped(minor, exponent))
}

/// A part of a length, as an amount is of a whole; at least 1 where there is anything.
fn part(amount: i128, whole: i128, length: i64) -> i64 {
    if amount <= 0 || whole <= 0 {
        return 0;
    }
    let scaled = amount.saturating_mul(length.into()).checked_div(whole).unwrap_or_default();
    i64::try_from(scaled).unwrap_or(length).clamp(1, length)
}

fn colour(at: usize) -> &'static str {
    COLOURS.iter().cycle().nth(at.checked_rem(COLOURS.len()).unwrap_or_default()).copied().unwrap_or(INK)
}

/// About what a text takes, in bold: letters are of a font that is not known here.
fn text_width(text: &str) -> i64 {
    let of = |c: char| if c.is_ascii() { FONT.saturating_mul(2) / 3 } else { FONT.saturating_add(2) };
    text.chars().map(of).fold(0, i64::saturating_add)
}

/// A text that fits; where it does not, its beginning. What was cut stands in the drawing's title.
fn shortened(text: &str, width: i64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    for c in text.chars() {
        shown.push(c);
        if text_width(&shown).saturating_add(FONT) > width {
            shown.pop();
            break;
        }
    }
    shown.push('…');
    shown
}

fn document(title: &str, drawing: Drawing, whole: &Whole<'_>, language: Language) -> String {
    let sequence = whole.tail.sequence.to_string();
    let basis =
        messages::text(language, "chart-basis", &[("origin", &xml(&whole.tail.origin)), ("sequence", &sequence)]);
    let top = FONT.saturating_mul(4);
    let wide = drawing.width.max(text_width(title).saturating_add(40)).min(drawing.width.max(WIDTH_MAX));
    let (width, height) = (wide.to_string(), drawing.height.saturating_add(top.saturating_mul(2)).to_string());
    let mut root = element(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("width", &width),
            ("height", &height),
            ("viewBox", &format!("0 0 {width} {height}")),
            ("role", "img"),
            ("aria-labelledby", "title description"),
            ("lang", language.tag()),
            ("font-family", "sans-serif"),
            ("font-size", &FONT.to_string()),
            ("fill", INK),
        ],
    );
    let mut metadata = element("metadata", &[]);
    for (name, value) in provenance(whole.head, Some(language), whole.tail, whole.digest) {
        let entry =
            element("entry", &[("xmlns", "urn:fundledger:provenance"), ("name", &xml(&name)), ("value", &xml(&value))]);
        metadata.get_children_mut().push(entry.into());
    }
    let mut moved = element("g", &[("transform", &format!("translate(0 {top})"))]);
    for drawn in drawing.elements {
        moved.get_children_mut().push(drawn.into());
    }
    let mut heading = label(20, FONT.saturating_mul(2), "start", &shortened(title, wide.saturating_sub(40)));
    heading.get_attributes_mut().insert("font-weight".to_owned(), "bold".into());
    let foot = drawing.height.saturating_add(top).saturating_add(FONT.saturating_mul(2));
    let children = root.get_children_mut();
    children.push(with_text(element("title", &[("id", "title")]), title).into());
    children.push(with_text(element("desc", &[("id", "description")]), &drawing.description).into());
    children.push(metadata.into());
    children.push(element("rect", &[("width", "100%"), ("height", "100%"), ("fill", "#ffffff")]).into());
    children.push(heading.into());
    children.push(moved.into());
    children.push(label(20, foot, "start", &basis).into());
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{root}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporting::audit::Table;

    #[test]
    fn headings_fit_or_say_that_they_do_not() {
        assert_eq!(shortened("Execution of fund GRANT", 1_000), "Execution of fund GRANT");
        for long in ["supplier payments ".repeat(40), "专项资金".repeat(60)] {
            let cut = shortened(&long, 500);
            assert!(cut.ends_with('…') && text_width(&cut) <= 500 + FONT, "{cut}");
            assert!(text_width(&cut) > 440, "{cut}");
        }
    }

    #[test]
    fn parts_are_in_proportion_and_never_vanish() {
        for (amount, whole, expected) in [(0, 10, 0), (5, 10, 50), (10, 10, 100), (1, 1_000_000, 1), (20, 10, 100)] {
            assert_eq!(part(amount, whole, 100), expected, "{amount} of {whole}");
        }
        assert_eq!(part(i128::MAX, i128::MAX, 100), 1, "too much to compute with is drawn small, not wrong");
    }

    #[test]
    fn a_name_is_text_wherever_it_stands() {
        let hostile = "</text><script>alert(1)</script>\u{1}\" onload=\"x";
        let head = Table::LotFlow.head(vec![("lot", hostile.to_owned())]);
        let mut cells = vec![Cell::Number(1), Cell::Term("LOT"), Cell::Text(hostile.to_owned()), Cell::Term("UNIT")];
        cells.extend([Cell::Text(hostile.to_owned()), Cell::Amount(5, 2), Cell::Share(1_000_000)]);
        let tail = Tail { origin: hostile.to_owned(), sequence: 1, root: [0; 32], rows: 1, left_out: (0, 0) };
        let whole = Whole { head: &head, rows: &[Row::of(cells)], tail: &tail, digest: &[0; 32] };
        for language in [Language::English, Language::Chinese] {
            let svg = Chart::Flow.draw(&whole, language);
            assert!(svg.contains("0.05"), "{svg}");
            assert!(!svg.contains("<script") && !svg.contains('\u{1}'), "{svg}");
            assert!(svg.contains("&quot; onload=&quot;x\""), "a quotation mark ends no attribute: {svg}");
        }
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(xml("a\u{1}\u{202e}<b>\"&"), "a\u{fffd}\u{fffd}<b>\"&");
        let text = with_text(element("text", &[("id", "\"><script>")]), "</text><script>&").to_string();
        assert!(!text.contains("<script>"), "{text}");
    }
}
