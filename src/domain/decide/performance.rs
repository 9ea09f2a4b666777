//! Performance: which goals may be set, what may be recorded of them, and who may evaluate.

use super::guard::Case;
use crate::domain::ids::{Code, Sequence};
use crate::domain::performance::{Goal, GoalKey, GoalRow, Output, Subject, SubjectKind, WHOLE_PPM};
use crate::domain::refusal::{Reason, Refusal};

/// A goal is set before its year ends, and changed only by one that names what it replaces; the weights of a subject's goals
/// make a whole at most.
pub(super) fn may_set(case: Case<'_>, goal: &Goal) -> Result<(), Refusal> {
    let key = &goal.key;
    subject_is_known(case, &key.subject)?;
    let known = row(case, key);
    match (known, goal.replaces) {
        (None, None) => {}
        (Some(row), None) => {
            return Err(about(Refusal::new(Reason::GoalExists), key).with("current_sequence", row.set.0));
        }
        (known, Some(replaced)) => latest(key, known.map(|row| row.set), replaced)?,
    }
    if case.date().year() > key.year {
        return Err(about(Refusal::new(Reason::GoalYearEnded), key).with("business_date", case.date()));
    }
    let of_others = goals(case, key).iter().filter(|row| row.indicator_code != key.indicator_code);
    let taken_ppm = of_others.fold(0_u32, |sum, row| sum.saturating_add(row.weight_ppm));
    let left_ppm = WHOLE_PPM.saturating_sub(taken_ppm);
    if goal.weight_ppm > left_ppm {
        return Err(about(Refusal::new(Reason::OverWeight), key)
            .with("available_ppm", left_ppm)
            .with("asked_ppm", goal.weight_ppm));
    }
    Ok(())
}

/// A record is of a later day than the last one, or corrects it by its name.
pub(super) fn may_record(case: Case<'_>, output: &Output) -> Result<(), Refusal> {
    let key = &output.key;
    let row = row(case, key).ok_or_else(|| about(Refusal::new(Reason::GoalNotFound), key))?;
    match (row.recorded, output.corrects) {
        (recorded, Some(corrected)) => latest(key, recorded.map(|(sequence, _)| sequence), corrected),
        (Some((sequence, as_of)), None) if output.as_of <= as_of => {
            Err(about(Refusal::new(Reason::RecordSuperseded), key)
                .with("current_sequence", sequence.0)
                .with("current_as_of", as_of))
        }
        (_, None) => Ok(()),
    }
}

/// Who orders payments of a subject that has goals does not evaluate it.
pub(super) fn may_score(case: Case<'_>, subject_id: &Code) -> Result<(), Refusal> {
    let actor = &case.envelope.actor;
    for kind in [SubjectKind::Lot, SubjectKind::Project, SubjectKind::Unit] {
        let subject = Subject { kind, id: subject_id.clone() };
        if case.state.families.payers.get(&subject).is_some_and(|payers| payers.contains(actor)) {
            return Err(Refusal::new(Reason::SegregationOfDuties)
                .with("actor", actor)
                .with("subject", subject_id)
                .with("subject_kind", kind.as_str()));
        }
    }
    Ok(())
}

fn goals<'a>(case: Case<'a>, key: &GoalKey) -> &'a [GoalRow] {
    case.state.families.goals.get(&(key.subject.clone(), key.year)).map_or(&[], Vec::as_slice)
}

fn row<'a>(case: Case<'a>, key: &GoalKey) -> Option<&'a GoalRow> {
    goals(case, key).iter().find(|row| row.indicator_code == key.indicator_code)
}

fn latest(key: &GoalKey, current: Option<Sequence>, named: Sequence) -> Result<(), Refusal> {
    if current == Some(named) {
        return Ok(());
    }
    let refusal = about(Refusal::new(Reason::RecordSuperseded), key).with("named_sequence", named.0);
    Err(match current {
        Some(current) => refusal.with("current_sequence", current.0),
        None => refusal,
    })
}

fn about(refusal: Refusal, key: &GoalKey) -> Refusal {
    refusal
        .with("subject", &key.subject.id)
        .with("subject_kind", key.subject.kind.as_str())
        .with("year", key.year)
        .with("indicator", &key.indicator_code)
}

fn subject_is_known(case: Case<'_>, subject: &Subject) -> Result<(), Refusal> {
    let (state, id) = (case.state, subject.id.as_str());
    let (is_known, reason, name) = match subject.kind {
        SubjectKind::Lot => (state.lot_names.contains_key(id), Reason::LotNotFound, "lot"),
        SubjectKind::Unit => (state.unit_names.contains_key(id), Reason::UnitNotFound, "unit"),
        SubjectKind::Project => {
            let families = &state.families;
            let is_known = families.projects.keys().any(|(_, project_id)| *project_id == subject.id)
                || families.tenders.values().any(|tender| tender.project_id.as_ref() == Some(&subject.id))
                || families.registered.values().any(|contract| contract.project_id.as_ref() == Some(&subject.id));
            (is_known, Reason::ProjectNotFound, "project")
        }
    };
    if is_known { Ok(()) } else { Err(Refusal::new(reason).with(name, &subject.id)) }
}
