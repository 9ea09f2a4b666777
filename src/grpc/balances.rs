//! Balances: now from the views, as of a sequence or a business date from the index.

use tonic::Status;

use super::page::{self, Page};
use super::reading::{Reading, balance_as_of, read_position, shown, subject, wire_balance};
use crate::domain::ids::{AccountNumber, FundNumber, LotNumber};
use crate::domain::places::Place;
use crate::domain::refusal::Reason;
use crate::domain::rights::Action;
use crate::domain::time::Day;
use crate::pb::v1;
use crate::projection::Views;
use crate::projection::books::AccountView;
use crate::projection::events::Events;

/// Accounts and lots looked at while the views are held.
const ROWS_A_LOOK: usize = 1_000;

/// `GetBalance`.
pub(super) async fn one(reading: Reading, request: v1::GetBalanceRequest) -> Result<v1::GetBalanceResponse, Status> {
    let on = reading.day("effective_on", request.effective_on)?;
    let as_of = reading.wait(request.min_sequence, request.as_of_sequence).await?;
    if on.is_some() || as_of.is_some() {
        return reading.blocking(move |reading| one_as_of(reading, &request, as_of, on)).await;
    }
    let views = reading.node.views();
    let (_, account) = reading.account(&views, &request.account_id, i64::MAX)?;
    let lot = reading.lot(&views, &request.lot_id, i64::MAX)?;
    reading.check_tracks_lots(account, lot)?;
    let mut balance = wire_balance(&views, account, lot, now_minor(account, lot));
    balance.revision = Some(account.revision.0);
    Ok(v1::GetBalanceResponse { balance: Some(balance), position: Some(read_position(&views.position)) })
}

fn one_as_of(
    reading: &Reading,
    request: &v1::GetBalanceRequest,
    as_of: Option<i64>,
    on: Option<Day>,
) -> Result<v1::GetBalanceResponse, Status> {
    let log = reading.node.log();
    let views = reading.node.views();
    let position = views.position.sequence;
    let as_of = as_of.unwrap_or(position);
    let (number, account) = reading.account(&views, &request.account_id, as_of)?;
    let lot = reading.lot(&views, &request.lot_id, as_of)?;
    reading.check_tracks_lots(account, lot)?;
    let now = (position, now_minor(account, lot));
    let mut balance = wire_balance(&views, account, lot, 0);
    drop(views);
    let amount = balance_as_of(&reading.history()?, subject(number, lot), now, as_of, on);
    balance.amount_minor = amount.map_err(|fault| reading.fault(&fault))?;
    let position = reading.position(&mut Events::new(log.as_ref()), as_of)?;
    Ok(v1::GetBalanceResponse { balance: Some(balance), position: Some(position) })
}

fn now_minor(account: &AccountView, lot: Option<LotNumber>) -> i64 {
    lot.map_or(account.balance_minor, |lot| account.lot_minor(lot))
}

/// `ListBalances`.
pub(super) async fn all(
    reading: Reading,
    request: v1::ListBalancesRequest,
) -> Result<v1::ListBalancesResponse, Status> {
    let on = reading.day("effective_on", request.effective_on)?;
    let as_of = reading.wait(request.min_sequence, request.as_of_sequence).await?;
    let fund = reading.node.views().books.fund_named(&request.fund_id);
    reading.caller.check_place(Action::ReadBalances, &Place { fund, unit: None }, &reading.node, reading.statuses)?;
    reading.blocking(move |reading| list(reading, &request, as_of, on)).await
}

/// What is listed.
struct Listing {
    fund: Option<FundNumber>,
    lot: Option<LotNumber>,
    by_lot: bool,
    as_of: i64,
}

type Key = (AccountNumber, LotNumber);

/// A row that may turn out to be zero.
struct Candidate {
    key: Key,
    lot: Option<LotNumber>,
    now_minor: i64,
    balance: v1::Balance,
}

