//! What a file means for the ledger: lots, units, allocations, and the steps in order. Pure: no server, no clock.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::ids::{IdBook, derive};
use super::mapping::{Expiry, Kind, Mapping, Period};
use super::rows::{AMOUNT_MINOR_MAX, Fault, RefusedRow, Row, Rows};
use crate::cli::render::hex;

const LOT_CODE_CHARS_MAX: usize = 32;
const UNIT_CHARS_MAX: usize = 32;
const CODE_CHARS_MAX: usize = 64;
/// Hexadecimal digits of the file's digest in keys.
const DIGEST_DIGITS: usize = 12;

/// What is to be posted for a file.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// SHA-256 of the file.
    pub(super) digest: [u8; 32],
    /// Rows under the header, without blank ones.
    pub(super) rows_read: u64,
    /// Blank rows.
    pub(super) rows_blank: u64,
    /// Earliest business date of the file; none where no row can be posted.
    pub(super) first_date: Option<Date>,
    /// Lots to issue, in the order of their first row.
    pub(super) lots: Vec<Lot>,
    /// Units that need accounts, in the order of their first row.
    pub(super) units: Vec<String>,
    /// What to allocate: per lot and unit (payments), per line (budget).
    pub(super) allocations: Vec<Allocation>,
    /// Payments, returns and clears in order.
    pub(super) steps: Vec<Step>,
    /// Rows that are not posted, by line.
    pub(super) refused: Vec<RefusedRow>,
    /// Sum of all readable amounts, posted or not.
    pub(super) file_sum_minor: i128,
}

/// A lot to issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lot {
    /// Its id.
    pub(super) id: String,
    /// Line of its first row.
    pub(super) line: u64,
    /// Earliest business date of its rows.
    pub(super) date: Date,
    /// Last day it may be spent on.
    pub(super) expires_on: Option<Date>,
    /// Sum of its positive rows.
    pub(super) total_minor: i64,
}

/// Authority for a unit from a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allocation {
    /// Line of its (first) row.
    pub(super) line: u64,
    /// Business date.
    pub(super) date: Date,
    /// Lot.
    pub(super) lot_id: String,
    /// Unit.
    pub(super) unit_id: String,
    /// Amount.
    pub(super) amount_minor: i64,
}

/// One step, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A positive row.
    Pay(Payment),
    /// Clear every payment ordered and not yet cleared.
    Clear(Date),
    /// A negative row.
    Return(Return),
}

/// A payment to order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    /// Line of its row.
    pub(super) line: u64,
    /// Business date.
    pub(super) date: Date,
    /// Amount.
    pub(super) amount_minor: i64,
    /// Lot.
    pub(super) lot_id: String,
    /// Unit.
    pub(super) unit_id: String,
    /// Payee.
    pub(super) payee: String,
    /// Functional classification; may be empty.
    pub(super) function_code: String,
    /// Economic classification; may be empty.
    pub(super) economic_code: String,
}

/// A return to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Return {
    /// Line of its row.
    pub(super) line: u64,
    /// Business date.
    pub(super) date: Date,
    /// Amount, above zero.
    pub(super) amount_minor: i64,
    /// Line of the payment it belongs to.
    pub(super) payment_line: u64,
    /// The payment's lot.
    pub(super) lot_id: String,
}

impl Plan {
    /// First hexadecimal digits of the file's digest: the first part of the file's keys.
    pub(super) fn short_digest(&self) -> String {
        hex(&self.digest).chars().take(DIGEST_DIGITS).collect()
    }

    /// Key of a row's command; a payment row's voucher number, too.
    pub(super) fn row_key(&self, line: u64) -> String {
        format!("{}:L{line}", self.short_digest())
    }
}

