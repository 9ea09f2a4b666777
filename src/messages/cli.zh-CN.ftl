# 命令行文本（中文）。与 cli.en.ftl 的条目及变量一一对应。

## 各命令共用词语

word-account = 账户
word-credit = 贷方
word-currency = 币种
word-debit = 借方
word-fund = 资金
word-kind = 类型
word-lot = 批次
word-no = 否
word-unit = 单位
word-yes = 是
next-step = 下一步
as-of = 截至序号 { $sequence }，条目哈希 { $hash }

## 各命令共用错误

format-not-offered = 本命令不支持 --format { $asked }；可用：{ $offered }
output-failed = 结果无法写出：{ $cause }
output-closed = 标准输出已关闭
runtime-failed = 运行环境未能启动：{ $cause }
server-is-no-address = --server { $server }：{ $cause }；例如 http://127.0.0.1:7070
server-needs-http = --server { $server }：须为 http:// 或 https:// 地址
server-needs-certificates = --server { $server }：https 需要 --tls-ca、--tls-certificate 与 --tls-key
server-certificates-wrong = 用于 { $server } 的证书不可用：{ $cause }
server-file-unreadable = 无法读取 { $path }：{ $cause }
server-refuses-certificate = { $server } 中断了连接，可能因为不接受 --tls-certificate 的证书：{ $cause }。请检查证书是否过期、被吊销，或其签发机构不被账本信任
server-not-trusted = { $server } 的证书未获 --tls-ca 认可：{ $cause }。未发送任何内容
server-unreachable = 无法连接 { $server }：{ $cause }；是否已运行 `fundledger serve`？
server-gone = 无法从服务器读取
server-failed = 服务器：{ $cause }
answer-has-no-outcome = 有一条结果既非回执也非错误
answer-has-other-length = 服务器返回的结果条数与指令条数不符
answer-has-no-position = 答复未注明账本位置
run-again = 请再次运行同一命令以继续：不会重复记账

## 账户类型

kind-authority-source = 指标来源
kind-authority-unallocated = 待分指标
kind-authority-unit = 单位可执行指标
kind-authority-plan = 用款计划
kind-authority-committed = 合同占用
kind-authority-frozen = 冻结
kind-authority-used = 已执行
kind-authority-carry = 结转
kind-authority-recalled = 收回
kind-treasury = 国库存款
kind-fund-lot = 专项结存
kind-clearing = 零余额待清算
kind-fiscal-special = 财政专户
kind-income = 收入户
kind-payout = 支出户
kind-housing-deposit = 住房公积金专户
kind-housing-surplus-deposit = 增值收益专户
kind-loan = 委托贷款
kind-bond = 国债
kind-pool = 统筹基金
kind-personal = 个人账户
kind-housing-personal = 住房公积金个人账户
kind-payable-upper = 与上级往来
kind-payable-lower = 与下级往来
kind-nontax-pending = 待分成
kind-nontax-share = 本级分成
kind-surplus = 增值收益
kind-risk-reserve = 贷款风险准备金
kind-management-fee-payable = 上交管理费
kind-low-rent-housing = 廉租住房补充资金

## init

init-created = 已创建账本 { $origin }（{ $directory }）
init-without-administrators = 未指定管理员（--admin）：该账本现在和以后都没有角色与签名审批
init-admin-alone = 仅一名管理员无法更改任何事项：请至少指定两名
init-admin-invalid = --admin { $key } 无效：{ $cause }
init-admin-twice = 同一人员或密钥被重复指定
init-log-key = 日志公钥（交审计人与见证人留存）：{ $key }
init-back-up-keys = 请将 keys/ 与日志分开备份：缺少密钥则无法识别重试与收款人
init-needs-tls = 该文件须设置 { $keys }；如需吊销证书，另设 tls.revocation_list（见 docs/operations.md 的 “Mutual TLS”）

## serve

serve-development = 开发用账本：永远不能转为正式账本
serve-read-only = 已停止记账：{ $cause }
serve-head = 最新序号 { $sequence } { $hash }
serve-metrics = 指标地址 http://{ $address }/metrics
serve-tiles = 公开日志地址 http://{ $address }/checkpoint
serve-listening = 监听地址 { $url }
serve-needs-data = 未指定账本目录：请用 --data 或配置项 `data`
serve-other-log = 见证方策略所列的日志密钥中没有本日志的密钥：是否已被调换？
serve-needs-consent = 未配置 TLS（`tls`）：如可接受明文（仅限本机回环地址）请加 --insecure-dev
serve-tls-or-plain = 已配置 TLS，而 --insecure-dev 接受明文：二者只可选一
serve-tls-needs = 未设置 `{ $key }`：TLS 需要此项
serve-tls-wrong-domain = `tls.trust_domain`：`{ $name }` 不是信任域：只可用小写字母、数字、点、连字符与下划线
serve-needs-administrators = 本账本没有管理员，无人可获得角色：使用 TLS 时请提供以 `init --admin` 创建的账本
tls-unreadable = 无法使用 { $path }：{ $cause }
tls-no-certificate = { $path }：其中没有证书
tls-no-key = { $path }：其中没有私钥
tls-no-revocation-list = { $path }：其中没有吊销列表
tls-key-of-another = { $path }：不是该证书的私钥
tls-expired = { $path }：证书已过期
tls-not-yet-valid = { $path }：证书尚未生效
serve-needs-loopback = { $address } 不是回环地址：明文只限本机
otlp-needs-ca = 未设置 `otlp.ca`：https:// 的采集器需要它
otlp-headers-need-tls = `otlp.headers_file` 只可经 https:// 发送，或发给本机的采集器
otlp-header-wrong = { $path }:{ $line }：不是 `name: value` 形式的标头
serve-stopped = 账本已停止：{ $cause }
check-would-create = { $path } 为空：将在此创建开发用账本
check-ledger = 账本 { $origin } 可以打开：最新序号 { $sequence } { $hash }
check-replayed = 启动时须重放其日志中的 { $count } 个事件
check-address = { $address } 可用
check-would-serve = 可以启动服务
check-would-only-read = 启动后只能查询，不能记账：{ $cause }
serve-signals-failed = 无法监听信号：{ $cause }

