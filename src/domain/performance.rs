//! Performance, 绩效: goals that are set, what was really done towards them, and who evaluates it.

use super::ids::{Code, DisplayName, DocumentDigest, DocumentNumber, Sequence};
use super::money;
use super::numbered::numbered;
use super::time::Day;

numbered! {
    /// What performance is a matter of.
    SubjectKind {
        /// A lot.
        Lot = 1, "LOT";
        /// A project.
        Project = 2, "PROJECT";
        /// A budget unit.
        Unit = 3, "UNIT";
    }
}

numbered! {
    /// What an indicator measures.
    IndicatorCategory {
        /// What is done, 产出.
        Output = 1, "OUTPUT";
        /// What comes of it, 效益.
        Outcome = 2, "OUTCOME";
        /// What those say for whom it is done, 满意度.
        Satisfaction = 3, "SATISFACTION";
    }
}

numbered! {
    /// On which side of its target a value is good.
    GoalDirection {
        /// At least the target.
        AtLeast = 1, "AT_LEAST";
        /// At most the target.
        AtMost = 2, "AT_MOST";
        /// The target itself.
        Equal = 3, "EQUAL";
    }
}

numbered! {
    /// Who evaluates performance.
    EvaluatorKind {
        /// The unit itself, 自评.
        Itself = 1, "SELF";
        /// Its department, or the finance bureau.
        Department = 2, "DEPARTMENT";
        /// A third party.
        ThirdParty = 3, "THIRD_PARTY";
    }
}

/// The whole, in parts per million: of weights, and of what is attained.
pub const WHOLE_PPM: u32 = 1_000_000;
/// The least weight of a goal: so that no subject has more than a thousand of them in a year.
pub const WEIGHT_MIN_PPM: u32 = 1_000;

/// A subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// What it is.
    pub kind: SubjectKind,
    /// Its name.
    pub id: Code,
}

/// What names a goal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoalKey {
    /// Of what.
    pub subject: Subject,
    /// For which year.
    pub year: i32,
    /// Indicator.
    pub indicator_code: Code,
}

/// A goal, as it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Its name.
    pub key: GoalKey,
    /// What the indicator is called.
    pub indicator_name: DisplayName,
    /// What it measures.
    pub category: IndicatorCategory,
    /// Unit of measure.
    pub unit_of_measure: DisplayName,
    /// Target, thousandths of the unit, from 0.
    pub target_milli: i64,
    /// On which side of it a value is good.
    pub direction: GoalDirection,
    /// Weight, from [`WEIGHT_MIN_PPM`] to [`WHOLE_PPM`].
    pub weight_ppm: u32,
    /// The event that set it before.
    pub replaces: Option<Sequence>,
    /// Document it rests on.
    pub document_number: DocumentNumber,
    /// Its digest.
    pub document_sha256: DocumentDigest,
}

/// What was really done towards a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Towards which.
    pub key: GoalKey,
    /// How much, thousandths of the unit, from 0.
    pub actual_milli: i64,
    /// By when.
    pub as_of: Day,
    /// The record that this one corrects.
    pub corrects: Option<Sequence>,
    /// Document it rests on.
    pub document_number: DocumentNumber,
    /// Its digest.
    pub document_sha256: DocumentDigest,
}

/// What the rules remember of a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoalRow {
    /// Indicator.
    pub indicator_code: Code,
    /// The event that set it as it holds now.
    pub set: Sequence,
    /// Its weight.
    pub weight_ppm: u32,
    /// The last record of what was done, and the day that it tells of.
    pub recorded: Option<(Sequence, Day)>,
}

/// How far a value attains a target, parts per million, rounded half up. Above the whole only where more was done than was asked.
pub fn attainment_ppm(direction: GoalDirection, target_milli: i64, actual_milli: i64) -> i64 {
    let whole = i64::from(WHOLE_PPM);
    match direction {
        GoalDirection::AtLeast => ratio_ppm(actual_milli, target_milli),
        GoalDirection::AtMost if actual_milli <= target_milli => whole,
        GoalDirection::AtMost => ratio_ppm(target_milli, actual_milli),
        GoalDirection::Equal if actual_milli == target_milli => whole,
        GoalDirection::Equal => {
            let off = target_milli.abs_diff(actual_milli);
            whole.saturating_sub(ratio_ppm(i64::try_from(off).unwrap_or(i64::MAX), target_milli)).max(0)
        }
    }
}

/// A part of a whole in parts per million, rounded half up; all of it is of nothing.
pub fn ratio_ppm(part: i64, of: i64) -> i64 {
    if of <= 0 {
        return i64::from(WHOLE_PPM);
    }
    money::rounded(i128::from(part).saturating_mul(WHOLE_PPM.into()), of.into())
}

/// How far goals are attained together: each by its weight, and at most wholly; `goals` are weights with what is attained.
pub fn together_ppm(goals: impl Iterator<Item = (u32, i64)>) -> i64 {
    let (mut weights, mut attained) = (0_i128, 0_i128);
    for (weight_ppm, attainment_ppm) in goals {
        let weight = i128::from(weight_ppm);
        weights = weights.saturating_add(weight);
        let counted = attainment_ppm.clamp(0, i64::from(WHOLE_PPM));
        attained = attained.saturating_add(weight.saturating_mul(i128::from(counted)));
    }
    if weights == 0 { 0 } else { money::rounded(attained, weights) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attainment_is_rounded_half_up() {
        use GoalDirection::{AtLeast, AtMost, Equal};
        for (direction, target, actual, ppm) in [
            (AtLeast, 3, 1, 333_333),
            (AtLeast, 3, 2, 666_667),
            (AtLeast, 2_000_000, 1, 1),
            (AtLeast, 2_000_001, 1, 0),
            (AtLeast, 100, 250, 2_500_000),
            (AtLeast, 9_007_199_254_740_991, 9_007_199_254_740_991, 1_000_000),
            (AtMost, 5, 5, 1_000_000),
            (AtMost, 5, 0, 1_000_000),
            (AtMost, 5, 10, 500_000),
            (AtMost, 0, 1, 0),
            (AtMost, 0, 0, 1_000_000),
            (Equal, 100, 100, 1_000_000),
            (Equal, 100, 90, 900_000),
            (Equal, 100, 110, 900_000),
            (Equal, 100, 500, 0),
            (Equal, 0, 1, 0),
        ] {
            assert_eq!(attainment_ppm(direction, target, actual), ppm, "{direction:?} {target} {actual}");
        }
    }

    #[test]
    fn goals_count_by_weight_and_at_most_wholly() {
        assert_eq!(together_ppm([].into_iter()), 0);
        assert_eq!(together_ppm([(600_000, 1_500_000), (400_000, 500_000)].into_iter()), 800_000);
        assert_eq!(together_ppm([(1_000, 1), (1_000, 0)].into_iter()), 1, "half a part is rounded up");
        assert_eq!(together_ppm([(2_000, 1), (1_000, 0), (2_000, 0)].into_iter()), 0);
    }
}
