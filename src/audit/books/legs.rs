//! Legs: whether they may stand, what they add up to, and whether the sums agree (I1 to I6).

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use super::kinds::{DRAWABLE, Meaning, Moves, Need, change, is_asset, is_cash, tracks_lots};
use super::tables::{Due, Held};
use super::{Books, Posting, Side, Statement};
use crate::audit::report::{Fact, FaultKind};
use crate::pb::v1::{AccountKind as Kind, Leg};

/// Most that one leg moves.
pub(super) const AMOUNT_MAX_MINOR: u64 = (1 << 53) - 1;
/// Most legs of one event.
pub(super) const LEGS_MAX: usize = 4_096;

impl Books {
    /// Sums up the hashes of legs, so that their order does not matter.
    pub(super) fn legs_hash(&self, legs: &[Leg], side: Side) -> u64 {
        let hash = |leg: &Leg| self.leg_hashes.hash_one((leg.account, leg.lot, side.of(leg.amount_minor)));
        legs.iter().fold(0, |sum: u64, leg| sum.wrapping_add(hash(leg)))
    }

    /// Turns the legs that can stand into postings; gives their fund.
    pub(super) fn resolve(
        &mut self,
        sequence: i64,
        legs: &[Leg],
        moves: Option<&Moves>,
        postings: &mut Vec<Posting>,
    ) -> Option<i32> {
        let mut fund = None;
        for leg in legs {
            match self.check_leg(leg, moves, fund) {
                Ok((posting, of_fund)) => {
                    fund = fund.or(Some(of_fund));
                    postings.push(posting);
                }
                Err(message) => self.findings.add(sequence, FaultKind::Leg, message),
            }
        }
        if legs.len() > LEGS_MAX {
            self.findings.add(sequence, FaultKind::Leg, fact!("{} legs", legs.len()));
        }
        let (mut authority, mut cash) = (0_i128, 0_i128);
        let (mut moves_authority, mut moves_cash) = (false, false);
        for posting in postings.iter() {
            let is_cash = is_cash(posting.kind);
            let (sum, is_moved) =
                if is_cash { (&mut cash, &mut moves_cash) } else { (&mut authority, &mut moves_authority) };
            *sum = sum.saturating_add(posting.amount.into());
            *is_moved = true;
        }
        // A leg that cannot stand has been reported; that the others do not balance without it is no news.
        if postings.len() == legs.len() {
            for (book, sum) in [("authority", authority), ("cash", cash)] {
                if sum != 0 {
                    let message = fact!("debits and credits of the {} book differ by {}", book, sum);
                    self.findings.add(sequence, FaultKind::Unbalanced, message);
                }
            }
            let lacks = |need: Need, is_moved: bool| need == Need::Must && !is_moved;
            if moves.is_some_and(|moves| lacks(moves.authority, moves_authority) || lacks(moves.cash, moves_cash)) {
                self.findings.add(sequence, FaultKind::Leg, fact!("the event does not move what its type has to move"));
            }
        }
        fund
    }

    fn check_leg(&self, leg: &Leg, moves: Option<&Moves>, fund: Option<i32>) -> Result<(Posting, i32), Fact> {
        let Leg { account: number, lot, amount_minor: amount } = *leg;
        let Some(account) = self.accounts.get(number) else {
            return Err(fact!("a leg on unknown account {}", number));
        };
        if amount == 0 || amount.unsigned_abs() > AMOUNT_MAX_MINOR {
            return Err(fact!("a leg of {} on account {}", amount, number));
        }
        if fund.is_some_and(|fund| fund != account.fund) {
            return Err(fact!("a leg on account {} of another fund", number));
        }
        if account.is_closed {
            return Err(fact!("a leg on account {}, which is closed", number));
        }
        if tracks_lots(account.kind) {
            let Some(row) = self.lots.get(lot) else {
                return Err(fact!("a leg on account {} with unknown lot {}", number, lot));
            };
            if row.fund != account.fund {
                return Err(fact!("a leg on account {} with lot {} of another fund", number, lot));
            }
        } else if lot != 0 {
            return Err(fact!("a leg with lot {} on account {}, which tracks none", lot, number));
        }
        let allowed = moves.map(|moves| if amount > 0 { moves.debits } else { moves.credits });
        if allowed.is_some_and(|kinds| !kinds.contains(&account.kind)) {
            let side = if amount > 0 { "debited" } else { "credited" };
            let kind = account.kind.as_str_name();
            return Err(fact!("account {} of kind {} is {} by an event of this type", number, kind, side));
        }
        Ok((Posting { account: number, lot, kind: account.kind, amount }, account.fund))
    }