## config

config-is-right = 配置无误
config-is-wrong = 配置有误：
config-unknown-key = { $origin }：没有配置项 `{ $key }`
config-wrong-value = { $origin }：配置项 `{ $key }`：{ $cause }
config-default = 默认值
config-key = 配置项
config-value = 值
config-source = 来源

## backup

backup-apart = 日志、密钥与个人信息的备份须放在互不包含的目录中
backup-behind = { $path } 中的备份有 { $kept } 个条目，来源有 { $size } 个，或为另一日志：未作任何改动
backup-done = 新增 { $added } 个条目：{ $path } 中 { $size } 个条目的备份已校验
backup-keys = 已备份密钥 { $count } 个（{ $path }）
backup-other = { $path } 不为空，且不是日志的备份
backup-unfit = 写入 { $path } 的内容不具有已签名的根：备份的检查点保持原样
backup-vault = 已备份个人信息（{ $path }）

## export

export-tiles-written = 最新检查点所覆盖的 { $size } 个条目已写入 { $path }
export-without-checkpoint = 日志旁没有可读的检查点：无从导出静态文件
export-bad-time = --made-at 的格式为 YYYY-MM-DDTHH:MM:SSZ
export-days-turned = --from 晚于 --to
export-no-ocids = --ocid-prefix 仅用于 --as ocds
export-ocid-prefix = { $prefix } 不是 ocds-a1b2c3 这样的前缀：须向 Open Contracting Partnership 登记
export-form-written = 已写出截至序号 { $sequence } 的 { $rows } 行（{ $path }）
export-needs-data = --bundle 与 --tiles 由账本目录制成：请用 --data 指明
export-no-folder = { $path } 不是目录：请先创建
export-unknown-fund = 日志中没有基金 { $fund }
export-without-ocid = 合同 { $contract } 没有 ocid：请用 --ocid-prefix 给出已注册的前缀
export-unfit = 日志没有其检查点所覆盖的 { $size } 个条目：请运行 `fundledger verify`
export-written = 已写出数据块 { $values } 个、瓦片 { $tiles } 个（{ $file }）

## restore

restore-aside = 无法打开的日志已移至 { $path }
restore-behind = { $path } 的 entries/ 有 { $kept } 个条目，来源只有 { $entries } 个：未作恢复；请从 { $path } 本身恢复，或移走 entries/ 并放弃来源所缺的内容
restore-broken = 来源的第 { $sequence } 号条目不承接前一条目：已被改动；未作恢复
restore-covered = 已签名检查点覆盖前 { $covered } 个条目；其后按副本恢复 { $beyond } 个
restore-done = 已恢复并验证 { $entries } 个条目（{ $path }）
restore-foreign = 来源旁的检查点不是用本账本的密钥签名的：未作恢复
restore-lost = 序号 { $sequence } 之后确认过的内容不在来源中：请与回执核对
restore-no-source = { $source } 既没有检查点之下的静态瓦片，也没有 entries/ 条目副本
restore-sound = { $path } 中的日志完好：未作恢复
restore-unfit = 来源不是已签名的日志：未作恢复
restore-until = 只恢复到序号 { $sequence }：已签名的内容不止于此，因而此处不能入账
restore-until-beyond = 来源在序号 { $sequence } 之前结束：未作恢复
restore-until-new = --until 在新目录中重建供查看的账本：请一并给出 --keys
restore-without-checkpoint = 来源旁没有检查点：无法判断是否为已签名的日志

## balance

balance-total-authority = 指标账合计
balance-total-cash = 现金账合计

## trace

trace-account = 账户 { $name }（{ $kind }）
trace-document = 文号 { $name }
trace-lot = 批次 { $name }
trace-opening = 期初 { $name }
trace-payee = 收款人 { $name }
trace-payment = 支付 { $name }
trace-return = 退款 { $name }
trace-reversal = 冲销 { $name }
trace-unit = 单位 { $name }
trace-unresolved = 未能追溯 { $name }
trace-pool-opening = 月初统筹基金
trace-pool-inflow = 当月流入统筹基金：{ $name }
trace-class-strict = 追溯类别 STRICT：每一分钱的确切流向
trace-class-individual = 追溯类别 INDIVIDUAL：个人账户及其自身的历史
trace-class-pooled = 追溯类别 POOLED：统筹基金的构成；哪笔缴费支付了哪笔待遇并无答案
trace-start-missing = 须指定 --lot、--payment 或 --payee
trace-without-head = 服务器返回的追溯没有起始信息
trace-incomplete = 追溯不完整：应有 { $expected } 个节点，收到 { $came } 个

## statement

statement-balance = 余额
statement-closing = 期末余额
statement-counterpart = 对方账户
statement-date = 日期
statement-event = 事项
statement-opening = 期初余额
statement-reference = 凭证
statement-sequence = 序号

## verify

