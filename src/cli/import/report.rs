//! What became of a file: the summary on standard output, and the list of refused rows.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Map, Value, json};

use super::mapping::{Kind, Mapping};
use super::plan::{Plan, Step};
use super::rows::{Fault, RefusedRow};
use crate::cli::render::{self, decimal, grouped, hex};
use crate::cli::{Failure, Format, Lang};

/// A count and a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many.
    pub(crate) count: u64,
    /// How much, minor units.
    pub(crate) minor: i128,
}

impl Tally {
    /// Counts one.
    pub(super) fn add(&mut self, amount_minor: i64) {
        self.count = self.count.saturating_add(1);
        self.minor = self.minor.saturating_add(i128::from(amount_minor));
    }

    /// Counts all.
    pub(super) fn of(amounts: impl IntoIterator<Item = i64>) -> Self {
        let mut tally = Self::default();
        amounts.into_iter().for_each(|amount| tally.add(amount));
        tally
    }
}

/// What the ledger holds of a plan, now or before; of a dry run, what it would hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Posted {
    /// Payments ordered.
    pub(crate) payments: Tally,
    /// Returns recorded.
    pub(crate) returns: Tally,
    /// Allocations to units.
    pub(crate) allocations: Tally,
    /// Rows refused by the ledger.
    pub(super) refused: Vec<RefusedRow>,
    /// Commands accepted in this run.
    pub(crate) accepted_now: u64,
    /// Commands that an earlier run had posted.
    pub(crate) accepted_before: u64,
    /// Highest sequence of a receipt; 0 where there is none.
    pub(crate) last_sequence: i64,
    /// Lots whose balance in the ledger is what the file says.
    pub(crate) lots_agreeing: u64,
}

impl Posted {
    /// As if everything planned were accepted.
    pub(super) fn planned(plan: &Plan) -> Self {
        let payments = plan.steps.iter().filter_map(|step| match step {
            Step::Pay(payment) => Some(payment.amount_minor),
            Step::Clear(_) | Step::Return(_) => None,
        });
        let returns = plan.steps.iter().filter_map(|step| match step {
            Step::Return(back) => Some(back.amount_minor),
            Step::Clear(_) | Step::Pay(_) => None,
        });
        Self {
            payments: Tally::of(payments),
            returns: Tally::of(returns),
            allocations: Tally::of(plan.allocations.iter().map(|allocation| allocation.amount_minor)),
            ..Self::default()
        }
    }
}

/// Figures that say nothing to people after a dry run.
const ABOUT_POSTING: [&str; 4] = ["lots_agreeing", "commands_posted", "commands_replayed", "last_sequence"];

/// The summary of an import.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    items: Vec<Item>,
    exponent: u32,
    dry_run: bool,
    /// Rows that were refused, by line.
    pub(super) refused: Vec<RefusedRow>,
    /// Whether net posted and refused add up to the file's sum.
    pub(crate) file_sum_agrees: bool,
}

#[derive(Clone, Debug)]
struct Item {
    key: &'static str,
    english: &'static str,
    chinese: &'static str,
    figure: Figure,
}

#[derive(Clone, Debug)]
enum Figure {
    Text(String),
    Count(u64),
    Sequence(i64),
    Money(i128),
    Flag(bool),
    Counts(BTreeMap<String, u64>),
}

