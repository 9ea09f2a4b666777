//! Execution by month, as bars: what was paid, and beside it what came back.

use std::collections::BTreeMap;

use super::{COLOURS, Drawing, FAINT, FONT, Whole, block, colour, element, label, money, part};
use crate::messages::{self, Language};
use crate::reporting::decimal::grouped;
use crate::reporting::files::title;
use crate::reporting::table::Cell;
use crate::reporting::terms;

const LEFT: i64 = 150;
const BAR: i64 = 22;
const MONTH: i64 = 64;
const HEIGHT: i64 = 300;
const GRID_LINES: i64 = 5;
/// Months without movement are shown between others, unless somebody dated something in another century.
const MONTHS_MAX: usize = 600;

/// Draws the table `execution-by-month` of one fund.
pub(super) fn draw(whole: &Whole<'_>, language: Language) -> Drawing {
    let mut months: BTreeMap<i32, [i128; 2]> = BTreeMap::new();
    let (mut exponent, mut currency_code) = (0, String::new());
    for row in whole.rows.iter().filter(|row| *whole.cell(row, "line") == Cell::Term(terms::UNIT)) {
        let Cell::Month(month) = whole.cell(row, "month") else { continue };
        let [paid, returned] = months.entry(*month).or_default();
        let (amount, decimals) = whole.amount(row, "paid");
        *paid = paid.saturating_add(amount);
        *returned = returned.saturating_add(whole.amount(row, "returned").0);
        (exponent, currency_code) = (decimals, whole.text(row, "currency_code"));
    }
    fill(&mut months);
    let most = months.values().flatten().copied().max().unwrap_or_default();
    let top = round_up(most);
    let count = i64::try_from(months.len()).unwrap_or(i64::MAX);
    let right = LEFT.saturating_add(count.max(4).saturating_mul(MONTH));
    let mut elements = Vec::new();
    for line in 0..=GRID_LINES {
        let value = top.saturating_mul(line.into()).checked_div(GRID_LINES.into()).unwrap_or_default();
        let y = HEIGHT.saturating_sub(part(value, top, HEIGHT));
        let [from, to, at] = [LEFT, right, y].map(|number| number.to_string());
        let style = [("x1", from.as_str()), ("x2", &to), ("y1", &at), ("y2", &at), ("stroke", FAINT)];
        elements.push(element("line", &style));
        elements.push(label(LEFT.saturating_sub(8), y.saturating_add(4), "end", &grouped(value, exponent)));
    }
    let names = [title(language, "paid"), title(language, "returned")];
    let mut told = Vec::new();
    let mut x = LEFT.saturating_add(10);
    for (month, amounts) in &months {
        let month = Cell::Month(*month).canonical();
        let mut at = x;
        for ((amount, name), fill) in amounts.iter().zip(&names).zip(COLOURS) {
            let height = part(*amount, top, HEIGHT);
            let says = format!("{month} {name}: {}", money((*amount, exponent), &currency_code));
            if height > 0 {
                elements.push(block((at, HEIGHT.saturating_sub(height)), (BAR, height), fill, &says));
                told.push(says);
            }
            at = at.saturating_add(BAR);
        }
        elements.push(label(x.saturating_add(BAR), HEIGHT.saturating_add(FONT.saturating_mul(2)), "middle", &month));
        x = x.saturating_add(MONTH);
    }
    // The legend.
    let below = HEIGHT.saturating_add(FONT.saturating_mul(4));
    let mut x = LEFT;
    for (at, name) in names.iter().enumerate() {
        elements.push(block((x, below.saturating_sub(FONT)), (FONT, FONT), colour(at), name));
        elements.push(label(
            x.saturating_add(FONT.saturating_mul(2)),
            below,
            "start",
            &format!("{name} ({currency_code})"),
        ));
        x = x.saturating_add(180);
    }
    let width = right.saturating_add(40).max(560);
    let description = messages::text(language, "chart-execution-description", &[("values", &told.join("; "))]);
    Drawing { width, height: below.saturating_add(FONT), elements, description }
}

/// Puts months without movement between the first and the last.
fn fill(months: &mut BTreeMap<i32, [i128; 2]>) {
    let (Some((first, _)), Some((last, _))) = (months.first_key_value(), months.last_key_value()) else { return };
    let (first, last) = (*first, *last);
    let next = |month: &i32| {
        let after = month.saturating_add(1);
        Some(if after.rem_euclid(100) > 12 { after.saturating_add(88) } else { after })
    };
    let between: Vec<i32> = std::iter::successors(Some(first), next)
        .take_while(|month| *month < last)
        .take(MONTHS_MAX.saturating_add(1))
        .collect();
    if between.len() <= MONTHS_MAX {
        for month in between {
            months.entry(month).or_default();
        }
    }
}

/// The next number of the form 1, 2 or 5 times a power of ten.
fn round_up(amount: i128) -> i128 {
    let mut power = 1_i128;
    loop {
        for step in [1, 2, 5] {
            let number = power.saturating_mul(step);
            if number >= amount || number == i128::MAX {
                return number;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (amount, expected) in [(0, 1), (1, 1), (3, 5), (11, 20), (999, 1_000), (i128::MAX, i128::MAX)] {
            assert_eq!(round_up(amount), expected);
        }
    }

    #[test]
    fn months_between_are_filled() {
        let mut months = BTreeMap::from([(202_511, [1, 0]), (202_602, [2, 0])]);
        fill(&mut months);
        assert_eq!(months.keys().copied().collect::<Vec<_>>(), [202_511, 202_512, 202_601, 202_602]);
        let mut far = BTreeMap::from([(190_001, [1, 0]), (202_602, [2, 0])]);
        fill(&mut far);
        assert_eq!(far.len(), 2);
    }
}