verify-broken = 账本已损坏
verify-incomplete = 证据无法完整读取
clock-before-1970 = 本机时钟早于 1970 年
verify-unanchored = 账本自身一致，但没有外部锚定；如可接受请加 --allow-unanchored
verify-from-deep = --from 只读取日志末段，而余额需要全部日志：请去掉 --deep 或 --from
verify-from-bundle = 导出包不支持 --from：只能从头读取
verify-from-beyond = 来源的条目止于序号 { $last }：{ $sequence } 处没有条目
verify-from-copies = --from 读取日志旁的副本（checkpoint、entries/），而 { $path } 没有
verify-no-entries = 服务器未返回任何条目
verify-no-hash = 服务器所称的链首没有哈希
verdict-verified = 验证通过：自洽，但未与外部锚点核对
verdict-anchored = 验证通过：自洽，且与外部锚点相符
verdict-anchored-in-part = 验证通过：自洽；仅前 { $size } 个条目与外部锚点相符，最后 { $count } 个没有外部锚定
verdict-broken = 已损坏或被篡改
verdict-incomplete = 不完整：证据未能读到末尾
report-ledger = 账本：{ $origin }
report-development = 注意：开发用账本，非正式账本
report-from = 自序号 { $sequence } 起；其前未读取
report-events = 事件数：{ $events }
report-last-sequence = 末序号：{ $sequence }
report-head = 链首哈希：{ $hash }
report-root = { $size } 个条目的树根：{ $root }
report-anchored = 外部锚定：前 { $size } 个条目
report-unanchored = 仅由账本自身保证：最后 { $count } 个条目
report-bundle = 证据包：第 { $version } 版，{ $values } 个存储值，{ $tiles } 个瓦片
report-bundle-made = 制作程序（自称）：{ $by }
report-bundle-made-at = 制作程序（自称）：{ $by }，时间 { $time }
report-bundle-policy = 证据包带有一份策略（sha256 { $digest }）：来自账本，不构成锚定
report-bundle-policy-other = 证据包带有一份策略（sha256 { $digest }），与您的不同；只以您的为准
report-bundle-policy-same = 证据包带有一份策略（sha256 { $digest }），与您的相同；只以您的为准
report-unreadable = 无法读取：{ $cause }
report-first-bad = 首个异常序号：{ $sequence }
report-faults = 异常数：{ $faults }
report-fault = #{ $sequence } [{ $kind }]：{ $facts }
report-books-stopped = 自此序号起未能重算余额：{ $sequence }
report-checked = 已核对：
report-not-checked = 未核对：

check-blocks = 全部数据块的格式与校验和
check-bundle = 证据包自述的内容：清单、附件、与树比对的瓦片、结束标记
check-store = 日志存储本身（log/）：只读取了其旁的副本，至开始时的检查点所覆盖为止
check-sequences = 序号从 0 起连续
check-chain = 由存储字节重算全部哈希，并与全部链接和首尾哈希比对
check-events = 事件全部可解码；创世记录在首；记账时间严格递增；请求编号唯一
check-claimed-head = 来源所称的链首
check-numbering = 资金、账户、批次、政策版本的编号
check-legs = 每条分录：账户、批次、资金、类型，各账套借贷平衡
check-balances = 由分录重算全部余额：账户与批次不为负；下达、支出、资金与权益相符
check-returns = 支付、清算、退款、冲销与冻结金额
check-contracts = 合同与中标结果、补充合同限额、合同占用与支付；竣工决算；绩效目标
check-closings = 日结、月结与封存的试算平衡
check-duties = 制单与审批分离
check-checkpoint = 条目树根与检查点比对
check-signatures = 以所给的日志公钥核对检查点签名
check-earlier-keys = 较早检查点上的签名，所用的是未提供的日志旧密钥
check-witnesses = 所给策略中的见证人法定数
check-tiles = 来源的全部哈希瓦片与条目树比对
check-anchoring = 本日志是否即他人所见的日志：凭留存的检查点或见证
check-before = 所给序号之前的一切：条目、链接以及请求编号是否在其中用过
check-keyed-digests = 指令摘要与收款人假名：无密钥不可核对
check-approvals = 对存储字节的签名审批（密钥当时有效）、批次根、角色与提请
check-named-persons = 仅列名而未签名的制单人与审批人是否本人
check-decision-rules = 决策规则：审批人数、用款计划、用途、有效期与冻结

fault-framing = framing 存储格式错误
fault-checksum = checksum 校验和不符
fault-sequence = sequence 序号缺失、重复或错位
fault-chain = chain 哈希链断裂
fault-block-head = block_head 数据块首尾哈希不符
fault-genesis = genesis 创世记录错误
fault-time = time 记账时间未递增
fault-request-id = request_id 请求编号缺失或重复
fault-decode = decode 事件无法解码
fault-books = books 账目与事件不符
fault-head = head 与所称的链首不符
fault-root = root 树根与检查点不符
fault-tile = tile 瓦片缺失、格式错误或与条目不符
fault-signature = signature 检查点签名不符
fault-manifest = manifest 与证据包清单不符
fault-witness = witness 见证不足
fault-leg = leg 分录不合法
fault-unbalanced = unbalanced 借贷不平
fault-negative-balance = negative_balance 账户余额为负
fault-negative-lot = negative_lot 批次余额为负
fault-lot-total = lot_total 批次指标合计不符
fault-lot-used = lot_used 批次支出或资金不符
fault-fund-cash = fund_cash 账实不符
fault-over-return = over_return 退款超额或不合规
fault-reversal = reversal 冲销不合规
fault-closed-period = closed_period 违反结账规则
fault-trial-balance = trial_balance 试算平衡摘要不符
fault-segregation-of-duties = segregation_of_duties 制单与审批未分离
fault-approval = approval 审批签名、密钥、角色或提请不符
fault-release = release 待见证支付放行不符
fault-numbering = numbering 编号不连续

## demo

