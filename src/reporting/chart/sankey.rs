//! A lot's money as a Sankey diagram: places in columns, as high as what passed through them, and bands between them.

use std::collections::BTreeMap;

use super::{Drawing, FONT, Whole, block, colour, element, label, money, part, with_text};
use crate::messages::{self, Language};
use crate::reporting::table::Cell;
use crate::reporting::terms;

const LEFT: i64 = 20;
const PLACE: i64 = 16;
const COLUMN: i64 = 290;
/// Room between places of a column: their labels have two lines.
const GAP: i64 = 30;
const HEIGHT_MIN: i64 = 360;

/// A place, by the column that it stands in, its term and its name.
type Key = (i64, String, String);

struct Band {
    from: Key,
    to: Key,
    amount: i128,
}

/// A place that has been put somewhere.
struct Place {
    y: i64,
    amount: i128,
    /// What has left it, and come to it, so far.
    left: i128,
    came: i128,
}

/// Draws the table `lot-flow`.
pub(super) fn draw(whole: &Whole<'_>, language: Language) -> Drawing {
    let mut bands = Vec::new();
    let (mut exponent, mut currency_code) = (0, String::new());
    for row in whole.rows {
        let (amount, decimals) = whole.amount(row, "amount");
        let Cell::Number(level) = whole.cell(row, "level") else { continue };
        if amount <= 0 {
            continue;
        }
        let key = |column: i64, term: &str, name: &str| (column, whole.text(row, term), whole.text(row, name));
        let from = key(level.saturating_sub(1), "from", "from_name");
        bands.push(Band { from, to: key(*level, "to", "to_name"), amount });
        (exponent, currency_code) = (decimals, whole.text(row, "currency_code"));
    }
    let total: i128 = bands.iter().filter(|band| band.to.0 == 1).map(|band| band.amount).sum();
    let keys = in_order(&bands);
    let mut columns: BTreeMap<i64, Vec<&Key>> = BTreeMap::new();
    for key in &keys {
        columns.entry(key.0).or_default().push(key);
    }
    let longest = columns.values().map(Vec::len).max().unwrap_or_default();
    let longest = i64::try_from(longest).unwrap_or(i64::MAX);
    let high = HEIGHT_MIN.max(longest.saturating_mul(GAP));
    let mut places: BTreeMap<&Key, Place> = BTreeMap::new();
    let mut bottom = 0;
    for column in columns.values() {
        let mut y = 0_i64;
        for key in column {
            let came: i128 = bands.iter().filter(|band| band.to == **key).map(|band| band.amount).sum();
            let went: i128 = bands.iter().filter(|band| band.from == **key).map(|band| band.amount).sum();
            let amount = came.max(went);
            places.insert(key, Place { y, amount, left: 0, came: 0 });
            y = y.saturating_add(part(amount, total, high)).saturating_add(GAP);
        }
        bottom = bottom.max(y);
    }
    let mut drawn = Vec::new();
    let mut told = Vec::new();
    let name = |(_, term, name): &Key| named(language, term, name);
    for (at, band) in bands.iter().enumerate() {
        let height = part(band.amount, total, high);
        let side = |place: Option<&mut Place>, is_from: bool| {
            place.map_or(0, |place| {
                let passed = if is_from { &mut place.left } else { &mut place.came };
                let y = place.y.saturating_add(if *passed == 0 { 0 } else { part(*passed, total, high) });
                *passed = passed.saturating_add(band.amount);
                y
            })
        };
        let from_y = side(places.get_mut(&band.from), true);
        let to_y = side(places.get_mut(&band.to), false);
        let says =
            format!("{} → {}: {}", name(&band.from), name(&band.to), money((band.amount, exponent), &currency_code));
        let path = band_path((x(band.from.0).saturating_add(PLACE), from_y), (x(band.to.0), to_y), height);
        let style = [("d", path.as_str()), ("fill", colour(at)), ("fill-opacity", "0.35")];
        let mut shape = element("path", &style);
        shape.get_children_mut().push(with_text(element("title", &[]), &says).into());
        drawn.push(shape);
        told.push(says);
    }
    for (key, place) in &places {
        let says = money((place.amount, exponent), &currency_code);
        let height = part(place.amount, total, high).max(1);
        drawn.push(block((x(key.0), place.y), (PLACE, height), super::INK, &format!("{}: {says}", name(key))));
        let text_x = x(key.0).saturating_add(PLACE).saturating_add(6);
        drawn.push(label(text_x, place.y.saturating_add(FONT), "start", &name(key)));
        drawn.push(label(text_x, place.y.saturating_add(FONT.saturating_mul(2)), "start", &says));
    }
    let last = columns.keys().max().copied().unwrap_or_default();
    let width = x(last).saturating_add(COLUMN).max(560);
    let description = messages::text(language, "chart-flow-description", &[("values", &told.join("; "))]);
    Drawing { width, height: bottom.max(GAP), elements: drawn, description }
}

fn x(column: i64) -> i64 {
    LEFT.saturating_add(column.saturating_mul(COLUMN))
}

/// What a place is called.
fn named(language: Language, term: &str, name: &str) -> String {
    let kind = terms::label(language, term);
    // Where it is a kind of account, the unit stands before it already.
    let is_account = ![terms::LOT, terms::UNIT, terms::PURPOSE].contains(&term);
    match name {
        "" => kind,
        _ if is_account => format!("{kind} ({name})"),
        _ => format!("{kind} {name}"),
    }
}

/// Places in the order in which they are drawn: of each column those that come from the same place together.
fn in_order(bands: &[Band]) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for band in bands {
        for key in [&band.from, &band.to] {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
    }
    keys
}

/// A band of a height between two places, from left to right.
fn band_path((from_x, from_y): (i64, i64), (to_x, to_y): (i64, i64), height: i64) -> String {
    let middle = from_x.midpoint(to_x);
    let (from_end, to_end) = (from_y.saturating_add(height), to_y.saturating_add(height));
    format!(
        "M{from_x} {from_y} C{middle} {from_y} {middle} {to_y} {to_x} {to_y} V{to_end} \
         C{middle} {to_end} {middle} {from_end} {from_x} {from_end} Z"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(from: (i64, &str), to: (i64, &str), amount: i128) -> Band {
        let key = |(column, name): (i64, &str)| (column, "UNIT".to_owned(), name.to_owned());
        Band { from: key(from), to: key(to), amount }
    }

    #[test]
    fn places_stand_once_and_in_the_order_of_their_bands() {
        let bands = [band((0, "lot"), (1, "b"), 2), band((0, "lot"), (1, "a"), 1), band((1, "b"), (2, "c"), 2)];
        let names: Vec<String> = in_order(&bands).into_iter().map(|(_, _, name)| name).collect();
        assert_eq!(names, ["lot", "b", "a", "c"]);
    }

    #[test]
    fn bands_are_closed_shapes() {
        assert_eq!(band_path((10, 0), (30, 5), 4), "M10 0 C20 0 20 5 30 5 V9 C20 9 20 4 10 4 Z");
    }
}
