//! Which entries bank and books have in common: by reference, then by amount within it.
//!
//! The law: every line of either side is in exactly one match or one difference. Lines are never told apart or made one by
//! their content: two that are alike are two.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

/// A line of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The bank's reference; `None` where the side has none.
    pub(super) reference: Option<String>,
    /// Day; `None` for what an earlier statement left open.
    pub(super) date: Option<Date>,
    /// Minor units: above 0 in, below 0 out.
    pub(super) amount_minor: i64,
}

/// How lines were found to belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// Same reference, same amount.
    Reference,
    /// Same reference, same sum.
    Sum,
    /// Same day and amount, once on either side, and a reference on one side at most.
    DayAndAmount,
    /// Lines of one side under one reference that come to nothing: an error and its correction.
    Offset,
}

/// Lines that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// How they were found.
    pub(super) how: How,
    /// Places of the bank's lines.
    pub(super) bank: Vec<usize>,
    /// Places of the books' lines.
    pub(super) books: Vec<usize>,
}

/// Lines on which the sides do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// The reference they have.
    pub(super) reference: Option<String>,
    /// Places of the bank's lines.
    pub(super) bank: Vec<usize>,
    /// Places of the books' lines.
    pub(super) books: Vec<usize>,
}

/// What became of all lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// What belongs together.
    pub(super) matches: Vec<Match>,
    /// What does not.
    pub(super) open: Vec<Open>,
}

/// Compares the lines of bank and books.
pub(super) fn compare(bank: &[Line], books: &[Line]) -> Compared {
    let mut groups: BTreeMap<&str, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    let mut free_bank = Vec::new();
    let mut free_books = Vec::new();
    for (at, line) in bank.iter().enumerate() {
        match &line.reference {
            Some(reference) => groups.entry(reference).or_default().0.push(at),
            None => free_bank.push(at),
        }
    }
    for (at, line) in books.iter().enumerate() {
        match &line.reference {
            Some(reference) => groups.entry(reference).or_default().1.push(at),
            None => free_books.push(at),
        }
    }
    let mut compared = Compared::default();
    for (reference, (of_bank, of_books)) in groups {
        let (left_bank, left_books) = pair(bank, books, of_bank, of_books, &mut compared.matches);
        match (left_bank.is_empty(), left_books.is_empty()) {
            (true, true) => {}
            // What only one side knows may be what the other has without a reference.
            (false, true) => free_bank.extend(left_bank),
            (true, false) => free_books.extend(left_books),
            (false, false) => {
                compared.open.extend(differences(bank, books, reference, left_bank, left_books));
            }
        }
    }
    by_day_and_amount(bank, books, free_bank, free_books, &mut compared);
    compared
}

fn amount(lines: &[Line], at: usize) -> i64 {
    lines.get(at).map_or(0, |line| line.amount_minor)
}

fn sum(lines: &[Line], places: &[usize]) -> i128 {
    places.iter().fold(0, |sum, at| sum.saturating_add(amount(lines, *at).into()))
}

/// Pairs equal amounts of one reference, then what is left by its sum; gives what does not agree.
fn pair(
    bank: &[Line],
    books: &[Line],
    of_bank: Vec<usize>,
    of_books: Vec<usize>,
    matches: &mut Vec<Match>,
) -> (Vec<usize>, Vec<usize>) {
    let mut waiting: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for at in of_books.into_iter().rev() {
        waiting.entry(amount(books, at)).or_default().push(at);
    }
    let mut left_bank = Vec::new();
    for at in of_bank {
        match waiting.get_mut(&amount(bank, at)).and_then(Vec::pop) {
            Some(book) => matches.push(Match { how: How::Reference, bank: vec![at], books: vec![book] }),
            None => left_bank.push(at),
        }
    }
    let mut left_books: Vec<usize> = waiting.into_values().flatten().collect();
    left_books.sort_unstable();
    let is_any = !left_bank.is_empty() || !left_books.is_empty();
    if is_any && sum(bank, &left_bank) == sum(books, &left_books) {
        let how = if left_bank.is_empty() || left_books.is_empty() { How::Offset } else { How::Sum };
        matches.push(Match { how, bank: std::mem::take(&mut left_bank), books: std::mem::take(&mut left_books) });
    }
    (left_bank, left_books)
}

