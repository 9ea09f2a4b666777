//! Of which fund and agency names are, as the views know them.

use crate::domain::ids::{AccountId, FundId, FundNumber, LotId, UnitId};
use crate::domain::places::{Names, Place};
use crate::projection::Views;

impl Names for Views {
    fn fund_named(&self, fund_id: &FundId) -> Option<FundNumber> {
        self.books.fund_named(fund_id.as_str())
    }

    fn place_of_account(&self, account_id: &AccountId) -> Option<Place<'_>> {
        let account = self.books.account(self.books.account_named(account_id.as_str())?)?;
        Some(Place { fund: Some(account.fund), unit: account.unit_id.as_ref().map(UnitId::as_str) })
    }

    fn fund_of_lot(&self, lot_id: &LotId) -> Option<FundNumber> {
        self.books.lot(self.books.lot_named(lot_id.as_str())?).map(|lot| lot.fund)
    }
}
