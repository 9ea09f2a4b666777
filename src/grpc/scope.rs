//! Of which fund and agency names are, as the views know them.

use crate::domain::ids::{AccountId, ComplaintId, ContractId, FundId, FundNumber, LotId, TenderId, UnitId};
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

    fn place_of_tender(&self, tender_id: &TenderId) -> Option<Place<'_>> {
        let tender = self.contracts.tender(tender_id)?;
        Some(Place { fund: Some(tender.fund), unit: Some(tender.unit_id.as_str()) })
    }

    fn place_of_contract(&self, contract_id: &ContractId) -> Option<Place<'_>> {
        let contract = self.contracts.contract(contract_id.as_str())?;
        let unit = contract.registration.as_ref().map(|registration| registration.unit_id.as_str());
        Some(Place { fund: Some(contract.fund), unit })
    }

    fn place_of_complaint(&self, complaint_id: &ComplaintId) -> Option<Place<'_>> {
        let known = self.complaints.named(complaint_id.as_str())?;
        let unit = known.handled_by.as_ref().map(|(unit_id, _)| unit_id.as_str());
        Some(Place { fund: Some(known.filed.fund), unit })
    }
}
