//! `ListPerformance` and `GetPerformance`: goals, what was done towards them, scores, and the money beside them.

use std::collections::BTreeMap;

use tonic::Status;

use super::convert;
use super::page;
use super::reading::{Reading, read_position, shown};
use crate::domain::account::AccountKind as Kind;
use crate::domain::fund::Currency;
use crate::domain::ids::{Code, FundNumber, LotNumber};
use crate::domain::money;
use crate::domain::performance::{EvaluatorKind, Subject, SubjectKind, ratio_ppm};
use crate::domain::refusal::Reason;
use crate::pb::v1;
use crate::projection::Views;
use crate::projection::performance::{GoalView, PerformanceView};

/// What passes the filters, in the order in which each got its first goal or score.
pub(super) async fn list(
    reading: Reading,
    request: v1::ListPerformanceRequest,
) -> Result<v1::ListPerformanceResponse, Status> {
    reading.wait(request.min_sequence, None).await?;
    let (kind, year) = (request.subject_kind.to_be_bytes(), request.year.to_be_bytes());
    let parameters: [&[u8]; 4] = [b"performance", &kind, request.subject_id.as_bytes(), &year];
    let page = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let views = reading.node.views();
    let fits = |view: &PerformanceView| {
        (request.subject_kind == 0 || view.kind.map_or(0, SubjectKind::number) == request.subject_kind)
            && (request.subject_id.is_empty() || view.subject_id.as_str() == request.subject_id)
            && (request.year == 0 || view.year == request.year)
    };
    let as_of = views.position.sequence;
    let all = views.performances.all();
    let (found, next_page_token) = page::of_rows(all, page, &parameters, as_of, fits, Clone::clone);
    let money = Sums::of(&views, &found);
    let performance = found.iter().map(|view| wire_performance(&views, view, &money)).collect();
    Ok(v1::ListPerformanceResponse { performance, next_page_token, position: Some(read_position(&views.position)) })
}

/// Performance of one subject in one year.
pub(super) async fn one(
    reading: Reading,
    request: v1::GetPerformanceRequest,
) -> Result<v1::GetPerformanceResponse, Status> {
    let not_known = || reading.violation("subject_kind", Reason::FieldInvalid, "is not a known value".to_owned());
    let kind = SubjectKind::from_number(request.subject_kind).ok_or_else(not_known)?;
    let subject = Subject { kind, id: Code::stored(request.subject_id.as_str()) };
    reading.wait(request.min_sequence, None).await?;
    let views = reading.node.views();
    let not_found = || {
        let facts = [
            ("subject", shown(&request.subject_id)),
            ("subject_kind", kind.as_str().to_owned()),
            ("year", request.year.to_string()),
        ];
        reading.statuses.reason(Reason::GoalNotFound, &facts)
    };
    let view = views.performances.of(&subject, request.year).ok_or_else(not_found)?;
    let money = Sums::of(&views, std::slice::from_ref(view));
    let performance = Some(wire_performance(&views, view, &money));
    Ok(v1::GetPerformanceResponse { performance, position: Some(read_position(&views.position)) })
}

/// Money of a subject, minor units.
#[derive(Clone, Copy, Default)]
struct Money {
    issued: i64,
    paid: i64,
    /// Committed or frozen.
    bound: i64,
    recalled: i64,
    currencies: Currencies,
}

/// What the money of a subject is in.
#[derive(Clone, Copy, Default)]
enum Currencies {
    #[default]
    None,
    One(Currency),
    Several,
}