impl Summary {
    /// Of a plan and what became of it; `None` for a dry run.
    pub(super) fn new(input: &str, mapping: &Mapping, plan: &Plan, posted: Option<&Posted>) -> Self {
        let dry_run = posted.is_none();
        let posted = posted.cloned().unwrap_or_else(|| Posted::planned(plan));
        let mut refused = plan.refused.clone();
        refused.extend(posted.refused.iter().cloned());
        refused.sort_by_key(|row| row.line);

        let without_amount = count(refused.iter().filter(|row| row.amount_minor.is_none()));
        let refused_minor = Tally::of(refused.iter().filter_map(|row| row.amount_minor)).minor;
        let net_minor = match mapping.kind {
            Kind::Payments => posted.payments.minor.saturating_sub(posted.returns.minor),
            Kind::Budget => posted.allocations.minor,
        };
        let file_sum_agrees = net_minor.saturating_add(refused_minor) == plan.file_sum_minor;
        let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
        for row in &refused {
            let count = reasons.entry(row.fault.reason().to_owned()).or_default();
            *count = count.saturating_add(1);
        }

        let kind = match mapping.kind {
            Kind::Payments => "payments",
            Kind::Budget => "budget",
        };
        let mut items = Vec::new();
        let mut put = |key, english, chinese, figure| items.push(Item { key, english, chinese, figure });
        put("file", "File", "文件", Figure::Text(input.to_owned()));
        put("file_sha256", "SHA-256 of the file", "文件 SHA-256", Figure::Text(hex(&plan.digest)));
        put("key_prefix", "Prefix of its keys", "幂等键前缀", Figure::Text(plan.short_digest()));
        put("kind", "Kind", "类型", Figure::Text(kind.to_owned()));
        put("fund_id", "Fund", "资金", Figure::Text(mapping.fund.id.0.clone()));
        put("currency_code", "Currency", "币种", Figure::Text(mapping.fund.currency.0.clone()));
        put("currency_exponent", "Decimal places", "小数位", Figure::Count(mapping.fund.exponent.0.into()));
        put("dry_run", "Dry run (nothing posted)", "试运行(未入账)", Figure::Flag(dry_run));
        put("rows_read", "Rows read", "读取行数", Figure::Count(plan.rows_read));
        put("rows_blank", "Blank rows skipped", "跳过空行", Figure::Count(plan.rows_blank));
        put("lots", "Lots", "资金批次", Figure::Count(count(&plan.lots)));
        put(
            "lots_agreeing",
            "Lots that agree with the ledger",
            "与账本一致的批次",
            Figure::Count(posted.lots_agreeing),
        );
        put("units", "Budget units", "预算单位", Figure::Count(count(&plan.units)));
        put("allocations", "Allocations", "指标分配", Figure::Count(posted.allocations.count));
        put("allocations", "Allocated", "分配金额", Figure::Money(posted.allocations.minor));
        if mapping.kind == Kind::Payments {
            put("payments", "Payments", "支付笔数", Figure::Count(posted.payments.count));
            put("payments", "Paid", "支付金额", Figure::Money(posted.payments.minor));
            put("returns", "Returns", "退款笔数", Figure::Count(posted.returns.count));
            put("returns", "Returned", "退款金额", Figure::Money(posted.returns.minor));
        }
        put("refused", "Refused rows", "拒绝行数", Figure::Count(count(&refused)));
        put("refused", "Refused (sign as in the file)", "拒绝金额(符号同文件)", Figure::Money(refused_minor));
        put("refused_without_amount", "… without a readable amount", "其中金额不可读", Figure::Count(without_amount));
        put("net_posted", "Net posted", "净入账", Figure::Money(net_minor));
        put("file_sum", "Sum of the file", "文件合计", Figure::Money(plan.file_sum_minor));
        put("file_sum_agrees", "Net posted + refused = file", "净入账 + 拒绝 = 文件", Figure::Flag(file_sum_agrees));
        put("commands_posted", "Commands posted now", "本次入账命令", Figure::Count(posted.accepted_now));
        put("commands_replayed", "Commands posted before", "此前已入账命令", Figure::Count(posted.accepted_before));
        put("last_sequence", "Last sequence", "最后序号", Figure::Sequence(posted.last_sequence));
        put("refused_by_reason", "Refused, by reason", "拒绝原因", Figure::Counts(reasons));
        Self { items, exponent: mapping.fund.exponent.0, dry_run, refused, file_sum_agrees }
    }

    /// How many rows were refused.
    pub(crate) fn refused_count(&self) -> usize {
        self.refused.len()
    }

