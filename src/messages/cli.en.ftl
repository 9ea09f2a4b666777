# Texts of the command line in English. Each is a function of `messages::cli`, made by build.rs; the one that nobody calls
# is a compiler warning, the one that is missing a compiler error. cli.zh-CN.ftl has the same, with the same variables.

## Words of several commands

word-account = account
word-credit = credit
word-currency = currency
word-debit = debit
word-fund = fund
word-kind = kind
word-lot = lot
word-no = no
word-unit = unit
word-yes = yes
next-step = next
as-of = as of sequence { $sequence }, entry hash { $hash }

## Failures of any command

format-not-offered = --format { $asked } is not for this command; it has { $offered }
output-failed = the result could not be written: { $cause }
output-closed = standard output was closed
runtime-failed = the runtime did not start: { $cause }
server-is-no-address = --server { $server }: { $cause }; e.g. http://127.0.0.1:7070
server-needs-http = --server { $server }: an http:// or https:// address is needed
server-needs-certificates = --server { $server }: https needs --tls-ca, --tls-certificate and --tls-key
server-certificates-wrong = the certificates for { $server } cannot be used: { $cause }
server-file-unreadable = { $path }: { $cause }
server-refuses-certificate = { $server } ended the connection, perhaps because of the certificate of --tls-certificate: { $cause }. Has it expired, been revoked, or been signed by an authority that the ledger does not trust?
server-not-trusted = { $server } has a certificate that --tls-ca does not vouch for: { $cause }. Nothing was sent
server-unreachable = cannot reach { $server }: { $cause }; is `fundledger serve` running?
server-gone = the server could not be read
server-failed = the server: { $cause }
answer-has-no-outcome = a result is neither a receipt nor an error
answer-has-other-length = the server gave another number of results than there were commands
answer-has-no-position = the answer names no position
run-again = run the same command again to go on: nothing is posted twice

## Kinds of accounts; English has the names of the API

kind-authority-source = AUTHORITY_SOURCE
kind-authority-unallocated = AUTHORITY_UNALLOCATED
kind-authority-unit = AUTHORITY_UNIT
kind-authority-plan = AUTHORITY_PLAN
kind-authority-committed = AUTHORITY_COMMITTED
kind-authority-frozen = AUTHORITY_FROZEN
kind-authority-used = AUTHORITY_USED
kind-authority-carry = AUTHORITY_CARRY
kind-authority-recalled = AUTHORITY_RECALLED
kind-treasury = TREASURY
kind-fund-lot = FUND_LOT
kind-clearing = CLEARING
kind-fiscal-special = FISCAL_SPECIAL
kind-income = INCOME
kind-payout = PAYOUT
kind-housing-deposit = HOUSING_DEPOSIT
kind-housing-surplus-deposit = HOUSING_SURPLUS_DEPOSIT
kind-loan = LOAN
kind-bond = BOND
kind-pool = POOL
kind-personal = PERSONAL
kind-housing-personal = HOUSING_PERSONAL
kind-payable-upper = PAYABLE_UPPER
kind-payable-lower = PAYABLE_LOWER
kind-nontax-pending = NONTAX_PENDING
kind-nontax-share = NONTAX_SHARE
kind-surplus = SURPLUS
kind-risk-reserve = RISK_RESERVE
kind-management-fee-payable = MANAGEMENT_FEE_PAYABLE
kind-low-rent-housing = LOW_RENT_HOUSING

## init

init-created = created ledger { $origin } ({ $directory })
init-without-administrators = without administrators (--admin) there are no roles and no signed approvals, now or later
init-admin-alone = one administrator alone could change nothing: name at least two
init-admin-invalid = --admin { $key }: { $cause }
init-admin-twice = the person or the key is named twice
init-log-key = the log's public key, for auditors and witnesses: { $key }
init-back-up-keys = back up keys/ apart from the log: without it retries and payees cannot be recognised
init-needs-tls = its file sets { $keys }, and tls.revocation_list where certificates are revoked (docs/operations.md, "Mutual TLS")

## serve

serve-development = a DEVELOPMENT ledger: it can never become a real one
serve-read-only = POSTING IS REFUSED: { $cause }
serve-head = head { $sequence } { $hash }
serve-metrics = metrics at http://{ $address }/metrics
serve-tiles = tiles at http://{ $address }/checkpoint
serve-listening = listening on { $url }
serve-needs-data = no directory of a ledger: pass --data, or set `data`
serve-other-log = no key of this log is among those that the policy of witnesses names: was it swapped?
serve-needs-consent = no TLS is set (`tls`): pass --insecure-dev to accept plain text, on loopback
serve-tls-or-plain = TLS is set, and --insecure-dev accepts plain text: one or the other
serve-tls-needs = `{ $key }` is not set: TLS needs it
serve-tls-wrong-domain = `tls.trust_domain`: `{ $name }` is no trust domain: lower-case letters, digits, dots, dashes and underscores
serve-needs-administrators = this ledger has no administrators, so that nobody could be given a role: with TLS, serve one made with `init --admin`
tls-unreadable = { $path }: { $cause }
tls-no-certificate = { $path }: holds no certificate
tls-no-key = { $path }: holds no private key
tls-no-revocation-list = { $path }: holds no revocation list
tls-key-of-another = { $path }: is not the key of the certificate
tls-expired = { $path }: the certificate has expired
tls-not-yet-valid = { $path }: the certificate is not valid yet
serve-needs-loopback = { $address } is not a loopback address: plain text stays on this machine
otlp-needs-ca = `otlp.ca` is not set: a collector at https:// needs it
otlp-headers-need-tls = `otlp.headers_file` goes over https://, or to a collector on this machine
otlp-header-wrong = { $path }:{ $line }: no header as in `name: value`
serve-stopped = the ledger stopped: { $cause }
check-would-create = { $path } is empty: a ledger marked DEVELOPMENT would be created there
check-ledger = the ledger { $origin } opens: head { $sequence } { $hash }
check-replayed = of its log { $count } events would be replayed
check-address = { $address } is free
check-would-serve = it would be served
check-would-only-read = it would be served for reading only: { $cause }
serve-signals-failed = listening for signals: { $cause }