demo-created = 临时账本，自创世记录起逐条哈希相连
demo-post = 通过 gRPC 记入一家伦敦医院信托的真实支付与退款（fundledger import）
demo-balance = 查询余额（fundledger balance）
demo-forwards = 顺向可控：这批资金去了哪里？（fundledger trace --lot）
demo-backwards = 逆向可溯：这位收款人的钱从哪里来？（fundledger trace --payee）
demo-refusal = 超额支付：被拒绝，且留下记录
demo-not-refused = 该笔超额支付未被拒绝
demo-verify-running = 校验运行中的账本（fundledger verify URL）
demo-verify-stopped = 校验已停止账本的文件（fundledger verify DIR --deep）
demo-tamper = 篡改：有人直接改动磁盘，将一笔支付改给他人，并修补数据块校验和
demo-changed = 已改动：事件序号 { $sequence }
demo-verify-again = 再次校验
demo-found = 已发现：账本被改动，并指明位置（退出码 1）
demo-not-found = 未能发现篡改

## bench

bench-load = { $events } 条 { $workload }，每次请求 { $batch } 条，并发 { $clients }
bench-over = 分布于 { $accounts } 个账户、{ $lots } 个批次，每个答复均已落盘
bench-latency = 每次请求 { $micros } µs
bench-views-lag = 视图滞后
bench-log = 日志
bench-head = 最新序号
bench-micros = { $micros } µs
bench-log-bytes = 磁盘 { $bytes } 字节，每事件 { $each }
bench-probe = 刷盘探测 p50：之前 { $before } µs，之后 { $after } µs
bench-mix = 城市混合业务 { $events } 条与等量支付各分 { $turns } 轮交替，每次请求 { $batch } 条，并发 { $clients }，每个答复均已落盘
bench-mix-city = 城市混合：每秒 { $median } 条（各轮 { $turns } 的中位数）
bench-mix-single = 单一支付：每秒 { $median } 条（各轮 { $turns } 的中位数）
bench-mix-ratio = 比值：{ $ratio }（达到 { $least }：{ $reached }）
bench-covered = 未被检查点覆盖的最长时间
bench-covered-late = 已应答的事件有 { $covered } 未被检查点覆盖，超过 { $allowed }
bench-compare = 每次向新账本提交 { $events } 个事件，各 { $turns } 轮，每次请求 { $batch } 条，同时 { $clients } 个请求，每次应答均已落盘
bench-compare-server = --compare 会自行启动账本：请不要给出 --server
bench-compare-with = 有检查点：{ $median } 事件/秒（各轮 { $turns } 的中位数）
bench-compare-without = 无默克尔树与检查点：{ $median } 事件/秒（各轮 { $turns } 的中位数）
bench-features = 已启用：{ $features }；未启用：{ $off }
bench-explain-threads = 加压期间各线程的处理器时间，每个事件的纳秒数：
bench-explain-stages = 事件所经的各阶段，单线程单独测量，每个事件的纳秒数（中位数）：
bench-approving = 事先提议并批准，用时
bench-read-empty = 空调用
bench-read-balance = 余额查询
bench-read-statement = 明细分页查询
bench-reads = { $count } 次，p50 { $p50 } µs，p99 { $p99 } µs
bench-overload = 按账本承受能力的 { $times } 倍提交，每次请求 { $batch } 条，持续 { $seconds } 秒：每秒提交 { $offered } 条
bench-overload-accepted = 每秒接受 { $accepted } 条；此前按其自身节奏每秒 { $peak } 条
bench-admitted = 已接受的请求
bench-refused = 被拒绝的请求
bench-refused-in-time = 50 毫秒内拒绝的比例：{ $share }
bench-memory = 客户端与账本的常驻内存：之前 { $before } MB，最高 { $most } MB
bench-no-delay = 有 { $count } 次拒绝未给出重试等待时间
bench-batch-of-one = --approvals batch 要求每次请求至少两条指令：请相应选择 --batch 与 --events
bench-approvals-server = --approvals 会自行启动账本并充当其管理员：请不要给出 --server
bench-head-differs = 最新序号为 { $found }，但已确认至 { $expected }：另有他人记账，或有事件缺失
bench-views-behind = 结束时视图滞后 { $lag }，超过 { $allowed }

## post

post-streams = 标准输入将边读边分批入账：遇到错误行即停止，其前各行已入账
post-nothing-posted = { $file } 未入账：有的行不是指令：
post-bad-line = 第 { $line } 行：{ $cause }
post-stopped = 第 { $line } 行：{ $cause }；其前各行已入账，其后各行未入账
post-refused = { $count } 条指令被拒绝
post-summary = 已受理 { $accepted }，此前已受理 { $replayed }，被拒绝 { $refused }；最后序号 { $last_sequence }
post-line = 行
post-key = 幂等键
post-sequence = 序号
post-outcome = 条目哈希或拒绝原因
keys-log-next = 该密钥尚未启用：请提交（或提请审批）一条带有 { $order } 的指令
post-unreleased = 待见证后放行
post-unseen = 已落盘，但见证方未在 10 秒内会签：可再次运行以继续等待，不会重复记账
post-replayed = 此前已受理
post-receipt-code = 凭证码 { $code }
post-lacks-codes = 已全部记账，但有 { $count } 张回执未能取得凭证码：可再次运行，或用 `fundledger receipt --of SEQUENCE`；不会重复记账

## funds

funds-fund = 基金
funds-name = 名称
funds-family = 类别
funds-scheme = 险种或资金种类
funds-level = 级次
funds-region = 行政区划
funds-direct = 直达资金
funds-subsidy = 补贴到人到企业
funds-matching = 直达资金及其配套
funds-recipients = 收款对象
funds-carry = 结转规则
funds-defined = 设立事件
funds-yes = 是

## complaints