    /// One object with stable keys.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        for item in &self.items {
            let (key, value) = match &item.figure {
                Figure::Text(text) => (item.key.to_owned(), json!(text)),
                Figure::Count(count) => (item.key.to_owned(), json!(count)),
                Figure::Sequence(sequence) => (item.key.to_owned(), json!(sequence)),
                Figure::Flag(flag) => (item.key.to_owned(), json!(flag)),
                Figure::Counts(counts) => (item.key.to_owned(), json!(counts)),
                Figure::Money(minor) => {
                    object.insert(format!("{}_amount", item.key), json!(decimal(*minor, self.exponent)));
                    // A sum of 2^53-1 amounts and more is beyond any file; it is given as text rather than wrongly.
                    let exact = i64::try_from(*minor).map_or_else(|_| json!(minor.to_string()), |minor| json!(minor));
                    (format!("{}_minor", item.key), exact)
                }
            };
            object.insert(key, value);
        }
        Value::Object(object)
    }

    /// Writes the summary.
    pub(crate) fn write(&self, out: &mut dyn Write, format: Format, lang: Lang) -> Result<(), Failure> {
        match format {
            Format::Json => render::json(out, &self.to_json()),
            Format::Csv => {
                let flat = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let object = self.to_json();
                let pairs = object.as_object().into_iter().flatten();
                let rows: Vec<Vec<String>> = pairs.map(|(key, value)| vec![key.clone(), flat(value)]).collect();
                render::csv(out, &["key", "value"], &rows)
            }
            Format::Table | Format::Tree | Format::Dot => {
                let rows: Vec<Vec<String>> = self
                    .items
                    .iter()
                    .filter(|item| !(self.dry_run && ABOUT_POSTING.contains(&item.key)))
                    .map(|item| vec![lang.pick(item.english, item.chinese).to_owned(), self.for_people(item, lang)])
                    .collect();
                let header = [lang.pick("Import", "导入"), ""];
                writeln!(out, "{}", render::table(&header, &rows, &[1])).map_err(Failure::from)
            }
        }
    }

    fn for_people(&self, item: &Item, lang: Lang) -> String {
        match &item.figure {
            Figure::Text(text) => text.clone(),
            Figure::Count(count) => grouped(i128::from(*count), 0),
            Figure::Sequence(sequence) => grouped(i128::from(*sequence), 0),
            Figure::Money(minor) => grouped(*minor, self.exponent),
            Figure::Flag(true) => lang.pick("yes", "是").to_owned(),
            Figure::Flag(false) => lang.pick("no", "否").to_owned(),
            Figure::Counts(counts) => {
                let lines: Vec<String> = counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
                if lines.is_empty() { "-".to_owned() } else { lines.join("\n") }
            }
        }
    }

    /// Writes the list of refused rows as CSV: line, reason, amount, message, remedy.
    pub(super) fn write_refused(&self, out: &mut dyn Write, lang: Lang) -> Result<(), Failure> {
        let header = ["line", "reason", "amount_minor", "amount", "message", "remedy"];
        let rows: Vec<Vec<String>> = self
            .refused
            .iter()
            .map(|row| {
                let amount = row.amount_minor.map(i128::from);
                vec![
                    row.line.to_string(),
                    row.fault.reason().to_owned(),
                    amount.map(|minor| minor.to_string()).unwrap_or_default(),
                    amount.map(|minor| decimal(minor, self.exponent)).unwrap_or_default(),
                    row.fault.message(lang),
                    row.fault.remedy(lang).to_owned(),
                ]
            })
            .collect();
        render::csv(out, &header, &rows)
    }
}

fn count(items: impl IntoIterator) -> u64 {
    u64::try_from(items.into_iter().count()).unwrap_or(u64::MAX)
}