## config

config-is-right = the settings are right
config-is-wrong = the settings are wrong:
config-unknown-key = { $origin }: there is no key `{ $key }`
config-wrong-value = { $origin }: `{ $key }`: { $cause }
config-default = default
config-key = key
config-value = value
config-source = source

## backup

backup-apart = the backups of the log, of the keys and of personal data go to directories apart from each other
backup-behind = the backup in { $path } has { $kept } entries, the source { $size }, or another log: nothing was changed
backup-done = { $added } entries added: the backup of { $size } entries in { $path } was verified
backup-keys = keys backed up: { $count } ({ $path })
backup-other = { $path } is not empty, and no backup of a log
backup-unfit = what was written to { $path } does not have the root that was signed: the checkpoint of the backup stays what it was
backup-vault = personal data backed up ({ $path })

## export

export-tiles-written = the { $size } entries that the last checkpoint covers are in { $path }
export-without-checkpoint = no checkpoint that can be read lies beside the log: there is nothing to export tiles under
export-bad-time = --made-at has the form YYYY-MM-DDTHH:MM:SSZ
export-days-turned = --from is after --to
export-no-ocids = --ocid-prefix is for --as ocds alone
export-ocid-prefix = { $prefix } is no prefix such as ocds-a1b2c3: the Open Contracting Partnership registers them
export-form-written = written as of sequence { $sequence }: { $path }, rows: { $rows }
export-needs-data = --bundle and --tiles are made of a ledger's directory: name it with --data
export-no-folder = { $path } is no directory: make it first
export-unknown-fund = the log has no fund { $fund }
export-without-ocid = the contract { $contract } has no ocid: give the prefix that you registered with --ocid-prefix
export-unfit = the log does not have the { $size } entries that its checkpoint covers: run `fundledger verify`
export-written = written: { $values } values, { $tiles } tiles ({ $file })

## restore

restore-aside = the log that did not open was moved to { $path }
restore-behind = entries/ in { $path } has { $kept } entries, the source { $entries }: nothing was restored; restore from { $path } itself, or move entries/ away and lose what the source does not have
restore-broken = entry { $sequence } of the source does not follow the one before it: it was changed; nothing was restored
restore-covered = under the signed checkpoint: the first { $covered } entries; beyond it, as they were copied: { $beyond }
restore-done = entries restored and verified: { $entries } ({ $path })
restore-foreign = the checkpoint beside the source is not signed with a key of this ledger: nothing was restored
restore-lost = whatever was acknowledged after sequence { $sequence } is not in the source: compare with receipts
restore-no-source = { $source } has neither static tiles under a checkpoint nor a copy of the entries in entries/
restore-sound = the log in { $path } is sound: nothing was restored
restore-unfit = the source does not have the log that was signed: nothing was restored
restore-until = up to sequence { $sequence } only: what was signed goes further, so that nothing can be posted here
restore-until-beyond = the source ends before sequence { $sequence }: nothing was restored
restore-until-new = --until makes a ledger to look at, in a new directory: give --keys as well
restore-without-checkpoint = no checkpoint lies beside the source: whether it is the log that was signed cannot be told

## balance

balance-total-authority = total, authority book
balance-total-cash = total, cash book

## statement

statement-balance = balance
statement-closing = closing balance
statement-counterpart = counterpart
statement-date = date
statement-event = event
statement-opening = opening balance
statement-reference = reference
statement-sequence = sequence

## trace

trace-account = account { $name } ({ $kind })
trace-document = document { $name }
trace-lot = lot { $name }
trace-opening = opening { $name }
trace-payee = payee { $name }
trace-payment = payment { $name }
trace-return = return { $name }
trace-reversal = reversal { $name }
trace-unit = unit { $name }
trace-unresolved = unresolved { $name }
trace-pool-opening = pool at the beginning of the month
trace-pool-inflow = into the pool in that month: { $name }
trace-class-strict = trace class STRICT: the exact flow of every minor unit
trace-class-individual = trace class INDIVIDUAL: a person's own account, with its own history
trace-class-pooled = trace class POOLED: what the pool was made up of; which contribution paid which benefit has no answer
trace-start-missing = --lot, --payment or --payee is needed
trace-without-head = the server sent a trace without a head
trace-incomplete = the trace is incomplete: { $came } of { $expected } nodes came