/// Plans a file. Fails where a lot's total is more than an amount can hold.
pub(super) fn plan(mapping: &Mapping, rows: Rows) -> Result<Plan, String> {
    let file_sum_minor = rows
        .readable
        .iter()
        .map(|row| row.amount_minor)
        .chain(rows.refused.iter().filter_map(|row| row.amount_minor))
        .fold(0_i128, |sum, amount| sum.saturating_add(i128::from(amount)));
    let mut planner = Planner {
        mapping,
        lot_ids: BTreeMap::new(),
        unit_ids: IdBook::new(UNIT_CHARS_MAX),
        lot_codes: IdBook::new(LOT_CODE_CHARS_MAX),
        plan: Plan {
            digest: rows.digest,
            rows_read: rows.read,
            rows_blank: rows.blank,
            first_date: rows.readable.iter().map(|row| row.date).min(),
            lots: Vec::new(),
            units: Vec::new(),
            allocations: Vec::new(),
            steps: Vec::new(),
            refused: rows.refused,
            file_sum_minor,
        },
    };
    // Set-up follows the lines, so that an id that has to give way is the same one however dates run.
    planner.set_up(&rows.readable)?;
    let mut in_order = rows.readable;
    in_order.sort_by_key(|row| (row.date, row.line));
    match mapping.kind {
        Kind::Payments => planner.steps(&in_order),
        Kind::Budget => planner.refuse_negative(&in_order),
    }
    planner.plan.refused.sort_by_key(|row| row.line);
    Ok(planner.plan)
}

struct Planner<'a> {
    mapping: &'a Mapping,
    /// Lot ids by period and value.
    lot_ids: BTreeMap<(String, String), String>,
    unit_ids: IdBook,
    lot_codes: IdBook,
    plan: Plan,
}