/// One difference of a reference; one a line where a side's lines come to nothing, since 0 would say that it has none, or
/// to more than an amount can say.
fn differences(
    bank: &[Line],
    books: &[Line],
    reference: &str,
    left_bank: Vec<usize>,
    left_books: Vec<usize>,
) -> Vec<Open> {
    let reference = Some(reference.to_owned());
    let is_said = |sum: i128| sum != 0 && sum.unsigned_abs() < 1 << 53;
    if is_said(sum(bank, &left_bank)) && is_said(sum(books, &left_books)) {
        return vec![Open { reference, bank: left_bank, books: left_books }];
    }
    let of_bank = left_bank.into_iter().map(|at| (vec![at], Vec::new()));
    let of_books = left_books.into_iter().map(|at| (Vec::new(), vec![at]));
    of_bank.chain(of_books).map(|(bank, books)| Open { reference: reference.clone(), bank, books }).collect()
}

/// Pairs what has the same day and amount, if that is once on either side and at most one of the two has a reference.
fn by_day_and_amount(
    bank: &[Line],
    books: &[Line],
    free_bank: Vec<usize>,
    free_books: Vec<usize>,
    compared: &mut Compared,
) {
    type Alike = BTreeMap<(Date, i64), Vec<usize>>;
    let alike = |lines: &[Line], places: &[usize]| -> Alike {
        let mut found = Alike::new();
        for at in places {
            if let Some(Line { date: Some(date), amount_minor, .. }) = lines.get(*at) {
                found.entry((*date, *amount_minor)).or_default().push(*at);
            }
        }
        found
    };
    let in_books = alike(books, &free_books);
    let mut paired_bank = BTreeSet::new();
    let mut paired_books = BTreeSet::new();
    for (key, places) in alike(bank, &free_bank) {
        let (&[at], Some(&[book])) = (places.as_slice(), in_books.get(&key).map(Vec::as_slice)) else { continue };
        let has_reference = |lines: &[Line], at: usize| lines.get(at).is_some_and(|line| line.reference.is_some());
        if has_reference(bank, at) && has_reference(books, book) {
            continue;
        }
        compared.matches.push(Match { how: How::DayAndAmount, bank: vec![at], books: vec![book] });
        paired_bank.insert(at);
        paired_books.insert(book);
    }
    let reference = |lines: &[Line], at: usize| lines.get(at).and_then(|line| line.reference.clone());
    for at in free_bank.into_iter().filter(|at| !paired_bank.contains(at)) {
        compared.open.push(Open { reference: reference(bank, at), bank: vec![at], books: Vec::new() });
    }
    for at in free_books.into_iter().filter(|at| !paired_books.contains(at)) {
        compared.open.push(Open { reference: reference(books, at), bank: Vec::new(), books: vec![at] });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(reference: &str, day: i8, amount_minor: i64) -> Line {
        let reference = (!reference.is_empty()).then(|| reference.to_owned());
        Line { reference, date: Some(Date::constant(2026, 3, day)), amount_minor }
    }

    /// How many lines of bank and books matched each way, and the differences as (reference, bank, books).
    fn check(bank: &[Line], books: &[Line], matched: &[(How, usize, usize)], open: &[(&str, i64, i64)]) {
        let compared = compare(bank, books);
        let mut found: Vec<_> = compared.matches.iter().map(|m| (m.how, m.bank.len(), m.books.len())).collect();
        found.sort_unstable();
        assert_eq!(found, matched);
        let mut differ: Vec<_> = compared
            .open
            .iter()
            .map(|o| {
                let minor = |lines: &[Line], places: &[usize]| i64::try_from(sum(lines, places)).unwrap();
                (o.reference.as_deref().unwrap_or(""), minor(bank, &o.bank), minor(books, &o.books))
            })
            .collect();
        differ.sort_unstable();
        assert_eq!(differ, open);
    }

    #[test]
    fn by_reference_then_by_amount() {
        use How::{DayAndAmount, Offset, Reference, Sum};
        let l = line;
        check(&[l("A", 1, 5)], &[l("A", 2, 5)], &[(Reference, 1, 1)], &[]);
        check(&[l("A", 1, 5)], &[l("A", 1, 6)], &[], &[("A", 5, 6)]);
        check(&[l("A", 1, 5)], &[l("A", 1, -5)], &[], &[("A", 5, -5)]);
        check(&[l("A", 1, 5)], &[l("B", 1, 5)], &[], &[("A", 5, 0), ("B", 0, 5)]);
        // Alike is not the same: two are two.
        check(&[l("A", 1, 5), l("A", 1, 5)], &[l("A", 1, 5)], &[(Reference, 1, 1)], &[("A", 5, 0)]);
        check(
            &[l("A", 1, 5), l("A", 1, 5)],
            &[l("A", 1, 5), l("A", 1, 5)],
            &[(Reference, 1, 1), (Reference, 1, 1)],
            &[],
        );
        // One clearing of several payments, and the other way round.
        check(&[l("A", 1, 12)], &[l("A", 1, 5), l("A", 1, 7)], &[(Sum, 1, 2)], &[]);
        check(
            &[l("A", 1, 5), l("A", 1, 7), l("A", 1, 1)],
            &[l("A", 1, 12), l("A", 1, 1)],
            &[(Reference, 1, 1), (Sum, 2, 1)],
            &[],
        );
        check(&[l("A", 1, 5), l("A", 1, 8)], &[l("A", 1, 12)], &[], &[("A", 13, 12)]);
        check(&[l("A", 1, 5), l("A", 2, -5)], &[], &[(Offset, 2, 0)], &[]);
        check(&[l("A", 1, 5), l("A", 2, -5)], &[l("A", 1, 3)], &[], &[("A", -5, 0), ("A", 0, 3), ("A", 5, 0)]);
        // Without a reference: the day and the amount, if that is one on either side.
        check(&[l("", 1, 5)], &[l("A", 1, 5)], &[(DayAndAmount, 1, 1)], &[]);
        check(&[l("A", 1, 5)], &[l("", 1, 5)], &[(DayAndAmount, 1, 1)], &[]);
        check(&[l("", 1, 5)], &[l("A", 2, 5)], &[], &[("", 5, 0), ("A", 0, 5)]);
        check(&[l("", 1, 5), l("", 1, 5)], &[l("A", 1, 5)], &[], &[("", 5, 0), ("", 5, 0), ("A", 0, 5)]);
        check(&[l("", 1, 5)], &[l("A", 1, 5), l("B", 1, 5)], &[], &[("", 5, 0), ("A", 0, 5), ("B", 0, 5)]);
        check(&[l("", 1, 5), l("C", 1, 5)], &[l("A", 1, 5)], &[], &[("", 5, 0), ("A", 0, 5), ("C", 5, 0)]);
    }

    fn lines() -> impl Strategy<Value = Vec<Line>> {
        let one =
            (prop::option::of(0..4_u8), prop::option::of(1..3_i8), prop::sample::select(vec![-7_i64, -5, 2, 5, 7, 12]));
        let line = one.prop_map(|(reference, day, amount_minor)| Line {
            reference: reference.map(|reference| format!("R{reference}")),
            date: day.map(|day| Date::constant(2026, 3, day)),
            amount_minor,
        });
        prop::collection::vec(line, 0..12)
    }

    proptest! {
        #[test]
        fn every_line_is_in_one_place(bank in lines(), books in lines()) {
            let compared = compare(&bank, &books);
            let places = |of: fn(&Match) -> &Vec<usize>, and: fn(&Open) -> &Vec<usize>| {
                let mut all: Vec<usize> = compared.matches.iter().flat_map(of).chain(compared.open.iter().flat_map(and)).copied().collect();
                all.sort_unstable();
                all
            };
            prop_assert_eq!(places(|m| &m.bank, |o| &o.bank), (0..bank.len()).collect::<Vec<_>>());
            prop_assert_eq!(places(|m| &m.books, |o| &o.books), (0..books.len()).collect::<Vec<_>>());
            for found in &compared.matches {
                prop_assert_eq!(sum(&bank, &found.bank), sum(&books, &found.books));
                let references: BTreeSet<_> = found.bank.iter().map(|at| &bank[*at].reference)
                    .chain(found.books.iter().map(|at| &books[*at].reference)).collect();
                prop_assert!(references.len() == 1 || (found.how == How::DayAndAmount && references.contains(&None)));
            }
            // What differs is what the balances differ by.
            let differ = |lines: &[Line]| lines.iter().map(|line| i128::from(line.amount_minor)).sum::<i128>();
            let open_in = |lines: &[Line], of: fn(&Open) -> &Vec<usize>| compared.open.iter().map(|open| sum(lines, of(open))).sum::<i128>();
            let (of_bank, of_books) = (open_in(&bank, |open| &open.bank), open_in(&books, |open| &open.books));
            prop_assert_eq!(of_bank.checked_sub(of_books), differ(&bank).checked_sub(differ(&books)));
        }

        #[test]
        fn a_side_agrees_with_itself_in_any_order(bank in lines().prop_filter("a reference each", |lines| lines.iter().all(|line| line.reference.is_some()))) {
            let books: Vec<Line> = bank.iter().rev().cloned().collect();
            prop_assert_eq!(compare(&bank, &books).open, Vec::new());
        }
    }
}