## verify

verify-broken = the ledger is broken
verify-incomplete = the evidence could not be read to its end
clock-before-1970 = the clock of this machine stands before 1970
verify-unanchored = self-consistent, but not externally anchored; --allow-unanchored accepts that
verify-from-deep = --from reads only the end of the log, and balances need all of it: leave --deep or --from out
verify-from-bundle = --from is not offered for a bundle: it can only be read from its beginning
verify-from-beyond = the source has entries up to sequence { $last }: nothing is at { $sequence }
verify-from-copies = --from reads the copies beside the log (checkpoint, entries/), and { $path } has none
verify-no-entries = the server gave no entries
verify-no-hash = the server's head has no hash
verdict-verified = VERIFIED: self-consistent, not externally anchored
verdict-anchored = VERIFIED: self-consistent, and anchored outside
verdict-anchored-in-part = VERIFIED: self-consistent; only the first { $size } entries are anchored outside, the last { $count } are not
verdict-broken = BROKEN
verdict-incomplete = INCOMPLETE: the evidence could not be read to its end
report-ledger = ledger: { $origin }
report-development = note: a development ledger, not a real one
report-from = from sequence: { $sequence }; what is before it was not read
report-events = events: { $events }
report-last-sequence = last sequence: { $sequence }
report-head = head: { $hash }
report-root = root of the tree over { $size } entries: { $root }
report-anchored = anchored outside: the first { $size } entries
report-unanchored = vouched for by nobody but the ledger: the last { $count } entries
report-bundle = bundle: version { $version }, { $values } values, { $tiles } tiles
report-bundle-made = made by, as it says: { $by }
report-bundle-made-at = made by, as it says: { $by }, at { $time }
report-bundle-policy = the bundle carries a policy (sha256 { $digest }): it comes from the ledger, and anchors nothing
report-bundle-policy-other = the bundle carries a policy (sha256 { $digest }) that is another than yours; only yours counts
report-bundle-policy-same = the bundle carries a policy (sha256 { $digest }) that says the same as yours; only yours counts
report-unreadable = unreadable: { $cause }
report-first-bad = first bad sequence: { $sequence }
report-faults = faults: { $faults }
report-fault = #{ $sequence } [{ $kind }]: { $facts }
report-books-stopped = balances not derived from this sequence on: { $sequence }
report-checked = Checked:
report-not-checked = NOT checked:

check-blocks = layout and checksum of every stored block
check-bundle = what the bundle says of itself: manifest, attachments, tiles against the tree, end mark
check-store = the store of the log itself (log/): the copies beside it were read, as far as the checkpoint found at the start covers
check-sequences = sequences contiguous from 0
check-chain = every hash recomputed from the stored bytes and compared with every stored link and head
check-events = every event decodes; genesis first; booking times strictly increase; request ids unique
check-claimed-head = the head the source claims
check-numbering = numbers of funds, accounts, lots and policy versions
check-legs = every leg: account, lot, fund, kind for the type of event, balanced per book
check-balances = balances re-derived from the legs: no account and no lot below zero; issued, used, cash and claims agree
check-returns = payments, clearings, returns, reversals and frozen amounts
check-contracts = contracts as they were awarded, their additions, what is committed and paid under them; final accounts; goals
check-closings = closed days and months, sealed trial balances
check-duties = makers apart from checkers
check-checkpoint = the root of the tree over the entries against checkpoints
check-signatures = signatures of checkpoints, by the keys of the log that were given
check-earlier-keys = signatures under earlier checkpoints, by keys of the log that were not given: those that it had before
check-witnesses = the quorum of witnesses in the policy that was given
check-tiles = every tile of hashes of the source against the tree over the entries
check-anchoring = whether this is the log that others have seen: by a checkpoint that was kept, or by witnesses
check-before = everything before the sequence that was asked for: entries, links, and whether a request id was used there
check-keyed-digests = digests of commands and pseudonyms of payees: opaque without the ledger's keys
check-approvals = signed approvals over the stored bytes, by keys that counted; batches by their root; roles and proposals
check-named-persons = that persons who were only named as makers and checkers acted
check-decision-rules = rules of decision: checkers needed, plans, purposes, expiry, freezes in force

fault-framing = framing
fault-checksum = checksum
fault-sequence = sequence
fault-chain = chain
fault-block-head = block_head
fault-genesis = genesis
fault-time = time
fault-request-id = request_id
fault-decode = decode
fault-books = books
fault-head = head
fault-root = root
fault-tile = tile
fault-signature = signature
fault-manifest = manifest
fault-witness = witness
fault-leg = leg
fault-unbalanced = unbalanced
fault-negative-balance = negative_balance
fault-negative-lot = negative_lot
fault-lot-total = lot_total
fault-lot-used = lot_used
fault-fund-cash = fund_cash
fault-over-return = over_return
fault-reversal = reversal
fault-closed-period = closed_period
fault-trial-balance = trial_balance
fault-segregation-of-duties = segregation_of_duties
fault-approval = approval
fault-release = release
fault-numbering = numbering

## demo