fn list(
    reading: &Reading,
    request: &v1::ListBalancesRequest,
    as_of: Option<i64>,
    on: Option<Day>,
) -> Result<v1::ListBalancesResponse, Status> {
    let by_lot = request.by_lot || !request.lot_id.is_empty();
    let as_of_bytes = request.as_of_sequence.unwrap_or(-1).to_be_bytes();
    let on_bytes = on.map_or(i32::MIN, Day::days).to_be_bytes();
    let parameters: [&[u8]; 6] = [
        b"balances",
        request.fund_id.as_bytes(),
        request.lot_id.as_bytes(),
        &[u8::from(by_lot)],
        &as_of_bytes,
        &on_bytes,
    ];
    let Page { size, start } = reading.page(request.page_size, &request.page_token, &parameters, as_of)?;
    let views = reading.node.views();
    let as_of = start.map(|start| start.as_of).or(as_of).unwrap_or(views.position.sequence);
    let lot = reading.lot(&views, &request.lot_id, as_of)?;
    let fund = match request.fund_id.as_str() {
        "" => None,
        fund_id => {
            let defined = |fund: &FundNumber| views.books.fund(*fund).is_some_and(|view| view.defined.0 <= as_of);
            let missing = || reading.statuses.reason(Reason::FundNotFound, &[("fund", shown(fund_id))]);
            Some(views.books.fund_named(fund_id).filter(defined).ok_or_else(missing)?)
        }
    };
    drop(views);
    let listing = Listing { fund, lot, by_lot, as_of };
    let number = |raw: i64| u32::try_from(raw).unwrap_or_default();
    let mut after: Option<Key> =
        start.map(|start| (AccountNumber(number(start.after[0])), LotNumber(number(start.after[1]))));
    let mut balances: Vec<(Key, v1::Balance)> = Vec::new();
    // One row more than fits says that there is a next page.
    while balances.len() <= size {
        // Views and index anew for each look, so that both are of one moment.
        let views = reading.node.views();
        let position = views.position.sequence;
        let candidates = listing.candidates(&views, after);
        drop(views);
        let Some(last) = candidates.last() else { break };
        after = Some(last.key);
        let is_now = on.is_none() && as_of == position;
        let history = if is_now { None } else { Some(reading.history()?) };
        for Candidate { key, lot, now_minor, mut balance } in candidates {
            balance.amount_minor = match &history {
                None => now_minor,
                Some(history) => balance_as_of(history, subject(key.0, lot), (position, now_minor), as_of, on)
                    .map_err(|fault| reading.fault(&fault))?,
            };
            if balance.amount_minor != 0 {
                balances.push((key, balance));
            }
            if balances.len() > size {
                break;
            }
        }
    }
    let has_more = balances.len() > size;
    balances.truncate(size);
    let last = balances.last().map(|(key, _)| *key).filter(|_| has_more);
    let next_page_token = last.map(|(account, lot)| {
        page::token(page::Position { as_of, after: [account.0.into(), lot.0.into(), 0] }, &parameters)
    });
    let log = reading.node.log();
    Ok(v1::ListBalancesResponse {
        balances: balances.into_iter().map(|(_, balance)| balance).collect(),
        next_page_token: next_page_token.unwrap_or_default(),
        position: Some(reading.position(&mut Events::new(log.as_ref()), as_of)?),
    })
}

impl Listing {
    /// The next rows, by account, then lot; accounts and lots that were not open yet are not among them.
    fn candidates(&self, views: &Views, after: Option<Key>) -> Vec<Candidate> {
        let accounts = views.books.accounts_from(after.map_or(AccountNumber(1), |(account, _)| account));
        let fitting = accounts
            .filter(|(_, account)| account.opened.0 <= self.as_of && self.fund.is_none_or(|fund| account.fund == fund));
        let rows = fitting.flat_map(|(number, account)| {
            let splits = self.by_lot && account.kind.tracks_lots();
            let whole = (!splits && self.lot.is_none()).then_some((LotNumber::NONE, None));
            let lots = if splits { account.lots.as_slice() } else { &[] };
            let of_lot = lots.iter().map(|(lot, _)| *lot).filter(|lot| self.lot.is_none_or(|only| only == *lot));
            let parts = of_lot.map(|lot| (lot, Some(lot)));
            whole.into_iter().chain(parts).map(move |(key, lot)| ((number, key), account, lot))
        });
        let rows = rows.filter(|(key, _, _)| after.is_none_or(|after| *key > after));
        rows.take(ROWS_A_LOOK)
            .map(|(key, account, lot)| Candidate {
                key,
                lot,
                now_minor: now_minor(account, lot),
                balance: wire_balance(views, account, lot, 0),
            })
            .collect()
    }
}