complaints-complaint = 投诉
complaints-kind = 事由
complaints-stage = 状态
complaints-outcome = 结论
complaints-about = 投诉对象
complaints-about-unit = 被投诉单位
complaints-unit = 承办单位
complaints-handler = 首问责任人
complaints-due-on = 到期日
complaints-overdue = 超期
complaints-filed = 登记事件
complaints-filed-on = 登记日
complaints-last = 最近事件
complaints-last-on = 最近日期
complaints-is-filed = 已登记
complaints-is-accepted = 已受理
complaints-is-answered = 已答复
complaints-is-closed = 已办结
complaints-upheld = 属实
complaints-unfounded = 不属实
complaints-referred = 移送
complaints-withdrawn = 撤回
complaints-is-overdue = 超期

## findings

findings-finding = 疑点
findings-rule = 规则
findings-stage = 状态
findings-outcome = 结论
findings-amount = 涉及金额（最小货币单位）
findings-rectified = 已整改金额（最小货币单位）
findings-flagged-by = 提出人
findings-flagged = 提出事件
findings-flagged-on = 提出日
findings-last = 最近事件
findings-last-on = 最近日期
findings-open = 待答复
findings-explained = 已答复
findings-put-right = 已整改
findings-closed = 已销号

## tenders

tenders-ceiling = 最高限价
tenders-awarded = 中标金额
tenders-contracted = 合同价款
tenders-contracts = 合同
tenders-opened-on = 招标日期
tenders-awarded-on = 中标日期
tenders-opened = 招标事件
tenders-award = 中标事件

## contracts

contracts-pseudonym = --supplier-pseudonym 须为 32 位十六进制假名
contracts-contract = 合同
contracts-fund = 基金
contracts-unit = 单位
contracts-project = 项目
contracts-tender = 招标编号
contracts-method = 采购方式
contracts-ocid = 开放合同编号
contracts-supplier = 供应商
contracts-price = 价款
contracts-added = 累计追加
contracts-committed = 占用
contracts-paid = 已支付
contracts-returned = 已退回
contracts-left = 剩余
contracts-registered = 登记事件
contracts-last = 最近事件

## projects

projects-project = 项目
projects-fund = 基金
projects-estimate = 核定概算
projects-final = 竣工决算
projects-contracted = 合同价款
projects-paid = 已支付
projects-returned = 已退回
projects-left = 剩余
projects-surplus = 结余
projects-last = 最近事件

## performance

performance-kind = 类型
performance-subject = 对象
performance-year = 年度
performance-indicator = 指标
performance-name = 名称
performance-category = 类别
performance-direction = 方向
performance-target = 目标值
performance-actual = 完成值
performance-unit-of-measure = 计量单位
performance-as-of = 截至
performance-weight = 权重
performance-attainment = 完成率
performance-score = 得分
performance-issued = 下达
performance-paid = 已支付
performance-execution = 执行率
performance-idle = 闲置
performance-left = 剩余

## clocks

clocks-code = 时限代码
clocks-kind = 起止
clocks-subject = 对象
clocks-fund = 基金
clocks-unit = 单位
clocks-status = 状态
clocks-started = 起始事件
clocks-started-on = 起始日
clocks-due-on = 到期日
clocks-ended = 终止事件
clocks-ended-on = 终止日
clocks-running = 计时中
clocks-overdue = 已超期
clocks-met = 按期办结
clocks-met-late = 逾期办结

## propose, pending, approve, withdraw

propose-nothing = 文件中没有指令
propose-needs-batch-file = 多条指令为一个批次：请用 --batch-file 指明其原始字节写入何处，供复核人查看并供 `post --proposal` 提交
propose-done = 已提请 { $id }，序号 { $sequence }，指令数 { $commands }
propose-root = 根 { $root }，控制总额 { $total } 最小货币单位
pending-proposal = 提请
pending-maker = 制单人
pending-expires = 有效期至
pending-commands = 指令数
pending-what = 内容
pending-approvers = 已审批
approve-head = 提请 { $proposal }，制单人 { $maker }，账本 { $origin }，有效期至 { $expires }
approve-not-pending = 没有待批的提请 { $proposal }：从未提出，或已执行、撤回、过期
approve-other-message = 服务器要求签名的内容与所示不同：未签名
approve-declined = 未签名
approve-needs-batch-file = 这是一个批次：请用 --batch-file 指明制单人给出的指令文件；账本中只有它的根
approve-needs-yes = 无法询问：如要审批所示内容，请加 --yes
approve-question = 以 { $name } 的身份审批？[y/N]
approve-done = { $name } 已审批 { $proposal }，序号 { $sequence }
approve-waits = 尚需其他审批，或由制单人提交批次
approve-executed = 已执行，序号 { $sequence }，条目哈希 { $hash }
withdraw-done = 已撤回 { $proposal }，序号 { $sequence }

## import

import-title = 导入
import-file = 文件
import-file-sha256 = 文件 SHA-256
import-key-prefix = 幂等键前缀
import-kind = 类型
import-fund = 资金
import-currency = 币种
import-exponent = 小数位
import-dry-run = 试运行（未入账）
import-rows-read = 读取行数
import-rows-blank = 跳过空行
import-lots = 资金批次
import-lots-agreeing = 与账本一致的批次
import-units = 预算单位
import-allocations = 指标分配
import-allocated = 分配金额
import-payments = 支付笔数
import-paid = 支付金额
import-returns = 退款笔数
import-returned = 退款金额
import-refused = 拒绝行数
import-refused-amount = 拒绝金额（符号同文件）
import-refused-without-amount = 其中金额不可读
import-net-posted = 净入账
import-file-sum = 文件合计
import-sums-agree = 净入账 + 拒绝 = 文件
import-posted-now = 本次入账指令
import-posted-before = 此前已入账指令
import-last-sequence = 最后序号
import-refused-by-reason = 拒绝原因
import-sum-differs = 入账与拒绝之和与文件合计不符
import-rows-refused = { $count } 行被拒绝
import-stage-policy = 政策
import-stage-fund = 资金
import-stage-accounts = 账户
import-stage-lots = 批次
import-stage-cash = 收款
import-stage-allocations = 指标分配
import-stage-refused = 设立{ $stage }被拒绝；未记入任何行
import-and-more = 另有 { $count } 条
import-account-taken = 账户 { $account } 已存在，但属于资金 { $fund }、单位“{ $unit }”
import-treasury-differs = 账户 { $account } 无法开立：该资金的国库存款账户另有其名
import-currency-differs = 资金 { $fund } 的币种为 { $currency }、小数 { $exponent } 位，映射文件为 { $mapping_currency }、{ $mapping_exponent } 位
import-mapping-changed = 该文件此前已按内容不同的映射文件入账：{ $key }：{ $cause }
import-clear-refused = 清算至第 { $line } 行的支付被拒绝：{ $cause }