demo-created = a temporary ledger on a loopback port, chained from its genesis
demo-post = post real payments and returns of a London hospital trust over gRPC (fundledger import)
demo-balance = a balance (fundledger balance)
demo-forwards = controllable forwards: where did this lot's money go? (fundledger trace --lot)
demo-backwards = traceable backwards: where did this payee's money come from? (fundledger trace --payee)
demo-refusal = an attempt to pay more than is there: refused, and the attempt is on record
demo-not-refused = the attempt was not refused
demo-verify-running = verify the running ledger (fundledger verify URL)
demo-verify-stopped = verify the stopped ledger's files (fundledger verify DIR --deep)
demo-tamper = tamper: somebody at the disk sends one payment to another payee, and mends the block's checksum
demo-changed = changed: the event at sequence { $sequence }
demo-verify-again = verify again
demo-found = found: the ledger is broken, and verify named the place (exit code 1)
demo-not-found = the tampering was not found

## bench

bench-load = { $events } { $workload } in requests of { $batch }, { $clients } in flight
bench-over = over { $accounts } accounts and { $lots } lots, every answer durable
bench-latency = { $micros } µs a request
bench-views-lag = views lag
bench-log = log
bench-head = head
bench-micros = { $micros } µs
bench-log-bytes = { $bytes } bytes on disk, { $each } an event
bench-probe = flush probe p50 before { $before } µs, after { $after } µs
bench-mix = { $events } events of a city and as many payments, { $turns } turns each, in requests of { $batch }, { $clients } in flight, every answer durable
bench-mix-city = city: { $median } events/s (median of { $turns })
bench-mix-single = payments alone: { $median } events/s (median of { $turns })
bench-mix-ratio = ratio: { $ratio } (at least { $least }: { $reached })
bench-covered = longest under no checkpoint
bench-covered-late = an acknowledged event was under no checkpoint for { $covered }, more than { $allowed }
bench-compare = { $events } events to a fresh ledger, { $turns } turns each, in requests of { $batch }, { $clients } in flight, every answer durable
bench-compare-server = --compare starts ledgers of its own: leave --server out
bench-compare-with = with checkpoints: { $median } events/s (median of { $turns })
bench-compare-without = without tree and checkpoints: { $median } events/s (median of { $turns })
bench-features = on: { $features }; off: { $off }
bench-explain-threads = processor time while the load ran, ns an event, by thread:
bench-explain-stages = stages of the path of an event by themselves, on one thread, ns an event (medians):
bench-approving = proposed and approved before, in
bench-read-empty = calls that ask for nothing
bench-read-balance = balances
bench-read-statement = pages of statements
bench-reads = { $count }, p50 { $p50 } µs, p99 { $p99 } µs
bench-overload = { $times } times as much as the ledger takes, in requests of { $batch }, for { $seconds } s: { $offered } events/s offered
bench-overload-accepted = { $accepted } events/s accepted; { $peak } at its own pace, before
bench-admitted = requests accepted
bench-refused = requests refused
bench-refused-in-time = refused within 50 ms: { $share } of them
bench-memory = resident memory of client and ledger: { $before } MB before, { $most } MB at most
bench-no-delay = { $count } refusals named no delay after which to try again
bench-batch-of-one = --approvals batch needs at least two commands in every request: choose --batch and --events so
bench-approvals-server = --approvals starts a ledger of its own, whose administrators it is: leave --server out
bench-head-differs = the head is at { $found }, but { $expected } events were acknowledged: somebody else posted, or events are missing
bench-views-behind = the views lagged { $lag } behind at the end, more than { $allowed }

## post

post-streams = standard input is posted in batches as it comes: a bad line ends it, after what stood before it was posted
post-nothing-posted = { $file } was not posted, because not every line of it is a command:
post-bad-line = line { $line }: { $cause }
post-stopped = line { $line }: { $cause }; the lines before it were posted, none after it
post-refused = { $count } commands were refused
post-summary = accepted { $accepted }, accepted before { $replayed }, refused { $refused }; last sequence { $last_sequence }
post-line = line
post-key = key
post-sequence = sequence
post-outcome = entry hash, or why refused
keys-log-next = it signs nothing yet: post (or propose) a command with { $order }
post-unreleased = held until witnesses have seen it
post-unseen = on disk, but the witnesses did not sign within 10 seconds: run it again to wait on, nothing is posted twice
post-replayed = accepted before
post-receipt-code = receipt code { $code }
post-lacks-codes = all of it is posted, but the server did not say the codes of { $count } receipts: run it again, or `fundledger receipt --of SEQUENCE`; nothing is posted twice

## funds

funds-fund = fund
funds-name = name
funds-family = family
funds-scheme = scheme
funds-level = level
funds-region = region
funds-direct = direct
funds-subsidy = to persons or enterprises
funds-matching = with matching
funds-recipients = recipients
funds-carry = carry-over
funds-defined = defined by
funds-yes = yes

## complaints

complaints-complaint = complaint
complaints-kind = kind
complaints-stage = stage
complaints-outcome = outcome
complaints-about = about
complaints-about-unit = about unit
complaints-unit = dealt with by
complaints-handler = first handler
complaints-due-on = due on
complaints-overdue = overdue
complaints-filed = filed
complaints-filed-on = on
complaints-last = last event
complaints-last-on = on
complaints-is-filed = FILED
complaints-is-accepted = accepted
complaints-is-answered = answered
complaints-is-closed = closed
complaints-upheld = upheld
complaints-unfounded = unfounded
complaints-referred = referred
complaints-withdrawn = withdrawn
complaints-is-overdue = OVERDUE