    /// Applies postings to the balances, then looks at those that fell (I2, I3).
    pub(super) fn post(&mut self, sequence: i64, business_day: i32, fund: Option<i32>, postings: &[Posting]) {
        let Some((number, fund)) = fund.and_then(|number| Some((number, self.funds.get_mut(number)?))) else { return };
        let mut is_below = false;
        for posting in postings {
            let change = change(posting.kind, posting.amount);
            let wide = i128::from(change);
            let cell = fund.cells.entry((posting.account, posting.lot)).or_default();
            if let Some(sum) = cell.checked_add(change) {
                *cell = sum;
            } else {
                let message = fact!("account {} of fund {} overflows", posting.account, number);
                self.findings.add(sequence, FaultKind::Books, message);
            }
            let fell_below = *cell < 0 && change < 0;
            if let Some(account) = self.accounts.get_mut(posting.account) {
                account.balance = account.balance.saturating_add(wide);
                if let Some(movements) = &mut account.movements {
                    movements.add(sequence, business_day, change);
                }
                is_below |= fell_below || (account.balance < 0 && change < 0);
            }
            if let Some(lot) = self.lots.get_mut(posting.lot) {
                lot.held.add(posting.kind, change);
            }
            if is_asset(posting.kind) {
                fund.assets = fund.assets.saturating_add(wide);
            } else if is_cash(posting.kind) {
                fund.claims = fund.claims.saturating_add(wide);
            }
        }
        if is_below {
            self.report_below_zero(sequence, number, postings);
        }
        let is_opening = self.originals.last().is_some_and(|original| original.meaning == Meaning::Opening);
        if let Some(fund) = self.funds.get_mut(number).filter(|_| !is_opening && !postings.is_empty()) {
            fund.has_moved = true;
        }
    }

    fn report_below_zero(&mut self, sequence: i64, fund: i32, postings: &[Posting]) {
        let mut told = Vec::new();
        for posting in postings {
            let change = change(posting.kind, posting.amount);
            let place = (posting.account, posting.lot);
            if change >= 0 || told.contains(&place) {
                continue;
            }
            told.push(place);
            let held = self.funds.get(fund).and_then(|fund| fund.cells.get(&place)).copied().unwrap_or(0);
            if held < 0 && tracks_lots(posting.kind) {
                let message = fact!("account {} holds {} of lot {}", posting.account, held, posting.lot);
                self.findings.add(sequence, FaultKind::NegativeLot, message);
            }
            let Some(account) = self.accounts.get_mut(posting.account) else { continue };
            let is_below = account.balance < 0 && account.kind != Kind::AuthoritySource;
            if is_below && !account.is_reported {
                let message = fact!("account {} holds {}", posting.account, account.balance);
                self.findings.add(sequence, FaultKind::NegativeBalance, message);
            }
            // An account below zero is told of once, not at every event that leaves it there.
            account.is_reported = is_below;
        }
    }

    /// Books what an event means for its lots, read from the sides that do not make up what the lots hold.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a table of the legs that count; the others mean nothing")]
    pub(super) fn mean(&mut self, meaning: Meaning, side: Side, postings: &[Posting]) {
        let of_kind = |kind: Kind| postings.iter().filter(move |posting| posting.kind == kind);
        let lot_of_cash = of_kind(Kind::FundLot).next().map(|posting| posting.lot);
        for posting in postings {
            let (kind, amount) = (posting.kind, side.of(posting.amount));
            let size = i128::from(amount.saturating_abs());
            let (is_debit, mut lot) = (amount > 0, posting.lot);
            let mut due = Due::default();
            match meaning {
                Meaning::Final | Meaning::Movement => return,
                Meaning::Issue | Meaning::Supplement if kind == Kind::AuthorityUnallocated && !is_debit => {
                    due.issued = size;
                }
                Meaning::Reduction if kind != Kind::AuthoritySource && is_debit => {
                    due.issued = size.saturating_neg();
                }
                Meaning::Receipt | Meaning::Recovery if kind == Kind::Treasury => {
                    let Some(of_cash) = lot_of_cash else { continue };
                    lot = of_cash;
                    due.cash = amount.into();
                }
                Meaning::Payment if DRAWABLE.contains(&kind) => {
                    due.used = size;
                    due.cash = size.saturating_neg();
                }
                Meaning::Return if DRAWABLE.contains(&kind) || kind == Kind::AuthorityRecalled => {
                    due.used = size.saturating_neg();
                    // What comes back to a recalled lot goes on upward.
                    due.cash = if kind == Kind::AuthorityRecalled { 0 } else { size };
                }
                Meaning::Opening => match kind {
                    Kind::AuthoritySource => due.issued = size,
                    Kind::AuthorityUsed => due.used = size,
                    Kind::FundLot => due.cash = size,
                    _ => {}
                },
                _ => continue,
            }
            self.add_due(lot, side, due);
        }
    }