impl Planner<'_> {
    fn set_up(&mut self, rows: &[Row]) -> Result<(), String> {
        let mut lot_places: BTreeMap<String, usize> = BTreeMap::new();
        let mut units: BTreeSet<String> = BTreeSet::new();
        let mut pair_places: BTreeMap<(String, String), usize> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.amount_minor > 0) {
            let lot_id = self.lot_id(row);
            let unit_id = self.unit_ids.id(&row.unit);
            let place = *lot_places.entry(lot_id.clone()).or_insert_with(|| {
                let expires_on = match self.mapping.lot.expires {
                    Expiry::Never => None,
                    Expiry::EndOfYear => Some(row.date.last_of_year()),
                    Expiry::EndOfMonth => Some(row.date.last_of_month()),
                };
                self.plan.lots.push(Lot {
                    id: lot_id.clone(),
                    line: row.line,
                    date: row.date,
                    expires_on,
                    total_minor: 0,
                });
                self.plan.lots.len().saturating_sub(1)
            });
            if let Some(lot) = self.plan.lots.get_mut(place) {
                lot.total_minor = add(lot.total_minor, row.amount_minor, &lot.id)?;
                lot.date = lot.date.min(row.date);
            }
            if units.insert(unit_id.clone()) {
                self.plan.units.push(unit_id.clone());
            }
            let allocation =
                Allocation { line: row.line, date: row.date, lot_id, unit_id, amount_minor: row.amount_minor };
            if self.mapping.kind == Kind::Budget {
                self.plan.allocations.push(allocation);
                continue;
            }
            let pair = (allocation.lot_id.clone(), allocation.unit_id.clone());
            if let Some(sum) = pair_places.get(&pair).and_then(|place| self.plan.allocations.get_mut(*place)) {
                sum.amount_minor = add(sum.amount_minor, row.amount_minor, &sum.lot_id)?;
                sum.date = sum.date.min(row.date);
            } else {
                pair_places.insert(pair, self.plan.allocations.len());
                self.plan.allocations.push(allocation);
            }
        }
        Ok(())
    }

    fn lot_id(&mut self, row: &Row) -> String {
        let period = match self.mapping.lot.period {
            Period::Month => format!("{:04}-{:02}", row.date.year(), row.date.month()),
            Period::Year => format!("{:04}", row.date.year()),
            Period::None => String::new(),
        };
        let key = (period, row.lot.clone());
        if let Some(id) = self.lot_ids.get(&key) {
            return id.clone();
        }
        let code = self.lot_codes.id(&row.lot);
        let prefix = self.mapping.lot.prefix.as_ref().map_or("", |prefix| &prefix.0);
        let parts: Vec<&str> = [prefix, &key.0, &code].into_iter().filter(|part| !part.is_empty()).collect();
        let id = parts.join(".");
        self.lot_ids.insert(key, id.clone());
        id
    }

    /// Payments, returns and clears, by date, then line.
    fn steps(&mut self, in_order: &[Row]) {
        let mut earlier: BTreeMap<(&str, &str, &str), Vec<Left>> = BTreeMap::new();
        // The line from which on payments are not cleared yet, by position among the payments.
        let mut ordered = 0_usize;
        let mut cleared = 0_usize;
        for (row, next) in in_order.iter().zip(in_order.iter().skip(1).map(Some).chain([None])) {
            let same = earlier.entry((&row.payee, &row.lot, &row.unit)).or_default();
            if row.amount_minor > 0 {
                let payment = self.payment(row);
                same.push(Left {
                    line: row.line,
                    lot_id: payment.lot_id.clone(),
                    place: ordered,
                    rest_minor: row.amount_minor,
                });
                ordered = ordered.saturating_add(1);
                self.plan.steps.push(Step::Pay(payment));
            } else {
                let amount_minor = row.amount_minor.saturating_neg();
                match same.iter_mut().rev().find(|payment| payment.rest_minor >= amount_minor) {
                    Some(target) => {
                        if target.place >= cleared {
                            self.plan.steps.push(Step::Clear(row.date));
                            cleared = ordered;
                        }
                        target.rest_minor = target.rest_minor.saturating_sub(amount_minor);
                        self.plan.steps.push(Step::Return(Return {
                            line: row.line,
                            date: row.date,
                            amount_minor,
                            payment_line: target.line,
                            lot_id: target.lot_id.clone(),
                        }));
                    }
                    None => self.plan.refused.push(RefusedRow {
                        line: row.line,
                        amount_minor: Some(row.amount_minor),
                        fault: Fault::ReturnWithoutPayment,
                    }),
                }
            }
            if cleared < ordered && next.is_none_or(|next| next.date != row.date) {
                self.plan.steps.push(Step::Clear(row.date));
                cleared = ordered;
            }
        }
    }

    fn payment(&mut self, row: &Row) -> Payment {
        let code = |value: &str| if value.is_empty() { String::new() } else { derive(value, CODE_CHARS_MAX) };
        Payment {
            line: row.line,
            date: row.date,
            amount_minor: row.amount_minor,
            lot_id: self.lot_id(row),
            unit_id: self.unit_ids.id(&row.unit),
            payee: row.payee.clone(),
            function_code: code(&row.function),
            economic_code: code(&row.economic),
        }
    }

    fn refuse_negative(&mut self, rows: &[Row]) {
        let negative = rows.iter().filter(|row| row.amount_minor < 0);
        self.plan.refused.extend(negative.map(|row| RefusedRow {
            line: row.line,
            amount_minor: Some(row.amount_minor),
            fault: Fault::BudgetLineNegative,
        }));
    }
}

/// A payment that something may still come back of.
struct Left {
    line: u64,
    lot_id: String,
    /// Position among the payments, in order.
    place: usize,
    rest_minor: i64,
}

fn add(sum: i64, amount: i64, lot_id: &str) -> Result<i64, String> {
    sum.checked_add(amount)
        .filter(|sum| *sum <= AMOUNT_MINOR_MAX)
        .ok_or_else(|| format!("lot {lot_id}: its rows add up to more than {AMOUNT_MINOR_MAX} minor units"))
}
