//! `ListFunds` and `ListFindings`: what there is to supervise, and what supervision found.

use tonic::Status;

use super::convert;
use super::page;
use super::reading::{Reading, read_position};
use crate::domain::fund::Scheme;
use crate::domain::oversight::{FindingOutcome, FindingStage};
use crate::domain::profile::{CarryRule, FundProfile, GovernmentLevel, RecipientKind};
use crate::pb::v1;
use crate::projection::books::FundView;
use crate::projection::findings::FindingView;

/// Funds that pass the filters, in the order in which they were defined.
pub(super) async fn funds(reading: Reading, request: v1::ListFundsRequest) -> Result<v1::ListFundsResponse, Status> {
    reading.wait(request.min_sequence, None).await?;
    let (family, level) = (request.family.to_be_bytes(), request.level.to_be_bytes());
    let direct = [u8::from(request.directly_allocated_only)];
    let parameters: [&[u8]; 5] = [b"funds", &family, &level, request.region_code.as_bytes(), &direct];
    let page = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let views = reading.node.views();
    let fits = |fund: &FundView| {
        let definition = &fund.definition;
        let profile = &definition.profile;
        (request.family == 0 || definition.family.number() == request.family)
            && (request.level == 0 || profile.level.is_some_and(|level| level.number() == request.level))
            && (request.region_code.is_empty()
                || profile.region_code.as_ref().is_some_and(|code| code.as_str() == request.region_code))
            && (profile.directly_allocated || !request.directly_allocated_only)
    };
    let as_of = views.position.sequence;
    let (funds, next_page_token) = page::of_rows(views.books.funds(), page, &parameters, as_of, fits, wire_fund);
    Ok(v1::ListFundsResponse { funds, next_page_token, position: Some(read_position(&views.position)) })
}

/// Findings that pass the filters, in the order in which they were flagged.
pub(super) async fn findings(
    reading: Reading,
    request: v1::ListFindingsRequest,
) -> Result<v1::ListFindingsResponse, Status> {
    reading.wait(request.min_sequence, None).await?;
    let stage = request.stage.to_be_bytes();
    let parameters: [&[u8]; 4] = [b"findings", &stage, request.rule_id.as_bytes(), request.flagged_by.as_bytes()];
    let page = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let views = reading.node.views();
    let fits = |finding: &FindingView| {
        (request.stage == 0 || wire_stage(finding.stage) == request.stage())
            && (request.rule_id.is_empty() || finding.flag.rule_id.as_str() == request.rule_id)
            && (request.flagged_by.is_empty() || finding.flagged_by.as_str() == request.flagged_by)
    };
    let as_of = views.position.sequence;
    let (findings, next_page_token) = page::of_rows(views.findings.all(), page, &parameters, as_of, fits, wire_finding);
    Ok(v1::ListFindingsResponse { findings, next_page_token, position: Some(read_position(&views.position)) })
}

fn wire_fund(fund: &FundView) -> v1::Fund {
    let definition = &fund.definition;
    v1::Fund {
        fund_id: definition.fund_id.to_string(),
        name: definition.name.to_string(),
        family: definition.family.number(),
        scheme: definition.scheme.map_or(0, Scheme::number),
        currency_code: definition.currency.code_str().to_owned(),
        currency_exponent: definition.currency.exponent.into(),
        purposes: definition.purposes.iter().map(ToString::to_string).collect(),
        economic_codes: definition.economic_codes.iter().map(ToString::to_string).collect(),
        policy_id: definition.policy_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        legal_basis: definition.legal_basis.to_string(),
        exclusive_with: definition.exclusive_with.iter().map(ToString::to_string).collect(),
        profile: Some(wire_profile(&definition.profile)),
        defined_sequence: fund.defined.0,
    }
}

fn wire_profile(profile: &FundProfile) -> v1::FundProfile {
    v1::FundProfile {
        level: profile.level.map_or(0, GovernmentLevel::number),
        region_code: profile.region_code.as_ref().map(ToString::to_string).unwrap_or_default(),
        recipient_kinds: profile.recipient_kinds.iter().copied().map(RecipientKind::number).collect(),
        carry_rule: profile.carry_rule.map_or(0, CarryRule::number),
        directly_allocated: profile.directly_allocated,
        subsidizes_recipients: profile.subsidizes_recipients,
        includes_matching: profile.includes_matching,
    }
}

const fn wire_stage(stage: FindingStage) -> v1::FindingStage {
    match stage {
        FindingStage::Open => v1::FindingStage::Open,
        FindingStage::Explained => v1::FindingStage::Explained,
        FindingStage::Rectified => v1::FindingStage::Rectified,
        FindingStage::Closed => v1::FindingStage::Closed,
    }
}

fn wire_finding(finding: &FindingView) -> v1::Finding {
    let flag = &finding.flag;
    v1::Finding {
        finding_id: flag.finding_id.to_string(),
        rule_id: flag.rule_id.to_string(),
        rule_version: i32::try_from(flag.rule_version).unwrap_or(i32::MAX),
        stage: wire_stage(finding.stage).into(),
        outcome: finding.outcome.map_or(0, FindingOutcome::number),
        amount_minor: flag.amount.minor(),
        rectified_minor: finding.rectified_minor,
        sequences: flag.sequences.iter().map(|sequence| sequence.0).collect(),
        flagged_by: finding.flagged_by.to_string(),
        flagged_sequence: finding.flagged.0.0,
        flagged_on: Some(convert::date(finding.flagged.1)),
        last_sequence: finding.last.0.0,
        last_on: Some(convert::date(finding.last.1)),
    }
}