impl Fault {
    /// The stable code.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::EncodingInvalid { .. } => "ENCODING_INVALID",
            Self::ColumnsMismatch { .. } => "COLUMNS_MISMATCH",
            Self::FieldEmpty { .. } => "FIELD_EMPTY",
            Self::FieldTooLong { .. } => "FIELD_TOO_LONG",
            Self::DateInvalid { .. } => "DATE_INVALID",
            Self::AmountInvalid { .. } => "AMOUNT_INVALID",
            Self::AmountTooPrecise { .. } => "AMOUNT_TOO_PRECISE",
            Self::AmountOutOfRange { .. } => "AMOUNT_OUT_OF_RANGE",
            Self::AmountZero => "AMOUNT_ZERO",
            Self::ReturnWithoutPayment => "RETURN_WITHOUT_PAYMENT",
            Self::BudgetLineNegative => "BUDGET_LINE_NEGATIVE",
            Self::Ledger { reason, .. } => reason,
        }
    }

    /// What is the case.
    pub(super) fn message(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::EncodingInvalid { column }, Lang::En) => format!("`{column}` is not in the encoding of the mapping"),
            (Self::EncodingInvalid { column }, Lang::Zh) => format!("“{column}”不符合映射文件的编码"),
            (Self::ColumnsMismatch { expected, found }, Lang::En) => {
                format!("the row has {found} fields, the header {expected}")
            }
            (Self::ColumnsMismatch { expected, found }, Lang::Zh) => {
                format!("该行有 {found} 个字段,表头有 {expected} 个")
            }
            (Self::FieldEmpty { column }, Lang::En) => format!("`{column}` is empty"),
            (Self::FieldEmpty { column }, Lang::Zh) => format!("“{column}”为空"),
            (Self::FieldTooLong { column, bytes_max }, Lang::En) => {
                format!("`{column}` is longer than {bytes_max} bytes")
            }
            (Self::FieldTooLong { column, bytes_max }, Lang::Zh) => format!("“{column}”超过 {bytes_max} 字节"),
            (Self::DateInvalid { text }, Lang::En) => format!("`{text}` is no date in the form of the mapping"),
            (Self::DateInvalid { text }, Lang::Zh) => format!("“{text}”不是映射文件格式的有效日期"),
            (Self::AmountInvalid { text }, Lang::En) => format!("`{text}` is no amount in the form of the mapping"),
            (Self::AmountInvalid { text }, Lang::Zh) => format!("“{text}”不是映射文件格式的金额"),
            (Self::AmountTooPrecise { text, exponent }, Lang::En) => {
                format!("`{text}` has more than {exponent} decimal places; amounts are never rounded")
            }
            (Self::AmountTooPrecise { text, exponent }, Lang::Zh) => {
                format!("“{text}”超过 {exponent} 位小数;金额从不四舍五入")
            }
            (Self::AmountOutOfRange { text }, Lang::En) => format!("`{text}` is more than an amount can hold"),
            (Self::AmountOutOfRange { text }, Lang::Zh) => format!("“{text}”超出金额上限"),
            (Self::AmountZero, Lang::En) => "the amount is zero".to_owned(),
            (Self::AmountZero, Lang::Zh) => "金额为零".to_owned(),
            (Self::ReturnWithoutPayment, Lang::En) => {
                "no earlier payment of the same payee, lot value and unit has that much left".to_owned()
            }
            (Self::ReturnWithoutPayment, Lang::Zh) => "此前没有同一收款人、批次和单位且余额足够的支付".to_owned(),
            (Self::BudgetLineNegative, Lang::En) => "a budget line below zero".to_owned(),
            (Self::BudgetLineNegative, Lang::Zh) => "预算行金额为负".to_owned(),
            (Self::Ledger { message, .. }, _) => message.clone(),
        }
    }

    /// What can be done.
    pub(super) fn remedy(&self, lang: Lang) -> &'static str {
        match self {
            Self::EncodingInvalid { .. } => {
                lang.pick("set `file.encoding`, or have the row corrected", "改正 file.encoding 或更正该行")
            }
            Self::ColumnsMismatch { .. } => lang.pick("quote fields that hold the delimiter", "含分隔符的字段须加引号"),
            Self::FieldEmpty { .. } | Self::FieldTooLong { .. } => {
                lang.pick("have the row corrected at its source", "由来源更正该行")
            }
            Self::DateInvalid { .. } => {
                lang.pick("set `date.format`, or have the row corrected", "改正 date.format 或更正该行")
            }
            Self::AmountInvalid { .. } => {
                lang.pick("set `[amount]`, or have the row corrected", "改正 [amount] 或更正该行")
            }
            Self::AmountTooPrecise { .. } => lang.pick("have the exact amount published", "由来源公布准确金额"),
            Self::AmountOutOfRange { .. } => lang.pick("check the amount at its source", "向来源核对金额"),
            Self::AmountZero => lang.pick("nothing to post", "无需入账"),
            Self::ReturnWithoutPayment => {
                lang.pick("find the payment it belongs to, and post the return by hand", "查明原支付后手工登记退款")
            }
            Self::BudgetLineNegative => lang.pick("post it as a reduction of the lot", "按追减登记"),
            Self::Ledger { .. } => {
                lang.pick("remove the cause and post it by hand under a new key", "消除原因后以新键手工入账")
            }
        }
    }
}