row-encoding-invalid = “{ $column }”不符合映射文件的编码
row-encoding-invalid-remedy = 改正 file.encoding 或更正该行
row-columns-mismatch = 该行有 { $found } 个字段，表头有 { $expected } 个
row-columns-mismatch-remedy = 含分隔符的字段须加引号
row-field-empty = “{ $column }”为空
row-field-too-long = “{ $column }”超过 { $bytes } 字节
row-field-remedy = 由来源更正该行
row-date-invalid = “{ $text }”不是映射文件格式的有效日期
row-date-invalid-remedy = 改正 date.format 或更正该行
row-amount-invalid = “{ $text }”不是映射文件格式的金额
row-amount-invalid-remedy = 改正 [amount] 或更正该行
row-amount-too-precise = “{ $text }”超过 { $exponent } 位小数；金额从不四舍五入
row-amount-too-precise-remedy = 由来源公布准确金额
row-amount-out-of-range = “{ $text }”超出金额上限
row-amount-out-of-range-remedy = 向来源核对金额
row-amount-zero = 金额为零
row-amount-zero-remedy = 无需入账
row-return-without-payment = 此前没有同一收款人、批次和单位且余额足够的支付
row-return-without-payment-remedy = 查明原支付后手工登记退款
row-budget-line-negative = 预算行金额为负
row-budget-line-negative-remedy = 按追减登记
row-ledger-remedy = 消除原因后以新键手工入账

## personal-data

personal-bad-pseudonym = 假名为 32 位十六进制数字
personal-opened = 查阅已记账，序号 { $receipt }；承诺值在序号 { $sequence }，由指令 { $request } 提交
personal-nonce = 随机数：{ $nonce }
personal-commitment = 承诺值：{ $commitment }
personal-sequence = 序号
personal-person = 人员
personal-field = 项目
personal-state = 状态
personal-committed = 承诺值
personal-name = 姓名
personal-identity-number = 证件号码
personal-bank-account = 银行账号
personal-address = 住址
personal-telephone = 联系电话
personal-present = 已存储
personal-restricted = 限制处理
personal-erased = 已删除
personal-matches = 账本序号 { $sequence } 的承诺值与此内容相符（链头 { $head }）
personal-differs = 账本序号 { $sequence } 的承诺值与此内容、幂等键或随机数不符
personal-not-there = 账本序号 { $sequence } 没有这项承诺值
personal-bad-file = 文件 { $file } 不是查阅结果：{ $why }

## rules

rules-rule = 规则
rules-title = 查找内容
rules-parameters = 参数
rules-basis = 依据
rules-stage = 处理阶段
rules-amount = 金额
rules-about = 对象
rules-events = 事件
rules-facts = 发现
rules-evidence = 取证命令
rules-not-run = 未运行：{ $rule }，{ $why }
rules-as-of = 账龄截至 { $date }；运行规则 { $rules } 条，命中 { $hits } 条
rules-hits-cut = { $rule }：共命中 { $hits } 条，只列出前 { $shown } 条
rules-some-found = 规则有命中
rules-broken = 此日志的链已断裂，规则结果不可采信；请先运行 verify
rules-incomplete = 日志未能读到末尾：{ $why }
rules-needs-pseudonym = 文件中没有身份信息：请以假名指定收款人，或向运行中的服务查询
rules-bad-setting = { $text } 不是 规则.参数=数值 的形式
rules-bad-file = 文件 { $file } 有误：{ $why }
rules-unknown = 参数有误：{ $why }
rules-unknown-pack = 没有规则包 { $pack }：现有 cn-audit

## events

events-sequence = 序号
events-date = 业务日期
events-payload = 事件
events-actor = 制单人
events-checkers = 复核人
events-request = 幂等键
events-pseudonym = 假名为 32 位十六进制数字

## reconcile