## findings

findings-finding = finding
findings-rule = rule
findings-stage = stage
findings-outcome = outcome
findings-amount = amount (minor units)
findings-rectified = put right (minor units)
findings-flagged-by = flagged by
findings-flagged = flagged
findings-flagged-on = on
findings-last = last event
findings-last-on = on
findings-open = OPEN
findings-explained = explained
findings-put-right = put right
findings-closed = closed

## tenders

tenders-ceiling = ceiling
tenders-awarded = awarded
tenders-contracted = contracted
tenders-contracts = contracts
tenders-opened-on = opened on
tenders-awarded-on = awarded on
tenders-opened = opened by
tenders-award = awarded by

## contracts

contracts-pseudonym = --supplier-pseudonym takes the 32 hexadecimal digits of a pseudonym
contracts-contract = contract
contracts-fund = fund
contracts-unit = unit
contracts-project = project
contracts-tender = tender
contracts-method = method
contracts-ocid = OCID
contracts-supplier = supplier
contracts-price = price
contracts-added = added
contracts-committed = committed
contracts-paid = paid
contracts-returned = came back
contracts-left = left
contracts-registered = registered by
contracts-last = last event

## projects

projects-project = project
projects-fund = fund
projects-estimate = estimate
projects-final = final account
projects-contracted = contracted
projects-paid = paid
projects-returned = came back
projects-left = left
projects-surplus = surplus
projects-last = last event

## performance

performance-kind = kind
performance-subject = subject
performance-year = year
performance-indicator = indicator
performance-name = name
performance-category = category
performance-direction = direction
performance-target = target
performance-actual = done
performance-unit-of-measure = unit
performance-as-of = by
performance-weight = weight
performance-attainment = attained
performance-score = score
performance-issued = issued
performance-paid = paid
performance-execution = paid of issued
performance-idle = idle
performance-left = left

## clocks

clocks-code = code
clocks-kind = from what to what
clocks-subject = about
clocks-fund = fund
clocks-unit = unit
clocks-status = status
clocks-started = started by
clocks-started-on = on
clocks-due-on = due on
clocks-ended = ended by
clocks-ended-on = on
clocks-running = running
clocks-overdue = OVERDUE
clocks-met = met
clocks-met-late = MET LATE

## propose, pending, approve, withdraw

propose-nothing = the file holds no command
propose-needs-batch-file = several commands are a batch: --batch-file says where its exact bytes go, for its checkers and for `post --proposal`
propose-done = proposed { $id } at sequence { $sequence }, commands: { $commands }
propose-root = root { $root }, control total { $total } minor units
pending-proposal = proposal
pending-maker = maker
pending-expires = expires
pending-commands = commands
pending-what = what
pending-approvers = approved by
approve-head = proposal { $proposal } by { $maker } in { $origin }, until { $expires }
approve-not-pending = no proposal { $proposal } waits: it was never made, or was executed, withdrawn or has expired
approve-other-message = the server asks for a signature over something else than what it shows: nothing was signed
approve-declined = nothing was signed
approve-needs-batch-file = this is a batch: --batch-file names the file with its commands, from its maker; only its root is in the ledger
approve-needs-yes = nobody can be asked: pass --yes to approve what is shown
approve-question = approve this as { $name }? [y/N]
approve-done = { $name } approved { $proposal } at sequence { $sequence }
approve-waits = more approvals are needed, or its maker posts the batch
approve-executed = executed at sequence { $sequence }, entry hash { $hash }
withdraw-done = withdrew { $proposal } at sequence { $sequence }

## import

import-title = Import
import-file = File
import-file-sha256 = SHA-256 of the file
import-key-prefix = Prefix of its keys
import-kind = Kind
import-fund = Fund
import-currency = Currency
import-exponent = Decimal places
import-dry-run = Dry run (nothing posted)
import-rows-read = Rows read
import-rows-blank = Blank rows skipped
import-lots = Lots
import-lots-agreeing = Lots that agree with the ledger
import-units = Budget units
import-allocations = Allocations
import-allocated = Allocated
import-payments = Payments
import-paid = Paid
import-returns = Returns
import-returned = Returned
import-refused = Refused rows
import-refused-amount = Refused (sign as in the file)
import-refused-without-amount = … without a readable amount
import-net-posted = Net posted
import-file-sum = Sum of the file
import-sums-agree = Net posted + refused = file
import-posted-now = Commands posted now
import-posted-before = Commands posted before
import-last-sequence = Last sequence
import-refused-by-reason = Refused, by reason
import-sum-differs = what was posted and refused does not add up to the file
import-rows-refused = { $count } rows were refused
import-stage-policy = the policy
import-stage-fund = the fund
import-stage-accounts = accounts
import-stage-lots = lots
import-stage-cash = cash
import-stage-allocations = allocations
import-stage-refused = setting up { $stage } was refused; no row was posted
import-and-more = and { $count } more
import-account-taken = the account { $account } exists, but belongs to fund { $fund } and unit `{ $unit }`
import-treasury-differs = the account { $account } cannot be opened: the fund has a treasury account of another name
import-currency-differs = the fund { $fund } is in { $currency } with { $exponent } decimal places, the mapping says { $mapping_currency } with { $mapping_exponent }
import-mapping-changed = this file was posted before, under a mapping that says otherwise: { $key }: { $cause }
import-clear-refused = clearing the payments up to line { $line } was refused: { $cause }