    fn add_due(&mut self, lot: i32, side: Side, due: Due) {
        let Some(lot) = self.lots.get_mut(lot) else { return };
        let add = |sum: &mut i128, amount: i128| {
            *sum = match side {
                Side::AsIs => sum.saturating_add(amount),
                Side::Mirrored => sum.saturating_sub(amount),
            };
        };
        add(&mut lot.due.issued, due.issued);
        add(&mut lot.due.used, due.used);
        add(&mut lot.due.cash, due.cash);
    }

    /// The sums of every lot and fund that an event touched (I4, I5, I6). A difference is told of when it arises or
    /// changes, so that one wrong event is one fault.
    pub(super) fn check_sums(&mut self, sequence: i64, fund: Option<i32>, postings: &[Posting]) {
        let mut looked_at = 0;
        for posting in postings.iter().filter(|posting| posting.lot != 0) {
            if std::mem::replace(&mut looked_at, posting.lot) != posting.lot {
                let held = self.lots.get(posting.lot).map(|lot| lot.held).unwrap_or_default();
                self.check_lot_sums(sequence, posting.lot, &held);
            }
        }
        let Some((number, fund)) = fund.and_then(|number| Some((number, self.funds.get_mut(number)?))) else { return };
        let off = fund.assets.saturating_sub(fund.claims);
        if off != fund.reported {
            fund.reported = off;
            if off != 0 {
                let message = fact!("fund {}: assets are {}, claims {}", number, fund.assets, fund.claims);
                self.findings.add(sequence, FaultKind::FundCash, message);
            }
        }
    }

    fn check_lot_sums(&mut self, sequence: i64, number: i32, held: &Held) {
        let Some(lot) = self.lots.get_mut(number) else { return };
        let off = lot.off(held);
        let before = std::mem::replace(&mut lot.reported, off);
        if off == before {
            return;
        }
        let mut differs = |now: i128, before: i128, kind: FaultKind, told: &dyn Fn() -> Fact| {
            if now != before && now != 0 {
                self.findings.add(sequence, kind, told());
            }
        };
        differs(off.source, before.source, FaultKind::LotTotal, &|| {
            fact!("lot {}: the source account differs from what was issued by {}", number, off.source)
        });
        differs(off.authority, before.authority, FaultKind::LotTotal, &|| {
            fact!("lot {}: the accounts together differ from what was issued by {}", number, off.authority)
        });
        differs(off.used, before.used, FaultKind::LotUsed, &|| {
            fact!("lot {}: used differs from paid less returned by {}", number, off.used)
        });
        differs(off.cash, before.cash, FaultKind::LotUsed, &|| {
            fact!("lot {}: cash differs from received less paid, plus returned by {}", number, off.cash)
        });
    }

    /// Ends the books: once more all lots and funds, from the balances as they stand.
    pub(in crate::audit) fn close(mut self) -> Statement {
        let sequence = self.last_sequence;
        let mut by_lot: BTreeMap<i32, Held> = self.lots.iter().map(|(number, _)| (number, Held::default())).collect();
        let mut of_funds = Vec::new();
        for (number, fund) in self.funds.iter() {
            let (mut assets, mut claims) = (0_i128, 0_i128);
            for ((account, lot), balance) in &fund.cells {
                let Some(account) = self.accounts.get(*account) else { continue };
                if let Some(held) = by_lot.get_mut(lot) {
                    held.add(account.kind, *balance);
                }
                let wide = i128::from(*balance);
                if is_asset(account.kind) {
                    assets = assets.saturating_add(wide);
                } else if is_cash(account.kind) {
                    claims = claims.saturating_add(wide);
                }
            }
            let is_news = assets.saturating_sub(claims) != fund.reported;
            of_funds.extend(is_news.then_some((number, assets, claims)));
        }
        for (number, held) in &by_lot {
            self.check_lot_sums(sequence, *number, held);
        }
        for (number, assets, claims) in of_funds {
            let message = fact!("fund {}: at the end assets are {}, claims {}", number, assets, claims);
            self.findings.add(sequence, FaultKind::FundCash, message);
        }
        let has_earlier_keys = self.check_unsigned_releases();
        Statement { findings: self.findings, stopped_at: self.stopped_at, has_earlier_keys }
    }
}