reconcile-title = 银行对账
reconcile-account = 账户
reconcile-currency = 币种
reconcile-file = 文件
reconcile-sha256 = 对账单 SHA-256
reconcile-statement-id = 对账单号
reconcile-bank-account = 银行账号
reconcile-first-day = 起始日
reconcile-last-day = 截止日
reconcile-as-of = 账面截至序号
reconcile-previous = 上次对账
reconcile-previous-day = … 截止日
reconcile-entries = 银行流水笔数
reconcile-carried = 前期未达
reconcile-book-lines = 账面笔数
reconcile-matched = 已勾对
reconcile-by-reference = … 凭流水号与金额
reconcile-by-sum = … 凭流水号与合计
reconcile-by-day = … 仅凭日期与金额
reconcile-offset = 银行自行冲正
reconcile-repeated = 重复出现的流水号
reconcile-pending = 尚未入账
reconcile-differences = 差异
reconcile-bank-opening = 银行期初余额
reconcile-books-opening = 账面期初余额
reconcile-bank-closing = 银行期末余额
reconcile-books-closing = 账面期末余额
reconcile-unexplained = 差异之外的余额差
reconcile-recorded = 已登记，序号
reconcile-recorded-before = { $sequence }（此前已登记）
reconcile-status = 情况
reconcile-reference = 流水号
reconcile-dates = 日期
reconcile-bank = 银行
reconcile-books = 账面
reconcile-places = 行
reconcile-sequences = 序号
reconcile-status-amount = 金额不符
reconcile-status-bank = 银行已记、账面未记
reconcile-status-books = 账面已记、银行未记
reconcile-status-day = 凭日期与金额勾对
reconcile-status-pending = 尚未入账
reconcile-from-before = { $status }（前期未达）
reconcile-differs = 银行与账面不符
reconcile-too-many = 差异 { $differences } 项，一次登记至多 { $most } 项，故未登记；请分段取对账单，逐段对账
reconcile-needs-mapping = CSV 须以 --mapping FILE.toml 说明各列含义
reconcile-needs-no-mapping = --mapping 仅用于 CSV，此文件为 XML
reconcile-needs-maker = 须以 --maker NAME（或映射中的 posting.maker）说明由谁登记；或用 --dry-run
reconcile-no-bank-account = { $account } 属 { $kind }，不对应银行账户
reconcile-key-taken = 幂等键 { $key } 已用于其他指令
reconcile-books-do-not-add-up = 服务端给出的账户明细合计不符
bank-at-line = 第 { $line } 行：{ $fault }
bank-at-column = 第 { $line } 行第 { $column } 列：{ $fault }
bank-encoding = 含有非 { $name } 字符
bank-encoding-unknown = 不识别编码 { $name }
bank-piece-too-long = 某元素或某行超过 { $max } 字节
bank-xml = 不是合式的 XML：{ $cause }
bank-document-type = 含有文档类型定义：对账单无须此物，一概拒读
bank-too-deep = 元素嵌套超过 { $max } 层
bank-not-camt = 不是 camt.053：见 { $found }，应为 /Document/BkToCstmrStmt
bank-field-missing = 缺少 { $field }
bank-field-invalid = { $field } 不能为 { $value }
bank-amount-zero = 金额为零
bank-sides-unclear = 借贷两方均有金额
bank-reference-too-long = 流水号超过 { $max } 字节
bank-too-many-entries = 超过 { $max } 笔
bank-column-missing = 没有列 { $wanted }，或不止一列（键 { $key }）
bank-running-balance = 余额为 { $stated }，按上一行应为 { $expected }
bank-currency-differs = 金额币种为 { $found }，账户币种为 { $expected }
bank-date-outside = { $date } 不在对账单期间 { $first } 至 { $last } 之内
bank-period-missing = 未说明对账单期间，请用 --from 与 --to
bank-period-backwards = 截止日 { $last } 早于起始日 { $first }
bank-closing-missing = 未说明银行期末余额，请用 --closing-balance
bank-closing-differs = --closing-balance 为 { $said }，对账单为 { $stated }
bank-does-not-add-up = 期初余额加各笔合计为 { $expected }，而期末余额为 { $stated }
bank-statement-missing = 其中没有所指的对账单，只有：{ $found }
bank-several-statements = 其中有多份对账单：{ $found }；请用 --statement-id 或 --bank-account 指明

## report, sample, chart

report-basis = 依据 { $origin }，截至序号 { $sequence }，根哈希 { $root }
report-digest = 行数：{ $rows }；本表摘要：{ $digest }
evidence-broken = 此日志已被破坏，据此生成的任何内容不可采信；请先运行 verify
evidence-incomplete = 日志未能读到末尾：{ $why }
evidence-beyond = 日志止于序号 { $last }，尚无序号 { $asked }
report-changed = 两次读取之间日志已变：根哈希不同
report-needs-output = 工作簿不是文本：请写明 --output 文件.xlsx，或传给其他程序
report-unknown-fund = 日志中没有资金 { $fund }
report-unknown-payment = 日志中没有支付 { $payment }，或该支付不属于所选资金、单位和期间
report-unknown-lot = 日志中没有批次 { $lot }
report-reversed = --from 晚于 --to
report-mixed = --from 与 --to 须同为日期或同为序号
sample-seed = --seed 须为 1 至 { $most } 字节
sample-currencies = 各项币种为 { $currencies }：不同币种不能混同抽样；请用 --fund 指明
sample-size-nothing = 抽样间隔与命中次数至少为 1
sample-size-confidence = 没有置信度 { $asked } % 的系数；可用：{ $known }
sample-size-tolerable = --tolerable-ppm 须在 1 至 1000000 之间
sample-size-expected = 预期错报过大，任何样本都无法表明其可容忍

## checkpoint, proof

checkpoint-doubted = 检查点不可信：{ $cause }
checkpoint-unsigned = 没有所给公钥的签名
checkpoint-shrunk = 留存的检查点签署时日志有 { $earlier } 个条目，现有 { $latest } 个：有条目被删除
checkpoint-of-another = 留存的检查点属于日志 { $earlier }，此检查点属于 { $latest }
checkpoint-forked = 日志的开头不是留存检查点所覆盖的 { $earlier } 个条目：历史被改动
proof-malformed = 证明无法读取：{ $cause }
proof-false = 该证明不能表明此条目在日志中
proof-needs-entry = 核对证明需要条目本身：请用 --entry-hash 或 --entry
proof-hash-invalid = --entry-hash 须为 64 位十六进制数字
proof-quorum-missing = 策略中的见证签名不足法定数
proof-proven = 已证明：{ $origin } 的条目 { $index }（哈希 { $hash }）在检查点的 { $size } 个条目之中
proof-signed = 由日志 { $origin } 签名
proof-unsigned = 未核对：检查点由谁签名；请给出 --key 或 --policy
proof-cosigned = { $name } 于 { $time } 见证
proof-means-position = 该条目位于序号 { $index }，在此树根之下该处不可能是别的条目。
proof-means-history = 同一树根覆盖全部 { $size } 个条目：前后任何条目改动都会使树根不同。
proof-means-not-content = 它不表明条目所记属实，只表明已被记录。
proof-means-not-later = 它不表明检查点之后的内容，也不表明人人所见为同一日志：这由见证人保证。