row-encoding-invalid = `{ $column }` is not in the encoding of the mapping
row-encoding-invalid-remedy = set `file.encoding`, or have the row corrected
row-columns-mismatch = the row has { $found } fields, the header { $expected }
row-columns-mismatch-remedy = quote fields that hold the delimiter
row-field-empty = `{ $column }` is empty
row-field-too-long = `{ $column }` is longer than { $bytes } bytes
row-field-remedy = have the row corrected at its source
row-date-invalid = `{ $text }` is no date in the form of the mapping
row-date-invalid-remedy = set `date.format`, or have the row corrected
row-amount-invalid = `{ $text }` is no amount in the form of the mapping
row-amount-invalid-remedy = set `[amount]`, or have the row corrected
row-amount-too-precise = `{ $text }` has more than { $exponent } decimal places; amounts are never rounded
row-amount-too-precise-remedy = have the exact amount published
row-amount-out-of-range = `{ $text }` is more than an amount can hold
row-amount-out-of-range-remedy = check the amount at its source
row-amount-zero = the amount is zero
row-amount-zero-remedy = nothing to post
row-return-without-payment = no earlier payment of the same payee, lot value and unit has that much left
row-return-without-payment-remedy = find the payment it belongs to, and post the return by hand
row-budget-line-negative = a budget line below zero
row-budget-line-negative-remedy = post it as a reduction of the lot
row-ledger-remedy = remove the cause and post it by hand under a new key

## personal-data

personal-bad-pseudonym = a pseudonym has 32 hexadecimal digits
personal-opened = opened on record at sequence { $receipt }; committed to at sequence { $sequence } by the command { $request }
personal-nonce = nonce: { $nonce }
personal-commitment = commitment: { $commitment }
personal-sequence = sequence
personal-person = person
personal-field = field
personal-state = state
personal-committed = commitment
personal-name = name
personal-identity-number = identity number
personal-bank-account = bank account
personal-address = address
personal-telephone = telephone
personal-present = present
personal-restricted = restricted
personal-erased = erased
personal-matches = the log commits to this value at sequence { $sequence } (head { $head })
personal-differs = the log commits to another value at sequence { $sequence }, or under another key or nonce
personal-not-there = the log holds no such commitment at sequence { $sequence }
personal-bad-file = { $file } is no opening: { $why }

## rules

rules-rule = rule
rules-title = finds
rules-parameters = parameters
rules-basis = source
rules-stage = stage
rules-amount = amount
rules-about = about
rules-events = events
rules-facts = what was found
rules-evidence = evidence
rules-not-run = not run: { $rule }, { $why }
rules-as-of = ages counted to { $date }; { $rules } rules run, { $hits } hits
rules-hits-cut = { $rule }: the first { $shown } of { $hits } hits are shown
rules-some-found = rules found something
rules-broken = the chain of this log is broken: what the rules found in it cannot be relied on; see verify
rules-incomplete = the log could not be read to its end: { $why }
rules-needs-pseudonym = a file holds no identities: name payees by their pseudonyms, or ask a running server
rules-bad-setting = { $text } is not RULE.PARAMETER=NUMBER
rules-bad-file = { $file }: { $why }
rules-unknown = { $why }
rules-unknown-pack = there is no pack { $pack }: cn-audit is the one there is

## events

events-sequence = sequence
events-date = date
events-payload = what
events-actor = by
events-checkers = approved by
events-request = key
events-pseudonym = a pseudonym is 32 hexadecimal digits

## reconcile

