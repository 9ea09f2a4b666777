//! The pack: every rule with its source, its parameters and their defaults.

use super::{Bench, Hit, conduct, flows, payments, persons, years};

/// Name of the pack.
pub const PACK: &str = "cn-audit";

/// A parameter of a rule. Amounts are in minor units, shares in per cent, ages in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// What it is where nothing else is set.
    pub default: i64,
}

/// What a rule needs besides the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// A register of companies.
    Companies,
    /// A list of payees.
    Payees,
    /// Purposes or economic codes of payments in advance.
    AdvanceCodes,
}

/// A rule.
pub struct Rule {
    /// Its code.
    pub id: &'static str,
    /// What the auditors' own methods call it; empty where they have none.
    pub alias: &'static str,
    /// Its version: another one finds other things.
    pub version: u32,
    /// Where it comes from.
    pub basis: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// What it needs.
    pub need: Need,
    pub(super) find: fn(&Bench<'_>) -> Vec<Hit>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.id, self.version)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.version) == (other.id, other.version)
    }
}

impl Eq for Rule {}

impl Rule {
    /// A rule by its code, or by what the auditors call it.
    pub fn named(id: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.answers_to(id))
    }

    pub(super) fn answers_to(&self, id: &str) -> bool {
        self.id == id || (!self.alias.is_empty() && self.alias == id)
    }
}

const fn parameter(name: &'static str, default: i64) -> Parameter {
    Parameter { name, default }
}

macro_rules! rules {
    ($($id:literal, $alias:literal, $basis:literal, $need:ident, [$($name:literal = $default:literal),*], $find:path;)*) => {
        &[$(Rule {
            id: $id,
            alias: $alias,
            version: 1,
            basis: $basis,
            parameters: &[$(parameter($name, $default)),*],
            need: Need::$need,
            find: $find,
        }),*]
    };
}

/// The rules, in the order in which they are run and told of.
pub const RULES: &[Rule] = rules! {
    "R-CHAIN", "", "财政违法行为处罚处分条例 §6: 截留; 预算法 §52: 30 days", Nothing, ["days" = 30], flows::withheld;
    "R-IDLE", "", "国办发〔2014〕70号: 盘活存量资金; 审计法: 滞留、闲置", Nothing, ["days" = 90], flows::idle;
    "R-UNREMIT", "A0130", "财政违法行为处罚处分条例 §4: 应缴未缴", Nothing, ["days" = 10], flows::unremitted;
    "R-SPLIT", "", "化整为零; 政府采购法实施条例 §28", Nothing, ["threshold" = 40_000_000, "near_percent" = 90, "days" = 30], payments::split;
    "R-ADDITION", "", "政府采购法 §49: 追加不超过原合同金额的 10 %", Nothing, ["percent" = 10], payments::additions;
    "R-NEWCO", "A0111", "审计署 A0111: 当年成立、注册资本低于 10.01 m 的民营企业", Companies, ["capital" = 1_001_000_000], payments::new_companies;
    "R-SHAREDACCT", "", "套取、骗取: 多人共用一个银行账户", Nothing, ["persons" = 2], persons::shared_accounts;
    "R-POSTHUMOUS", "", "冒领; 社会保险法 §88, 社会保险经办条例 §25", Nothing, [], persons::posthumous;
    "R-PROPERTY", "", "骗提公积金: 同一房产多人提取", Nothing, ["persons" = 2], persons::properties;
    "R-BANKDIFF", "", "账外账、多头开户; 会计基础工作规范: 对账", Nothing, [], conduct::bank_differences;
    "R-BACKDATE", "", "篡改、补账", Nothing, ["days" = 5], conduct::back_dated;
    "R-PAIR", "", "越权、一人通办", Nothing, ["share_percent" = 60, "events" = 20], conduct::pairs;
    "R-HASTE", "", "越权、一人通办: 审批耗时不足数秒", Nothing, ["seconds" = 3], conduct::haste;
    "R-NOREF", "", "来源不明的收入: 未注明依据文号", Nothing, [], flows::unreferenced;
    "R-ENTITLEMENT", "", "义务教育法 §44–§49: 应拨、已拨、已用", Nothing, ["days" = 30], years::short_of_entitlements;
    "A0101", "", "审计署 A0101: 往来款连续两年年末余额不变", Nothing, [], years::standing_payables;
    "A0102", "", "审计署 A0102: 预算执行率连续三年低于 50 %", Nothing, ["percent" = 50, "years" = 3], years::low_for_years;
    "A0103", "", "审计署 A0103: 一次性大额拨付下级", Nothing, ["threshold" = 1_000_000_000], flows::lump_sums;
    "A0105", "", "审计署 A0105: 预算执行率低于 20 %", Nothing, ["percent" = 20], years::low;
    "A0106", "", "坐收坐支: 收入未缴先支 (财政违法行为处罚处分条例 §4)", Nothing, [], flows::spent_before_remitting;
    "A0107", "", "审计署 A0107: 收入挂往来; 财政违法行为处罚处分条例 §4", Nothing, ["days" = 180], flows::hanging;
    "A0108", "", "审计署 A0108: 零余额账户付款人与收款人同名", Nothing, [], payments::to_themselves;
    "A0109", "", "审计署 A0109: 向个人付款超过 10,000 元", Nothing, ["threshold" = 1_000_000], payments::to_persons;
    "A0110", "", "审计署 A0110: 11、12 月支出超过全年指标的 50 %", Nothing, ["percent" = 50], years::rush;
    "A0123", "", "审计署 A0123: 向超市等付款为百元整数倍 (购物卡)", Payees, ["multiple" = 10_000], payments::round_amounts;
    "A0125", "", "审计署 A0125: 专项资金分散拨付 20 处以上且超过 60 %", Nothing, ["units" = 20, "percent" = 60], flows::scattered;
    "A0127", "", "审计署 A0127: 四季度预付款超过 10,000 元", AdvanceCodes, ["threshold" = 1_000_000], payments::in_advance;
    "A0129", "", "审计署 A0129: 其他类支出超过 20 %", Nothing, ["percent" = 20, "least" = 1_000_000], payments::other_class;
};

/// Methods of the auditors that no ledger of this kind can compute; a text of the catalogue says why.
pub const NOT_COMPUTABLE: &[&str] = &[
    "A0104", "A0112", "A0113", "A0114", "A0115", "A0116", "A0117", "A0118", "A0119", "A0120", "A0121", "A0122",
    "A0124", "A0126", "A0128",
];