impl Currencies {
    fn add(&mut self, views: &Views, fund: FundNumber) {
        let Some(currency) = views.books.fund(fund).map(|fund| fund.definition.currency) else { return };
        *self = match *self {
            Self::None => Self::One(currency),
            Self::One(same) if same == currency => Self::One(currency),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    const fn only(&self) -> Option<&Currency> {
        match self {
            Self::One(currency) => Some(currency),
            Self::None | Self::Several => None,
        }
    }
}

impl Money {
    fn left(self) -> i64 {
        money::subtract(money::subtract(self.issued, self.paid), self.recalled)
    }

    fn idle(self) -> i64 {
        money::subtract(self.left(), self.bound)
    }
}

/// Money of the subjects of a page, summed in one pass over the accounts: there may be millions of them.
#[derive(Default)]
struct Sums {
    lots: BTreeMap<LotNumber, Money>,
    units: BTreeMap<Code, Money>,
    projects: BTreeMap<Code, Money>,
}

impl Sums {
    fn of(views: &Views, page: &[PerformanceView]) -> Self {
        let mut sums = Self::default();
        for view in page {
            let id = view.subject_id.clone();
            match view.kind {
                None => {}
                Some(SubjectKind::Lot) => {
                    sums.lots.extend(views.books.lot_named(id.as_str()).map(|lot| (lot, Money::default())));
                }
                Some(SubjectKind::Unit) => drop(sums.units.insert(id, Money::default())),
                Some(SubjectKind::Project) => drop(sums.projects.insert(id, Money::default())),
            }
        }
        sums.add_accounts(views);
        sums.add_projects(views);
        sums
    }

    fn add_accounts(&mut self, views: &Views) {
        if self.lots.is_empty() && self.units.is_empty() {
            return;
        }
        for (_, account) in views.books.accounts() {
            let kind = account.kind;
            for (lot, held) in &account.lots {
                if let Some(sum) = self.lots.get_mut(lot) {
                    sum.issued = if kind == Kind::AuthoritySource { money::add(sum.issued, *held) } else { sum.issued };
                    sum.currencies.add(views, account.fund);
                    add(sum, kind, *held);
                }
            }
            let unit = account.unit_id.as_ref().and_then(|unit| self.units.get_mut(unit.as_str()));
            if let Some(sum) = unit {
                // What was allocated to a unit lies on its own accounts still, or was used.
                let is_its_own = matches!(
                    kind,
                    Kind::AuthorityUnit
                        | Kind::AuthorityPlan
                        | Kind::AuthorityCommitted
                        | Kind::AuthorityFrozen
                        | Kind::AuthorityUsed
                );
                if is_its_own {
                    sum.currencies.add(views, account.fund);
                    sum.issued = money::add(sum.issued, account.balance_minor);
                    add(sum, kind, account.balance_minor);
                }
            }
        }
    }

    fn add_projects(&mut self, views: &Views) {
        if self.projects.is_empty() {
            return;
        }
        for project in views.contracts.projects() {
            if let Some(sum) = self.projects.get_mut(project.project_id.as_str()) {
                sum.issued = money::add(sum.issued, project.cap_minor().unwrap_or_default());
                sum.paid = money::add(sum.paid, project.net_minor());
                sum.currencies.add(views, project.fund);
            }
        }
        for contract in views.contracts.contracts() {
            let project = contract.registration.as_ref().and_then(|registration| registration.project_id.as_ref());
            if let Some(sum) = project.and_then(|project| self.projects.get_mut(project.as_str())) {
                sum.bound = money::add(sum.bound, contract.committed_minor());
            }
        }
    }

    fn money(&self, views: &Views, view: &PerformanceView) -> Money {
        let id = view.subject_id.as_str();
        let found = match view.kind {
            None => None,
            Some(SubjectKind::Lot) => views.books.lot_named(id).and_then(|lot| self.lots.get(&lot)),
            Some(SubjectKind::Unit) => self.units.get(id),
            Some(SubjectKind::Project) => self.projects.get(id),
        };
        found.copied().unwrap_or_default()
    }
}

/// What an account's balance says besides what was issued.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others hold what is free still, or no authority")]
fn add(sum: &mut Money, kind: Kind, held: i64) {
    let part = match kind {
        Kind::AuthorityUsed => &mut sum.paid,
        Kind::AuthorityCommitted | Kind::AuthorityFrozen => &mut sum.bound,
        Kind::AuthorityRecalled => &mut sum.recalled,
        _ => return,
    };
    *part = money::add(*part, held);
}

fn wire_performance(views: &Views, view: &PerformanceView, sums: &Sums) -> v1::Performance {
    let money = sums.money(views, view);
    let currency = money.currencies.only();
    v1::Performance {
        subject_kind: view.kind.map_or(0, SubjectKind::number),
        subject_id: view.subject_id.to_string(),
        year: view.year,
        goals: view.goals.iter().map(wire_goal).collect(),
        attainment_ppm: view.attainment_ppm(),
        scores: view
            .scores
            .iter()
            .map(|score| v1::PerformanceScore {
                evaluator: score.evaluator.map_or(0, EvaluatorKind::number),
                score: i32::try_from(score.score).unwrap_or(i32::MAX),
                document_number: score.document_number.to_string(),
                sequence: score.scored.0,
            })
            .collect(),
        issued_minor: money.issued,
        paid_minor: money.paid,
        execution_ppm: if money.issued == 0 { 0 } else { ratio_ppm(money.paid, money.issued) },
        idle_minor: money.idle(),
        left_minor: money.left(),
        currency_code: currency.map(|currency| currency.code_str().to_owned()).unwrap_or_default(),
        currency_exponent: currency.map_or(0, |currency| currency.exponent.into()),
    }
}

fn wire_goal(goal: &GoalView) -> v1::PerformanceGoal {
    v1::PerformanceGoal {
        indicator_code: goal.indicator_code.to_string(),
        indicator_name: goal.indicator_name.to_string(),
        category: goal.category.number(),
        unit_of_measure: goal.unit_of_measure.to_string(),
        target_milli: goal.target_milli,
        direction: goal.direction.number(),
        weight_ppm: i32::try_from(goal.weight_ppm).unwrap_or(i32::MAX),
        set_sequence: goal.set.0,
        actual_milli: goal.output.map(|output| output.actual_milli),
        as_of: goal.output.map(|output| convert::date(output.as_of)),
        recorded_sequence: goal.output.map_or(0, |output| output.recorded.0),
        attainment_ppm: goal.attainment_ppm(),
    }
}