reconcile-title = Reconciliation
reconcile-account = Account
reconcile-currency = Currency
reconcile-file = File
reconcile-sha256 = SHA-256 of the statement
reconcile-statement-id = Statement
reconcile-bank-account = Number at the bank
reconcile-first-day = First day
reconcile-last-day = Last day
reconcile-as-of = Books as of sequence
reconcile-previous = Last reconciliation before it
reconcile-previous-day = … up to
reconcile-entries = Entries of the bank
reconcile-carried = Left open before
reconcile-book-lines = Entries of the books
reconcile-matched = Matched
reconcile-by-reference = … by reference and amount
reconcile-by-sum = … by reference and sum
reconcile-by-day = … by day and amount only
reconcile-offset = Corrected by the bank itself
reconcile-repeated = References that stand there repeatedly
reconcile-pending = Not booked yet
reconcile-differences = Differences
reconcile-bank-opening = Bank, opening balance
reconcile-books-opening = Books, opening balance
reconcile-bank-closing = Bank, closing balance
reconcile-books-closing = Books, closing balance
reconcile-unexplained = Balances differ beyond that by
reconcile-recorded = Recorded as sequence
reconcile-recorded-before = { $sequence } (before)
reconcile-status = what
reconcile-reference = reference
reconcile-dates = date
reconcile-bank = bank
reconcile-books = books
reconcile-places = line
reconcile-sequences = sequence
reconcile-status-amount = amounts differ
reconcile-status-bank = only the bank has it
reconcile-status-books = only the books have it
reconcile-status-day = matched by day and amount
reconcile-status-pending = not booked yet
reconcile-from-before = { $status } (since before)
reconcile-differs = bank and books differ
reconcile-too-many = { $differences } differences: a record holds { $most }, so nothing was recorded; reconcile shorter periods, each by a statement of its own
reconcile-needs-mapping = a CSV needs --mapping FILE.toml, which says what its columns mean
reconcile-needs-no-mapping = --mapping is for a CSV; this is XML
reconcile-needs-maker = --maker NAME (or `posting.maker` in the mapping) is needed: who records; or --dry-run
reconcile-no-bank-account = { $account } is of kind { $kind }, which stands for no bank account
reconcile-key-taken = the key { $key } is another command's
reconcile-books-do-not-add-up = the server's statement of the account does not add up
bank-at-line = line { $line }: { $fault }
bank-at-column = line { $line }, column { $column }: { $fault }
bank-encoding = a character that is not { $name }
bank-encoding-unknown = `{ $name }` is no encoding known here
bank-piece-too-long = an element or a row of more than { $max } bytes
bank-xml = this is no well-formed XML: { $cause }
bank-document-type = a document type definition: a bank statement has none, and none is read
bank-too-deep = more than { $max } elements within each other
bank-not-camt = this is no camt.053: `{ $found }` instead of /Document/BkToCstmrStmt
bank-field-missing = `{ $field }` is missing
bank-field-invalid = `{ $field }` cannot be `{ $value }`
bank-amount-zero = an entry of nothing
bank-sides-unclear = the row has an amount on both sides
bank-reference-too-long = a reference of more than { $max } bytes
bank-too-many-entries = more than { $max } entries
bank-column-missing = no column `{ $wanted }`, or more than one (key `{ $key }`)
bank-running-balance = the balance is { $stated }, after the row before it should be { $expected }
bank-currency-differs = the amount is in { $found }, the account in { $expected }
bank-date-outside = { $date } is outside the statement's time, { $first } to { $last }
bank-period-missing = nothing says what time the statement is of; say --from and --to
bank-period-backwards = the last day, { $last }, is before the first, { $first }
bank-closing-missing = nothing says what the bank holds at the end; say --closing-balance
bank-closing-differs = --closing-balance is { $said }, the statement says { $stated }
bank-does-not-add-up = opening balance and entries make { $expected }, the closing balance is { $stated }
bank-statement-missing = the statement asked for is not in it; it has: { $found }
bank-several-statements = several statements: { $found }; say which by --statement-id or --bank-account

## report, sample, chart

report-basis = made from { $origin } as of sequence { $sequence }, root { $root }
report-digest = rows: { $rows }; digest of the table: { $digest }
evidence-broken = the log is broken: nothing that is made from it can be relied on; see verify
evidence-incomplete = the log could not be read to its end: { $why }
evidence-beyond = the log ends at sequence { $last }, there is no { $asked } yet
report-changed = the log has changed between two readings: its root is another one
report-needs-output = a workbook is no text: say --output FILE.xlsx, or pass it on to another program
report-unknown-fund = the log has no fund { $fund }
report-unknown-payment = the log has no payment { $payment }, or none of this fund, this unit and this time
report-unknown-lot = the log has no lot { $lot }
report-reversed = --from is after --to
report-mixed = --from and --to are two dates, or two sequences
sample-seed = --seed takes 1 to { $most } bytes
sample-currencies = the items are in { $currencies }: units of one cannot be drawn against those of another; say --fund
sample-size-nothing = an interval and a number of hits are at least 1
sample-size-confidence = there are no factors for a confidence of { $asked } %; there are for { $known }
sample-size-tolerable = --tolerable-ppm lies between 1 and 1000000
sample-size-expected = so much is expected to be wrong that no sample can show that it is tolerable

## checkpoint, proof

checkpoint-doubted = the checkpoint cannot be believed: { $cause }
checkpoint-unsigned = none of the keys that were given signed it
checkpoint-shrunk = the log had { $earlier } entries when the kept checkpoint was signed, and has { $latest } now: some were removed
checkpoint-of-another = the kept checkpoint is of the log { $earlier }, this one of { $latest }
checkpoint-forked = the log does not begin with the { $earlier } entries that the kept checkpoint covers: its history was changed
proof-malformed = the proof cannot be read: { $cause }
proof-false = the proof does not show that this entry is in the log
proof-needs-entry = to check a proof, its entry is needed: pass --entry-hash or --entry
proof-hash-invalid = --entry-hash takes 64 hexadecimal digits
proof-quorum-missing = too few witnesses of the policy cosigned it
proof-proven = proven: entry { $index } of { $origin }, with the hash { $hash }, is among the { $size } entries of the checkpoint
proof-signed = signed by the log { $origin }
proof-unsigned = NOT checked: who signed the checkpoint; pass --key or --policy
proof-cosigned = cosigned by { $name } at { $time }
proof-means-position = The entry stands at sequence { $index }, and nothing else can stand there under this root.
proof-means-history = The same root covers all { $size } entries: none before or after it can be changed without another root.
proof-means-not-content = It does not say that what the entry records is true, only that it was recorded.
proof-means-not-later = It does not say what came after the checkpoint, nor that everybody was shown the same log: that is what witnesses are for.