## witness

witness-key = 本见证人公钥：{ $key }
witness-listening = 监听地址 http://{ $address }

disclose-differs = { $file } 此前已公开且内容不同：未作替换。请写入另一目录。
disclose-left-out = 为保护未成年人略去 { $rows } 行；每个文件均载明略去的行数与合计金额。
disclose-empty = 表中无数据行：日志中没有该月份、所选资金和行政区划的内容。
disclose-made = { $rows } 行，截至序号 { $sequence }，树根 { $root }，摘要 { $digest }
events-cut = 仅显示前 { $limit } 条：--limit 可显示更多
disclose-with-minors = 不得公开：没有运行中账本的信息库便无从得知年龄，未成年人的记录未被略去。
disclose-not-recorded = 尚未登记：请加 --record 编号 --maker 经办人，或以此摘要提交 record_disclosure。
disclose-record-needs-server = --record 需要运行中的账本：请给出其地址。
disclose-recorded = 已登记，序号 { $sequence }。

disclosed-about = { $file }：表 { $table }，截至序号 { $sequence }
disclosed-bytes = 各单元格均与账相符，但文件字节不是原样：曾被其他程序另存或改动。
disclosed-cell = 第 { $row } 行 { $column } 列：文件为“{ $file }”，账为“{ $books }”。
disclosed-cells = 第 { $row } 行有 { $cells } 格；该表有 { $columns } 列。
disclosed-compared = { $rows } 行与账相符；摘要 { $digest }
disclosed-extra-row = 第 { $row } 行（{ $file }）账上没有。
disclosed-false = 文件与账不符。
disclosed-later = 文件截至序号 { $sequence }，日志止于 { $head }：无法据此证据核验。
disclosed-missing-row = 账上有而文件缺少的一行，应在第 { $row } 行：{ $books }
disclosed-names = 日志不能证明的：{ $names } 个隐去的姓名，以及略去的 { $left_out } 行是否均为未成年人。
disclosed-no-record = 未登记公开。
disclosed-not-ours = { $file } 不是公开文件，或已被改动：{ $why }
disclosed-on-record = 已登记为 { $disclosure }，序号 { $sequence }。
disclosed-other-ledger = 文件属于账本 { $file }，此为 { $books }。
disclosed-provenance = { $name }：文件为“{ $file }”，账为“{ $books }”。
disclosed-unmasked = 第 { $row } 行：姓名未隐去。
disclosed-unproven = 其中有日志不能单独证明的内容，而该公开未登记：姓名可能被改动，或略去了并非未成年人的行。
disclosed-unreadable = 文件被截断或改动：{ $why }
## receipt

receipt-mistyped = 凭证码输入有误：{ $cause }。未作查询
receipt-unreadable = 凭证码或证据无法读取：{ $cause }
receipt-other-ledger = 凭证码属于另一账本；证据来自 { $origin }
receipt-not-there = 在此证据范围内，{ $origin } 没有条目 { $sequence }
receipt-no-payout = 账本条目 { $sequence } 未向任何人付款：这不是收款凭证
receipt-differs = 不实：账本条目 { $sequence } 不是该凭证码所指的条目
receipt-broken = { $evidence } 已损坏或无人担保，不能证明任何事：请用 `fundledger verify` 查看原因
receipt-needs-entry = 证明中没有条目本身：请用 `fundledger proof --with-entry` 制作
receipt-no-code = 条目 { $sequence } 超出凭证码的范围
receipt-proven = 已证明：{ $origin } 条目 { $sequence } 的记载
receipt-date = 业务日期：{ $date }
receipt-amount = 金额（{ $kind }）：{ $amount }
receipt-minor-units = { $amount }（基金货币的最小单位）
receipt-payment = 支付
receipt-benefit = 待遇
receipt-withdrawal = 住房公积金提取
receipt-loan = 住房贷款
receipt-refund = 非税收入退付
receipt-recovery = 退回
receipt-repayment = 住房贷款还款
receipt-fund = 资金来源：{ $fund } { $name }
receipt-unit = 支付单位：{ $unit }
receipt-item = 项目：{ $item }
receipt-period = 所属月份：{ $period }
receipt-lot = 资金批次 { $lot }：{ $amount }，{ $issuer } 下达，文号 { $document }
receipt-approvals = 复核人数：{ $count }
receipt-since = 其后：{ $date } { $what }，条目 { $sequence } { $amount }
receipt-nothing-since = 其后：截至条目 { $last } 无变动
receipt-only-entry = 仅凭此证明不能得知：基金、单位与批次名称及其后的变动；证据包中有
receipt-released = 已释放给银行
receipt-cleared = 已清算
receipt-returned = 银行退回
receipt-recovered = 已追回
receipt-reversed = 已冲销
receipt-reissued = 已重新发放
receipt-complained = 有投诉
receipt-covered = 在覆盖 { $size } 个条目的检查点之内
receipt-uncovered = 证据中没有检查点覆盖它：只有凭证码本身约束账本
receipt-not-who = 它不表明收款人是谁：账本不载姓名，持码人也未必是收款人。
receipt-not-bank = 它不表明款项已到达某人账户，也不表明条目所记属实，只表明已被记录。