## witness

witness-key = public key of this witness: { $key }
witness-listening = listening on http://{ $address }

disclose-differs = { $file } was published before and says something else: nothing was replaced. Write to another directory.
disclose-left-out = Rows left out to protect minors: { $rows }. Each file says how many, and what they come to.
disclose-empty = The table is empty: nothing in the log is of this month, these funds and these divisions.
disclose-made = Rows: { $rows }, as of sequence { $sequence }, root { $root }, digest { $digest }
events-cut = only the first { $limit } are shown: --limit shows more
disclose-with-minors = Not for publication: without the running ledger's vault nobody's age is known, and rows of minors are not left out.
disclose-not-recorded = Not on record yet: give --record ID --maker NAME, or post record_disclosure with this digest.
disclose-record-needs-server = --record needs a running ledger: give its address.
disclose-recorded = On record at sequence { $sequence }.

disclosed-about = { $file }: table { $table }, as of sequence { $sequence }
disclosed-bytes = Every cell agrees with the books, but the bytes are not those that were written: it was saved by another program, or changed.
disclosed-cell = Row { $row }, column { $column }: the file says "{ $file }", the books say "{ $books }".
disclosed-cells = Row { $row } has { $cells } cells; the table has { $columns } columns.
disclosed-compared = Rows that agree with the books: { $rows }; digest { $digest }
disclosed-extra-row = Row { $row } ({ $file }) is not in the books.
disclosed-false = The file does not say what the books say.
disclosed-later = The file is as of sequence { $sequence }, the log ends at { $head }: it cannot be checked against this evidence.
disclosed-missing-row = The books have a row that the file lacks, at row { $row }: { $books }
disclosed-names = Not proven by the log: { $names } masked names, and whether the { $left_out } rows that are left out are of minors.
disclosed-no-record = No publication of it is on record.
disclosed-not-ours = { $file } is no disclosure, or was changed: { $why }
disclosed-on-record = On record as { $disclosure }, at sequence { $sequence }.
disclosed-other-ledger = The file is of the ledger { $file }, this is { $books }.
disclosed-provenance = { $name }: the file says "{ $file }", the books say "{ $books }".
disclosed-unmasked = Row { $row }: a name is not masked.
disclosed-unproven = It has what the log alone does not prove, and no publication of it is on record: names may have been changed, or rows left out that are not of minors.
disclosed-unreadable = The file was cut or changed: { $why }
## receipt

receipt-mistyped = the code is mistyped: { $cause }. Nothing was looked up
receipt-unreadable = the code or the evidence cannot be read: { $cause }
receipt-other-ledger = the code is of another ledger than the evidence, which is of { $origin }
receipt-not-there = { $origin } has no entry { $sequence }, as far as the evidence goes
receipt-no-payout = entry { $sequence } of the ledger paid nobody: this is no receipt
receipt-differs = FALSE: entry { $sequence } of the ledger is not the one that the code was made for
receipt-broken = { $evidence } is broken or not vouched for, and proves nothing: `fundledger verify` says why
receipt-needs-entry = the proof does not hold its entry: make it with `fundledger proof --with-entry`
receipt-no-code = entry { $sequence } is beyond what receipt codes reach
receipt-proven = PROVEN: what entry { $sequence } of { $origin } says
receipt-date = business date: { $date }
receipt-amount = { $kind }: { $amount }
receipt-minor-units = { $amount } minor units of the fund's currency
receipt-payment = payment
receipt-benefit = benefit
receipt-withdrawal = withdrawal from the housing provident fund
receipt-loan = housing loan
receipt-refund = refund of non-tax revenue
receipt-recovery = paid back
receipt-repayment = repayment of a housing loan
receipt-fund = from fund: { $fund } { $name }
receipt-unit = by agency: { $unit }
receipt-item = for: { $item }
receipt-period = month: { $period }
receipt-lot = of lot { $lot }: { $amount }, issued by { $issuer } with document { $document }
receipt-approvals = approved by: { $count }
receipt-since = since then: { $date } { $what }, entry { $sequence } { $amount }
receipt-nothing-since = since then: nothing, up to entry { $last }
receipt-only-entry = NOT known from this proof: the names of fund, agency and lots, and what came later; a bundle has them
receipt-released = released to the bank
receipt-cleared = cleared with the treasury
receipt-returned = came back from the bank
receipt-recovered = claimed back
receipt-reversed = reversed
receipt-reissued = paid again
receipt-complained = complained of
receipt-covered = covered by a checkpoint over { $size } entries
receipt-uncovered = NOT covered by any checkpoint in the evidence: nobody but the code binds the ledger to it
receipt-not-who = It does not say who was paid: the log names nobody, and whoever holds the code need not be the one.
receipt-not-bank = It does not say that money reached anybody's account, nor that what the entry records is true, only that it is on record.
