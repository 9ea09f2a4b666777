#!/usr/bin/env python3
"""Independent verifier of fundledger bundles: Python's standard library and docs/format.md, nothing else.

    python3 verify.py BUNDLE [--deep] [--json]

It shares no code with the ledger. It reads the bytes of docs/format.md, decodes the events of
proto/fundledger/v1/event.proto by hand, follows the hash chain and, with --deep, derives every balance again from the
legs. It does not stop at the first fault.

Exit status: 0 verified, 1 broken, 2 usage, 3 unreadable or incomplete.

In reading order: the protobuf decoder, the bundle, blocks and the chain, the books. Beside it stand kinds.py, the kinds
of accounts, and families.py, the rules of the families of funds.
"""

import argparse
import base64
import datetime
import hashlib
import json
import re
import struct
import sys
import zlib

from contracts import Contracts
from complaints import Complaints
from families import HOUSING_PROVIDENT, SOCIAL_INSURANCE, Families
from kinds import (
    ASSETS, AT_BANKS, BOND, CARRY, CASH_BOOK, CLAIMS, CLEARING, COMMITTED, DISTRIBUTED, FISCAL_SPECIAL, FROZEN, FUND_LOT,
    HOUSING_DEPOSIT, HOUSING_PERSONAL, HOUSING_SURPLUS_DEPOSIT, INCOME, KIND_NAMES, LEVELS, LOAN, NONTAX_PENDING,
    PAYOUT, PERSONAL, PERSONS, PLAN, POOL, RECALLED, SHARES, SOURCE, SURPLUS, TREASURY, UNALLOCATED, UNIT, USED,
)  # fmt: skip
from releases import Releases

MAGICS = (b"fundledger bundle v1\n", b"fundledger bundle v2\n", b"fundledger bundle v3\n")
ATTACHMENT = b"\xff\xfe"
TILE = b"\xff\xfd"
END_MARK = b"\xff\xff"
HEADER = struct.Struct(">BBBBHHI32s32s")
HEADER_SIZE = 76
MAX_VALUE = 6000
MAX_PAYLOAD = MAX_VALUE - HEADER_SIZE
MAX_PARTS = 12
UNREADABLE_VALUE = 1 << 20
ZERO_HASH = bytes(32)
MAX_AMOUNT = (1 << 53) - 1
MAX_LEGS = 4096
MAX_REPORTED = 1000
IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)

CHECKED = (
    "framing of bundle and blocks, checksums, end mark",
    "sequences: contiguous from 0",
    "hash chain, heads of the blocks; the root of the tree where a checkpoint came with the log",
    "manifest and tiles of a bundle of version 3",
    "genesis, strictly increasing booking times, unique request ids, decodable events",
)
CHECKED_DEEP = (
    "numbering of funds, accounts, lots and policy versions",
    "legs: known accounts and lots, kinds allowed for the event type, one fund, balanced per book",
    "balances never negative; issued = held per lot; used and cash per lot; cash = claims per fund",
    "payments, clearings, returns, reversals, freezes of amounts; bank references and documents used once",
    "closed days and months, trial balance digests, approvals distinct from the maker",
    "families: kinds of accounts, ways of money, one account a person and scheme, closed accounts, project estimates",
    "amounts by the policy version in force: splits, contributions, late fees, transfers, surplus, entitlements",
    "persons: once a month and item, limits, facts that bar, recoveries; notices, refunds, loans; interest by the legs",
    "what comparisons with bank statements say of the books",
    "complaints: about what is there, step by step, and never by whom they are about",
    "payments that wait for witnesses: released by a proof, and cleared only after",
    "contracts: as they were awarded, additions within a tenth, commitments and payments within the price; final accounts",
    "goals of performance: weights, what replaces and corrects which record",
)
NOT_CHECKED = (
    "whether the chain is the one that was published: no signature or witness is looked at",
    "keyed digests (commands, payees): opaque without their keys",
    "rules of decision: checkers needed, plan step, purposes, economic codes, expiry, freezes that block, "
    "instalments of loans, payouts issued again; roles and keys",
    "supervision and statutory clocks: reconciliations, findings, matters, disclosures, scores of performance",
    "signatures of approvals: the standard library has no Ed25519",
)


class Faults:
    """Everything found wrong: the first MAX_REPORTED in full, the rest by count."""

    def __init__(self):
        self.reported = []
        self.count = 0
        self.first_bad_sequence = None
        self.broken = False

    def add(self, sequence, kind, message):
        """Records a fault at a sequence (None: of the file as a whole). Kind `incomplete` alone breaks nothing."""
        self.count += 1
        if kind != "incomplete":
            self.broken = True
        if sequence is not None and (self.first_bad_sequence is None or sequence < self.first_bad_sequence):
            self.first_bad_sequence = sequence
        if len(self.reported) < MAX_REPORTED:
            self.reported.append({"sequence": sequence, "kind": kind, "message": message})

    def verdict(self):
        """What it comes to: verified, broken, or incomplete (which says nothing about what is missing)."""
        if self.broken:
            return "broken"
        return "incomplete" if self.count else "verified"


# ---- The protobuf decoder ------------------------------------------------------------------------------------------

# Message, then `number name type`; `*` marks a repeated field, `packed` a list of numbers in one field. `oneof` is the payload, named by its message.
SCHEMA = """
Approval: 1 actor string, 2 key int32, 3 signature bytes
SignedCommand: 1 command bytes, 2 expires_at_ns sfixed64, 3 proposal_sequence int64, 4 batch_index int32
Administrator: 1 principal_id string, 2 public_key bytes
Leg: 1 account int32, 2 lot int32, 3 amount_minor sint64
LedgerCreated: 1 origin string, 2 format_version int32, 3 development bool, 4 administrators Administrator*
FundDefined: 1 fund int32, 2 fund_id string, 3 name string, 4 family int32, 5 currency_code string,
  6 currency_exponent int32, 7 purposes string*, 8 economic_codes string*, 9 policy_id string, 10 legal_basis string,
  11 scheme int32, 12 exclusive_with string*, 13 profile FundProfile
FundProfile: 1 level int32, 2 region_code string, 3 recipient_kinds packed, 4 carry_rule int32,
  5 directly_allocated bool, 6 subsidizes_recipients bool, 7 includes_matching bool
CheckerTier: 1 from_amount_minor int64, 2 checkers int32
PolicyRate: 1 kind int32, 2 ppm int32
SplitShare: 1 recipient string, 2 weight int32
PolicySplit: 1 code string, 2 shares SplitShare*
PolicyItem: 1 code string, 2 from_pool bool, 3 from_personal bool, 4 max_amount_minor int64
PolicyWitnessing: 1 rule int32, 2 from_amount_minor int64
PolicyTerms: 1 rates PolicyRate*, 2 splits PolicySplit*, 3 items PolicyItem*, 4 withdrawal_reasons string*,
  5 interest_method int32, 6 empty_income_at_month_end bool, 10 witnessing PolicyWitnessing,
  14 registered_contracts_only bool
PolicySet: 1 policy_id string, 2 version int32, 3 effective_from_day int32, 4 plan_step int32,
  5 checker_tiers CheckerTier*, 6 document_sha256 bytes, 7 signed_approvals bool, 8 terms PolicyTerms
AccountOpened: 1 account int32, 2 account_id string, 3 fund int32, 4 kind int32, 5 unit_id string,
  6 person bytes, 7 unit_party bytes
AccountClosed: 1 account int32
Payout: 1 item_code string, 2 period int32, 3 batch_id string, 4 line_number int32, 5 reissue_of string
LotOpened: 1 lot int32, 2 lot_id string, 3 fund int32, 4 issuer_id string, 5 document_number string,
  6 document_sha256 bytes, 7 expires_day int32, 8 purposes string*, 9 parent_lot_id string
OpeningBalance: 1 fund int32, 2 document_number string, 3 document_sha256 bytes, 4 lots LotOpened*
BudgetIssued: 1 lot LotOpened
BudgetAllocated: 1 document_number string
BudgetAdjusted: 1 kind int32, 2 document_number string, 3 issuer_id string
PlanApproved: 1 document_number string
Committed: 1 contract_id string, 2 ocid string, 3 payee bytes
CommitmentReleased: 1 contract_id string
Frozen: 1 case_id string, 2 legal_basis string, 3 account int32, 4 lot int32, 5 payee bytes
Unfrozen: 1 case_id string
CashReceived: 1 bank_reference string
PaymentExecuted: 1 payment_id string, 2 payee bytes, 3 purpose string, 4 function_code string, 5 economic_code string,
  6 project_id string, 7 contract_id string, 8 method int32, 9 document_sha256 bytes*, 10 payout Payout,
  11 recipient_kind int32
Cleared: 1 bank_reference string, 2 payment_ids string*
PaymentReturned: 1 payment_id string, 2 original_sequence int64, 3 bank_reference string, 4 reason_code string
Reversed: 1 original_sequence int64, 2 reason_code string, 3 payment_id string, 4 contract_id string,
  5 operation int32
PostedOperation: 1 policy_version int32, 2 leg_count int32, 25 BudgetIssued oneof, 26 BudgetAllocated oneof,
  27 BudgetAdjusted oneof, 28 PlanApproved oneof, 29 Committed oneof, 30 CommitmentReleased oneof,
  34 PaymentExecuted oneof, 37 Reversed oneof
TransactionPosted: 1 operations PostedOperation*
DayClosed: 1 fund int32, 2 day int32
PeriodClosed: 1 fund int32, 2 period int32, 3 trial_balance_sha256 bytes
CarriedForward: 1 lot int32, 2 year int32
LapsedRecovered: 1 lot int32, 2 legal_basis string
Fact: 1 key string, 2 value string
CommandRefused: 1 reason int32, 2 command string, 3 facts Fact*
ProposedBatch: 1 root bytes, 2 command_count int32, 3 control_total_minor int64
CommandProposed: 1 expires_at_ns sfixed64, 2 command bytes, 3 batch ProposedBatch
ProposalApproved: 1 proposal_sequence int64, 2 key int32, 3 signature bytes
ProposalWithdrawn: 1 proposal_sequence int64
ProposalExpired: 1 proposal_sequence int64
RoleGranted: 1 principal_id string, 2 role int32, 3 fund int32
RoleRevoked: 1 principal_id string, 2 role int32, 3 fund int32
KeyRotated: 1 principal_id string, 2 key int32, 3 public_key bytes
ReleasedPayment: 1 sequence int64, 2 operation int32
PaymentReleased: 1 payments ReleasedPayment*, 2 tlog_proof string
LogKeyRotated: 1 verifier_key string, 2 change int32
EligibilityRecorded: 1 person bytes, 2 fact int32, 3 effective_day int32, 4 fund int32, 5 source string
EstimateApproved: 1 project_id string, 2 fund int32, 3 amount_minor int64, 4 issuer_id string,
  5 document_number string
ShareDue: 1 recipient string, 2 amount_minor int64
EntitlementDetermined: 1 fund int32, 2 unit_id string, 3 item_code string, 4 period int32, 5 head_count int64,
  6 standard_minor int64, 7 shares ShareDue*
NontaxNoticed: 1 notice_id string, 2 fund int32, 3 payer bytes, 4 item_code string, 5 amount_minor int64,
  6 due_day int32
NontaxCollected: 1 notice_id string, 2 bank_reference string, 3 receipt_number string
NontaxSplit: 1 notice_id string
NontaxRefunded: 1 notice_id string, 2 bank_reference string, 3 reason_code string
ContributionLine: 1 account int32, 2 base_minor int64, 3 employer_minor int64, 4 personal_minor int64,
  5 personal_pooled_minor int64
ContributionReceived: 1 bank_reference string, 2 employer bytes, 3 period int32, 4 kind int32,
  5 lines ContributionLine*, 6 late_days int32, 7 late_fee_minor int64
IncomeReceived: 1 source int32, 2 bank_reference string, 3 document_number string
FundsMoved: 1 bank_reference string, 2 document_number string
BenefitPaid: 1 payment_id string, 2 account int32, 3 item_code string, 4 period int32, 5 payee bytes
BenefitRecovered: 1 payment_id string, 2 original_sequence int64, 3 bank_reference string, 4 reason_code string
RelationTransferred: 1 direction int32, 2 account int32, 3 wage_base_minor int64, 4 peer_id string,
  5 bank_reference string
InterestLine: 1 account int32, 2 basis int64, 3 interest_minor int64
InterestCredited: 1 fund int32, 2 year int32, 3 rate_ppm int32, 4 method int32, 5 lines InterestLine*
HousingWithdrawn: 1 payment_id string, 2 account int32, 3 reason_code string, 4 evidence_sha256 bytes,
  5 property bytes, 6 payee bytes
LoanIssued: 1 loan_id string, 2 account int32, 3 months int32, 4 rate_ppm int32, 5 instalment_minor int64
LoanRepaid: 1 loan_id string, 2 period int32, 3 bank_reference string
SurplusDistributed: 1 document_number string
Difference: 1 bank_reference string, 2 bank_minor int64, 3 book_minor int64
Reconciled: 1 account int32, 2 statement_sha256 bytes, 3 first_day int32, 4 last_day int32,
  5 bank_balance_minor int64, 6 book_balance_minor int64, 7 as_of_sequence int64, 8 matched_count int32,
  9 differences Difference*
Flagged: 1 finding_id string, 2 rule_id string, 3 rule_version int32, 4 sequences packed, 5 amount_minor int64,
  6 evidence_sha256 bytes
FindingExplained: 1 finding_id string, 2 document_number string, 3 document_sha256 bytes
FindingRectified: 1 finding_id string, 2 sequences packed, 3 amount_minor int64, 4 document_number string
FindingClosed: 1 finding_id string, 2 outcome int32
MatterOpened: 1 matter_id string, 2 kind string, 3 unit_id string, 4 fund int32, 5 party bytes,
  6 about_sequence int64, 7 first_handler string
MatterClosed: 1 matter_id string, 2 outcome_code string
Disclosed: 1 disclosure_id string, 2 scope string, 3 file_sha256 bytes, 4 as_of_sequence int64
PerformanceScored: 1 subject_id string, 2 year int32, 3 score int32, 4 document_number string, 5 evaluator int32
GoalSet: 1 subject_kind int32, 2 subject_id string, 3 year int32, 4 indicator_code string, 5 indicator_name string,
  6 category int32, 7 unit_of_measure string, 8 target_milli int64, 9 direction int32, 10 weight_ppm int32,
  11 replaces_sequence int64, 12 document_number string, 13 document_sha256 bytes
OutputRecorded: 1 subject_kind int32, 2 subject_id string, 3 year int32, 4 indicator_code string,
  5 actual_milli int64, 6 as_of_day int32, 7 corrects_sequence int64, 8 document_number string,
  9 document_sha256 bytes
TenderOpened: 1 tender_id string, 2 fund int32, 3 unit_id string, 4 project_id string, 5 method int32,
  6 ceiling_minor int64, 7 ocid string, 8 document_number string, 9 document_sha256 bytes
TenderAwarded: 1 tender_id string, 2 supplier bytes, 3 amount_minor int64, 4 document_number string,
  5 document_sha256 bytes
ContractRegistered: 1 contract_id string, 2 fund int32, 3 unit_id string, 4 project_id string, 5 tender_id string,
  6 method int32, 7 ocid string, 8 supplier bytes, 9 amount_minor int64, 10 signed_day int32,
  11 document_number string, 12 document_sha256 bytes
ContractAmended: 1 contract_id string, 2 change_minor sint64, 3 document_number string, 4 document_sha256 bytes
ContractSettled: 1 contract_id string, 2 amount_minor int64, 3 retention_minor int64, 4 retention_until_day int32,
  5 document_number string, 6 document_sha256 bytes
FinalAccountApproved: 1 project_id string, 2 fund int32, 3 amount_minor int64, 4 surplus_sequences packed,
  5 document_number string, 6 document_sha256 bytes
PeriodReopened: 1 fund int32, 2 period int32, 3 reason_code string
PersonalDataScope: 1 party bytes, 2 first_sequence int64, 3 last_sequence int64
PersonalDataRestricted: 1 scope PersonalDataScope, 2 legal_basis string
PersonalDataReleased: 1 scope PersonalDataScope, 2 legal_basis string
PersonalDataErased: 1 scope PersonalDataScope, 2 legal_basis string
PersonalDataOpened: 1 sequence int64, 2 party bytes, 3 field int32, 4 legal_basis string
ComplaintFiled: 1 complaint_id string, 2 kind string, 3 lot int32, 4 payment_id string, 5 event_sequence int64,
  6 fund int32, 7 unit_id string, 8 respondents string*, 9 reporter bytes, 10 text_sha256 bytes
ComplaintAccepted: 1 complaint_id string, 2 unit_id string, 3 first_handler string
ComplaintAnswered: 1 complaint_id string, 2 document_number string, 3 document_sha256 bytes
ComplaintClosed: 1 complaint_id string, 2 outcome int32
PersonalCommitment: 1 party bytes, 2 field int32, 3 commitment bytes, 4 account bytes
Event: 1 booked_at_ns sfixed64, 2 business_day int32, 3 request_id string, 4 command_digest bytes, 5 actor string,
  6 approvals Approval*, 7 policy_version int32, 8 legs Leg*, 9 signed SignedCommand,
  10 personal_data PersonalCommitment*, 20 LedgerCreated oneof, 21 FundDefined oneof,
  22 PolicySet oneof, 23 AccountOpened oneof, 24 OpeningBalance oneof, 25 BudgetIssued oneof, 26 BudgetAllocated oneof,
  27 BudgetAdjusted oneof, 28 PlanApproved oneof, 29 Committed oneof, 30 CommitmentReleased oneof, 31 Frozen oneof,
  32 Unfrozen oneof, 33 CashReceived oneof, 34 PaymentExecuted oneof, 35 Cleared oneof, 36 PaymentReturned oneof,
  37 Reversed oneof, 38 DayClosed oneof, 39 PeriodClosed oneof, 40 CarriedForward oneof, 41 LapsedRecovered oneof,
  42 TransactionPosted oneof, 60 CommandRefused oneof, 61 CommandProposed oneof, 62 ProposalApproved oneof, 63 ProposalWithdrawn oneof,
  64 ProposalExpired oneof, 65 RoleGranted oneof, 66 RoleRevoked oneof, 67 KeyRotated oneof,
  68 PaymentReleased oneof, 69 LogKeyRotated oneof,
  43 EligibilityRecorded oneof, 44 AccountClosed oneof, 45 EstimateApproved oneof, 46 EntitlementDetermined oneof,
  70 NontaxNoticed oneof, 71 NontaxCollected oneof, 72 NontaxSplit oneof, 73 NontaxRefunded oneof,
  80 ContributionReceived oneof, 81 IncomeReceived oneof, 82 FundsMoved oneof, 83 BenefitPaid oneof,
  84 BenefitRecovered oneof, 85 RelationTransferred oneof, 86 InterestCredited oneof, 100 HousingWithdrawn oneof,
  101 LoanIssued oneof, 102 LoanRepaid oneof, 103 SurplusDistributed oneof, 120 Reconciled oneof, 121 Flagged oneof,
  122 FindingExplained oneof, 123 FindingRectified oneof, 124 FindingClosed oneof, 125 MatterOpened oneof,
  126 MatterClosed oneof, 127 Disclosed oneof, 128 PerformanceScored oneof, 129 PeriodReopened oneof,
  140 GoalSet oneof, 141 OutputRecorded oneof, 142 TenderOpened oneof, 143 TenderAwarded oneof,
  144 ContractRegistered oneof, 145 ContractAmended oneof, 146 ContractSettled oneof,
  147 FinalAccountApproved oneof,
  130 PersonalDataRestricted oneof, 131 PersonalDataReleased oneof, 132 PersonalDataErased oneof,
  133 PersonalDataOpened oneof, 134 ComplaintFiled oneof, 135 ComplaintAccepted oneof, 136 ComplaintAnswered oneof,
  137 ComplaintClosed oneof
"""

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
WIRE_TYPES = {"int32": VARINT, "int64": VARINT, "sint64": VARINT, "bool": VARINT, "sfixed64": FIXED64}


class DecodeError(ValueError):
    """Bytes that are no such message."""


def compile_schema(text):
    """Turns SCHEMA into {message: {field number: (wire type, name, type, fields of a sub-message, repeated)}}."""
    messages = {}
    for message, body in re.findall(r"^(\w+):((?:.*\n)(?:  .*\n)*)", text, re.MULTILINE):
        fields = messages[message] = {}
        for number, name, kind, star in re.findall(r"(\d+) (\w+) (\w+)(\*?)", body):
            sub = messages.get(name if kind == "oneof" else kind)
            fields[int(number)] = (WIRE_TYPES.get(kind, LENGTH), name, kind, sub, bool(star))
    return messages


EVENT = compile_schema(SCHEMA)["Event"]


def own_key(event):
    """The key that the ledger gives an event of its own: no client's key may start with a slash."""
    if event["type"] == "ProposalExpired":
        return f"/expired/{event['payload'].get('proposal_sequence', 0)}"
    if event["type"] == "PaymentReleased":
        last = event["payload"].get("payments", [{}])[-1]
        return f"/released/{last.get('sequence', 0)}/{last.get('operation', 0)}"
    if event["type"] == "CommandRefused" and "signed" in event:
        return f"/proposal/{event['signed'].get('proposal_sequence', 0)}"
    return None


def varint(buf, pos):
    """Reads a base-128 varint of up to 64 bits: (value, position after it)."""
    value = shift = 0
    while True:
        byte = buf[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    if value >> 64 or shift > 63:
        raise DecodeError("varint longer than 64 bits")
    return value, pos


def integer(value, kind):
    """Turns a raw varint into the integer its type means."""
    if kind == "sint64":
        return (value >> 1) ^ -(value & 1)
    if value >> 63:
        value -= 1 << 64
    if kind == "int32" and not -(1 << 31) <= value < 1 << 31:
        raise DecodeError("int32 out of range")
    return value


def skip_unknown(buf, pos, wire):
    """Position after the value of a field that is not in the schema: a later version may have added it."""
    if wire == VARINT:
        return varint(buf, pos)[1]
    if wire == LENGTH:
        size, pos = varint(buf, pos)
        return pos + size
    if wire in (FIXED64, FIXED32):
        return pos + (8 if wire == FIXED64 else 4)
    raise DecodeError(f"wire type {wire}")


def unpack(buf, pos, end):
    """Yields the numbers of a packed list."""
    while pos < end:
        value, pos = varint(buf, pos)
        yield integer(value, "int64")
    if pos != end:
        raise DecodeError("a list runs over its end")


def decode(fields, buf, pos, end):
    """Decodes buf[pos:end] into a dict of the fields present; a oneof payload stands under `type` and `payload`."""
    out = {}
    while pos < end:
        tag = buf[pos]
        pos += 1
        if tag > 0x7F:
            tag, pos = varint(buf, pos - 1)
        wire = tag & 7
        field = fields.get(tag >> 3)
        if field is None:
            pos = skip_unknown(buf, pos, wire)
            continue
        expected_wire, name, kind, sub, repeated = field
        if wire != expected_wire:
            raise DecodeError(f"field {name} has wire type {wire}")
        if wire == LENGTH:
            size = buf[pos]
            pos += 1
            if size > 0x7F:
                size, pos = varint(buf, pos - 1)
            start, pos = pos, pos + size
            if pos > end:
                raise DecodeError(f"field {name} runs over its end")
            if sub is not None:
                value = decode(sub, buf, start, pos)
            elif kind == "packed":
                value = list(unpack(buf, start, pos))
            elif kind == "string":
                value = str(buf[start:pos], "utf-8")
            else:
                value = buf[start:pos]
        elif wire == VARINT:
            value = buf[pos]
            pos += 1
            if value > 0x7F:
                value, pos = varint(buf, pos - 1)
            if value > 0x7F or kind == "sint64":
                value = integer(value, kind)
        else:
            (value,) = struct.unpack_from("<q", buf, pos)
            pos += 8
        if repeated:
            out.setdefault(name, []).append(value)
            continue
        if kind == "oneof":
            out["type"], name = name, "payload"
        if name in out:
            raise DecodeError(f"field {name} stands twice")
        out[name] = value
    if pos != end:
        raise DecodeError("a field runs over the end of its message")
    return out


def decode_event(data):
    """Decodes one event; it must carry exactly one payload of a known type."""
    try:
        event = decode(EVENT, data, 0, len(data))
    except (IndexError, struct.error) as error:
        raise DecodeError("a field runs over the end of the event") from error
    except UnicodeDecodeError as error:
        raise DecodeError("a text is not UTF-8") from error
    if "payload" not in event:
        raise DecodeError("no payload of a known type")
    return event


# ---- The bundle ----------------------------------------------------------------------------------------------------


class Incomplete(Exception):
    """The file ends, or stops making sense, before its end mark."""


class Bundle:
    """Reads `key length, key, value length, value` up to the end mark, hashing what it reads."""

    def __init__(self, file, faults):
        self.file = file
        self.faults = faults
        self.digest = hashlib.sha256()
        self.values = 0
        self.attachments = {}
        self.tiles = None  # The hashes of the tiles, level by level; from version 3 on.
        self.tile_count = 0

    def read(self, size):
        """Reads exactly `size` bytes."""
        data = self.file.read(size)
        if len(data) != size:
            raise Incomplete("the file stops before its end mark")
        return data

    def __iter__(self):
        """Yields (key, value); checks the end mark last."""
        magic = self.read(len(MAGICS[0]))
        if magic not in MAGICS:
            raise Incomplete("not a fundledger bundle of version 1, 2 or 3")
        if magic == MAGICS[2]:
            self.tiles = Levels()
        self.digest.update(magic)
        while True:
            prefix = self.read(2)
            if prefix == END_MARK:
                self.check_end()
                return
            is_attachment = prefix == ATTACHMENT and not self.values
            is_tile = prefix == TILE and self.tiles is not None
            if self.tile_count and not is_tile or self.tiles is not None and prefix == ATTACHMENT and not is_attachment:
                raise Incomplete("the bundle's parts stand out of order")
            if is_attachment or is_tile:
                self.digest.update(prefix)
                prefix = self.read(2)
            key_size = int.from_bytes(prefix, "big")
            key_and_size = self.read(key_size + 4)
            value_size = int.from_bytes(key_and_size[key_size:], "big")
            if value_size > UNREADABLE_VALUE:
                self.faults.add(None, "framing", f"value {self.values} claims {value_size} bytes")
                raise Incomplete("no way to find the next value")
            value = self.read(value_size)
            self.digest.update(prefix + key_and_size + value)
            if is_attachment:
                self.attachments[key_and_size[:key_size]] = value
                continue
            if is_tile:
                self.tile(key_and_size[:key_size], value)
                continue
            self.values += 1
            yield key_and_size[:key_size], value

    def tile(self, name, hashes):
        """Takes a tile, which must stand behind the one before it in its level, or begin the next level."""
        self.tile_count += 1
        for level in range(max(len(self.tiles.levels) - 1, 0), len(self.tiles.levels) + 1):
            if len(hashes) % 32 == 0 and name == self.tiles.next_name(level, len(hashes) // 32):
                self.tiles.add(level, hashes)
                return
        self.faults.add(None, "tile", "a tile stands where another one should, or has another length")

    def check_manifest(self, log):
        """Holds what the bundle says of itself against what was found in it."""
        if self.tiles is None:
            return
        try:
            manifest = json.loads(self.attachments.pop(b"manifest"))
            listed = {each["name"].encode(): (each["bytes"], each["sha256"]) for each in manifest["attachments"]}
            last = {"entries": log.entries, "last_sequence": log.next_sequence - 1, "head": (log.head or ZERO_HASH).hex()}
            wrong = (
                (listed != {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in self.attachments.items()},
                 "attachments"),
                (manifest["version"] != 3, "version"),
                (manifest["values"] != self.values, "values"),
                (manifest["tiles"] != self.tile_count, "tiles"),
                (manifest["log"] is not None and last != {key: manifest["log"][key] for key in last}, "log"),
                (manifest["log"] is None and not self.faults.broken, "log"),
            )  # fmt: skip
            covers_tiles = manifest["without_tiles"] is None
        except (KeyError, TypeError, ValueError) as error:
            self.faults.add(None, "manifest", f"it cannot be read: {error!r}")
            return
        for is_wrong, what in wrong:
            if is_wrong:
                self.faults.add(None, "manifest", f"it says other things of the {what} than the bundle does")
        if covers_tiles and not self.faults.broken and self.tiles.summary() != log.levels.summary():
            self.faults.add(None, "tile", "the tiles are not those of the log")

    def check_end(self):
        """Checks the count and the digest behind the end mark, and that nothing follows."""
        count = int.from_bytes(self.read(8), "big")
        if self.tiles is not None and int.from_bytes(self.read(8), "big") != self.tile_count:
            self.faults.add(None, "framing", f"the end mark does not count {self.tile_count} tiles")
        digest = self.read(32)
        if count != self.values:
            self.faults.add(None, "framing", f"the end mark counts {count} values, the file has {self.values}")
        if digest != self.digest.digest():
            self.faults.add(None, "checksum", "the file is not the one its end mark was written for")
        if self.file.read(1):
            self.faults.add(None, "framing", "bytes follow the end mark")


class Levels:
    """The hashes of tiles, level by level: how many, and a digest of them."""

    def __init__(self):
        self.levels = []

    def add(self, level, hashes):
        """Appends hashes to a level."""
        if level == len(self.levels):
            self.levels.append([0, hashlib.sha256()])
        self.levels[level][0] += len(hashes) // 32
        self.levels[level][1].update(hashes)

    def next_name(self, level, width):
        """The name of the next tile of a level, if it has this width."""
        count = self.levels[level][0] if level < len(self.levels) else 0
        groups = re.findall("...", str(count // 256).zfill(-(-len(str(count // 256)) // 3) * 3))
        place = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
        is_next = count % 256 == 0 and 0 < width <= 256
        return f"tile/{level}/{place}{'' if width == 256 else f'.p/{width}'}".encode() if is_next else None

    def summary(self):
        """What two of them are compared by."""
        return [(count, digest.digest()) for count, digest in self.levels]


# ---- Blocks and the chain ------------------------------------------------------------------------------------------


def read_checkpoint(bundle, faults):
    """Size and root of the checkpoint in a bundle: its signatures are not looked at."""
    try:
        lines = bundle.attachments[b"checkpoint"].decode().split("\n")
        return int(lines[1]), base64.b64decode(lines[2], validate=True)
    except KeyError:
        return ()
    except (ValueError, IndexError):
        faults.add(0, "signature", "the checkpoint cannot be read")
        return ()


class Log:
    """Takes the values in order, puts blocks together and follows sequence, chain and time."""

    def __init__(self, faults, books=None):
        self.fault = faults.add
        self.books = books
        self.books_end = None
        self.next_sequence = 0
        self.entries = 0
        self.head = ZERO_HASH  # None after a gap: the hash before the next entry is then unknown.
        self.last_booked = None
        self.request_ids = set()
        self.split = None  # (sequence, parts, heads, payloads so far) of an entry in several values.
        self.levels = Levels()  # Of the tiles that the checkpoint covers.
        self.peaks = []  # (leaves, root) of the complete subtrees, the largest first.
        self.checkpoint = None  # (size, root) that was signed; empty where there is none.

    def value(self, key, value):
        """Checks one value of the store: key, header, checksum; hands on the block when it is whole."""
        if len(key) != 9:
            self.fault(self.next_sequence, "framing", f"key of {len(key)} bytes")
            return
        sequence, key_part = int.from_bytes(key[:8], "big"), key[8]
        if not HEADER_SIZE <= len(value) <= MAX_VALUE:
            self.fault(sequence, "framing", f"value of {len(value)} bytes")
            if len(value) < HEADER_SIZE:
                return
        version, part, parts, reserved, count, size, crc, previous, head = HEADER.unpack_from(value)
        if zlib.crc32(value[12:], zlib.crc32(value[:8])) != crc:
            self.fault(sequence, "checksum", "the block's checksum does not match")
        for wrong, message in (
            (version != 1, f"format version {version}"),
            (part != key_part, f"part {part} under the key of part {key_part}"),
            (not 1 <= parts <= MAX_PARTS, f"{parts} parts"),
            (reserved != 0, f"reserved byte is {reserved}"),
            (count == 0 or (parts > 1 and count != 1), f"{count} entries in {parts} parts"),
            (size != len(value) - HEADER_SIZE, f"payload length {size}, found {len(value) - HEADER_SIZE}"),
        ):
            if wrong:
                self.fault(sequence, "framing", message)
        payload = value[HEADER_SIZE:]
        if parts > 1 or key_part > 0:
            self.part(sequence, key_part, parts, (previous, head), payload)
        else:
            self.finish_split()
            self.block(sequence, count, previous, head, payload)

    def part(self, sequence, part, parts, heads, payload):
        """Collects the parts of a split entry."""
        if part == 0:
            self.finish_split()
            self.split = (sequence, parts, heads, [])
        elif self.split is None or (sequence, parts, part) != (*self.split[:2], len(self.split[3])):
            self.finish_split()
            self.fault(sequence, "framing", f"part {part} of {parts} does not continue the value before it")
            return
        elif heads != self.split[2]:
            self.fault(sequence, "block_head", f"part {part} carries other heads than part 0")
        is_last = part == parts - 1
        if not payload or (not is_last and len(payload) != MAX_PAYLOAD):
            self.fault(sequence, "framing", f"part {part} of {parts} has {len(payload)} bytes")
        self.split[3].append(payload)
        if is_last:
            heads, payloads = self.split[2:]
            self.split = None
            self.block(sequence, 1, *heads, b"".join(payloads))

    def finish_split(self):
        """A split entry must be whole before the next block."""
        if self.split:
            self.fault(self.split[0], "framing", f"{len(self.split[3])} of {self.split[1]} parts of an entry")
            self.split = None

    def block(self, sequence, count, previous, head, payload):
        """Checks the place and the heads of one block, and its entries."""
        sequence = self.place(sequence, previous)
        if sequence is None:
            return
        if self.head is not None and previous != self.head:
            self.fault(sequence, "block_head", "the block's previous head is not the hash of the entry before it")
        position, size = 0, len(payload)
        for _ in range(count):
            start = position + 2
            stop = start + int.from_bytes(payload[position:start], "big")
            if start > size or stop > size:
                break
            self.entry(self.next_sequence, payload[start:stop])
            position = stop
        read = self.next_sequence - sequence
        if read != count or position != size:
            self.fault(sequence, "framing", f"{read} of {count} records read, {size - position} bytes left over")
        elif head != self.head:
            self.fault(self.next_sequence - 1, "block_head", "the block's head is not the hash of its last entry")

    def place(self, sequence, previous):
        """Where the block stands in the log: its sequence, or None where the log has that sequence already."""
        expected = self.next_sequence
        if sequence == expected:
            return sequence
        if previous == self.head:
            self.fault(expected, "sequence", f"the key says {sequence}, but the block continues at {expected}")
            return expected
        if sequence < expected:
            self.fault(sequence, "sequence", f"sequence {sequence} again: {expected} is next")
            return None
        self.fault(expected, "sequence", f"sequences {expected} to {sequence - 1} are missing")
        self.next_sequence = sequence
        self.head = None
        self.stop_books(expected)
        return sequence

    def grow(self, leaf):
        """Appends a leaf to the tree of RFC 6962; compares the root where a checkpoint was signed."""
        covered = self.checkpoint and self.entries <= self.checkpoint[0]
        if covered:
            self.levels.add(0, leaf)
        self.peaks.append((1, leaf))
        while len(self.peaks) > 1 and self.peaks[-1][0] == self.peaks[-2][0]:
            (size, right), (_, left) = self.peaks.pop(), self.peaks.pop()
            self.peaks.append((2 * size, hashlib.sha256(b"\1" + left + right).digest()))
            level, rest = divmod((2 * size).bit_length() - 1, 8)
            if covered and rest == 0:
                self.levels.add(level, self.peaks[-1][1])
        if self.checkpoint and self.entries == self.checkpoint[0] == self.next_sequence:
            root = self.peaks[-1][1]
            for _, left in reversed(self.peaks[:-1]):
                root = hashlib.sha256(b"\1" + left + root).digest()
            if root != self.checkpoint[1]:
                message = f"the first {self.entries} entries have the root {root.hex()}, the checkpoint says another"
                self.fault(self.entries - 1, "root", message)

    def entry(self, sequence, entry):
        """Checks one entry: its link, its event, what the event says of itself, and its effect on the books."""
        self.next_sequence = sequence + 1
        self.entries += 1
        link, expected = entry[:32], self.head
        self.head = hashlib.sha256(b"\0" + entry).digest()
        self.grow(self.head)
        if expected is not None and link != expected:
            message = "the first entry does not stand after 32 zero bytes"
            if sequence:
                message = f"entry {sequence - 1} does not hash to what the link of the next entry says"
            self.fault(max(sequence - 1, 0), "chain", message)
        data = entry[32:]
        try:
            event = decode_event(data)
        except DecodeError as error:
            self.fault(sequence, "decode", str(error))
            self.stop_books(sequence)
            return
        self.event(sequence, event)
        if self.books is not None:
            self.books.entry_hash = self.head
            self.books.event(sequence, event, data)

    def event(self, sequence, event):
        """Checks genesis, time and request id."""
        is_genesis = event["type"] == "LedgerCreated"
        if is_genesis != (sequence == 0):
            self.fault(sequence, "genesis", f"{event['type']} at sequence {sequence}")
        booked = event.get("booked_at_ns", 0)
        if self.last_booked is not None and booked <= self.last_booked:
            self.fault(sequence, "time", f"booked_at_ns {booked} after {self.last_booked}")
        self.last_booked = booked
        request_id = event.get("request_id", "")
        if is_genesis:
            self.genesis(sequence, event["payload"], request_id)
        elif not IDENTIFIER.fullmatch(request_id) and request_id != own_key(event):
            self.fault(sequence, "request_id", f"request_id {request_id!r}")
        elif request_id in self.request_ids:
            self.fault(sequence, "request_id", f"request_id {request_id!r} was used before")
        else:
            self.request_ids.add(request_id)

    def genesis(self, sequence, payload, request_id):
        """Checks the first event."""
        if payload.get("format_version", 0) != 1:
            self.fault(sequence, "genesis", f"format version {payload.get('format_version', 0)}")
        if not 1 <= len(payload.get("origin", "")) <= 255:
            self.fault(sequence, "genesis", "no origin of 1 to 255 characters")
        if request_id:
            self.fault(sequence, "genesis", "the genesis carries a request_id")

    def stop_books(self, sequence):
        """An event is missing: balances after it cannot be derived."""
        if self.books is not None:
            self.books = None
            self.books_end = sequence

    def finish(self, is_complete):
        """Checks what can only be known at the end."""
        if is_complete:
            self.finish_split()
            if self.entries == 0:
                self.fault(0, "genesis", "no entry")


# ---- The books -----------------------------------------------------------------------------------------------------

DRAWABLE = (UNIT, PLAN, COMMITTED, CARRY)
SUPPLEMENT, REDUCTION, REALLOCATION = 1, 2, 3
TRANSFER_IN, TRANSFER_OUT = 1, 2

# What an event of a type may move: (kinds debited, kinds credited) per book.
MOVES = {
    "BudgetIssued": (((SOURCE,), (UNALLOCATED,)),),
    "BudgetAllocated": (((UNALLOCATED,), (UNALLOCATED, UNIT)),),
    ("BudgetAdjusted", SUPPLEMENT): (((SOURCE,), (UNALLOCATED,)),),
    ("BudgetAdjusted", REDUCTION): (((UNALLOCATED, UNIT), (SOURCE,)),),
    ("BudgetAdjusted", REALLOCATION): (((UNIT,), (UNIT,)),),
    "PlanApproved": (((UNIT,), (PLAN,)),),
    "Committed": (((PLAN, UNIT), (COMMITTED,)),),
    "CommitmentReleased": (((COMMITTED,), (PLAN, UNIT)),),
    "Frozen": (((UNIT, PLAN), (FROZEN,)),),
    "CashReceived": (((TREASURY,), (FUND_LOT,)),),
    "PaymentExecuted": ((DRAWABLE, (USED,)), ((FUND_LOT,), (CLEARING,))),
    "Cleared": (((CLEARING,), (TREASURY,)),),
    "PaymentReturned": (((USED,), (*DRAWABLE, RECALLED)), ((TREASURY, FUND_LOT), (FUND_LOT, TREASURY))),
    "CarriedForward": (((UNIT, PLAN, COMMITTED), (CARRY,)),),
    "LapsedRecovered": (((UNALLOCATED, UNIT, PLAN, CARRY), (RECALLED,)), ((FUND_LOT,), (TREASURY,))),
    "OpeningBalance": (
        ((SOURCE,), (UNALLOCATED, UNIT, PLAN, COMMITTED, FROZEN, USED, CARRY, RECALLED)),
        (ASSETS, tuple(kind for kind in KIND_NAMES if kind >= CLAIMS)),
    ),
    "NontaxCollected": (((TREASURY,), (NONTAX_PENDING,)),),
    "NontaxSplit": (((NONTAX_PENDING,), SHARES),),
    "NontaxRefunded": (((NONTAX_PENDING, *SHARES), (TREASURY,)),),
    "ContributionReceived": (((INCOME, FISCAL_SPECIAL, HOUSING_DEPOSIT), (POOL, *PERSONS)),),
    "IncomeReceived": (((FISCAL_SPECIAL, PAYOUT, HOUSING_DEPOSIT, HOUSING_SURPLUS_DEPOSIT), (POOL, SURPLUS)),),
    "FundsMoved": (
        (
            (TREASURY, FISCAL_SPECIAL, PAYOUT, HOUSING_DEPOSIT, HOUSING_SURPLUS_DEPOSIT, BOND, *LEVELS),
            (TREASURY, FISCAL_SPECIAL, INCOME, PAYOUT, HOUSING_DEPOSIT, HOUSING_SURPLUS_DEPOSIT, BOND, *LEVELS),
        ),
    ),
    "BenefitPaid": (((POOL, PERSONAL), (PAYOUT,)),),
    "BenefitRecovered": (((PAYOUT, HOUSING_DEPOSIT), (POOL, *PERSONS)),),
    ("RelationTransferred", TRANSFER_IN): (((FISCAL_SPECIAL, PAYOUT), (POOL, PERSONAL)),),
    ("RelationTransferred", TRANSFER_OUT): (((POOL, PERSONAL), (FISCAL_SPECIAL, PAYOUT)),),
    "InterestCredited": (((POOL, SURPLUS), PERSONS),),
    "HousingWithdrawn": (((HOUSING_PERSONAL,), (HOUSING_DEPOSIT,)),),
    "LoanIssued": (((LOAN,), (HOUSING_DEPOSIT,)),),
    "LoanRepaid": (((HOUSING_DEPOSIT,), (LOAN, SURPLUS)),),
    "SurplusDistributed": (((SURPLUS,), DISTRIBUTED),),
}
# Types with two forms, and the field that says which.
FORMS = {"BudgetAdjusted": "kind", "RelationTransferred": "direction"}
# No interest may be due to anybody.
MAY_MOVE_NOTHING = {"Frozen", "InterestCredited"}
# (kind, is debit) allowed per type, and the books that must be there.
ALLOWED = {
    event_type: frozenset(
        [(kind, True) for debits, _ in moves for kind in debits]
        + [(kind, False) for _, credits in moves for kind in credits]
    )
    for event_type, moves in MOVES.items()
}
OPTIONAL_CASH = ("LapsedRecovered",)
ANY_BOOK = ("OpeningBalance",)
MIRRORS = ("Reversed", "Unfrozen")
ONE_ACCOUNT_A_SIDE = {
    "BudgetIssued", "BudgetAllocated", "BudgetAdjusted", "PlanApproved", "Committed", "CommitmentReleased", "Frozen",
    "CashReceived", "PaymentExecuted", "Cleared",
}  # fmt: skip
SAME_UNIT = {"PlanApproved", "Committed", "CommitmentReleased", "Frozen", "PaymentExecuted"}
ONE_LOT = {"BudgetIssued", "BudgetAdjusted", "CashReceived", "CarriedForward", "LapsedRecovered"}
REVERSIBLE = {
    "CashReceived", "BudgetAllocated", "BudgetAdjusted", "PlanApproved", "Committed", "CommitmentReleased",
    "PaymentExecuted", "IncomeReceived", "FundsMoved",
}  # fmt: skip
EPOCH = datetime.date(1970, 1, 1).toordinal()


class Fund:
    """A fund, as defined; its balances, and how far it is closed."""

    __slots__ = ("number", "fund_id", "family", "scheme", "policy", "exclusive_with", "balances", "assets", "claims",
                 "clearing", "income", "moved", "closed_through", "last_month")  # fmt: skip

    def __init__(self, number, defined):
        self.number, self.fund_id, self.policy = number, defined.get("fund_id", ""), defined.get("policy_id", "")
        self.family, self.scheme = defined.get("family", 0), defined.get("scheme", 0)
        self.exclusive_with = frozenset(defined.get("exclusive_with", ()))
        self.balances = {}  # account << 32 | lot -> balance on the normal side
        self.assets = self.claims = 0
        self.clearing, self.income = [], []  # keys of the accounts of these kinds
        self.moved = False  # other than by an opening balance
        self.closed_through = self.last_month = None


class Account:
    """An account, as opened."""

    __slots__ = ("number", "account_id", "fund", "kind", "unit", "person", "tracks_lots", "sign", "balance",
                 "is_closed", "movements")  # fmt: skip

    def __init__(self, number, fund, kind, opened):
        self.number, self.fund, self.kind = number, fund, kind
        self.account_id, self.unit = opened.get("account_id", ""), opened.get("unit_id", "")
        self.person = opened.get("person", b"")
        self.is_closed = False
        self.tracks_lots = kind < CASH_BOOK or kind == FUND_LOT
        self.sign = 1 if kind == SOURCE or CASH_BOOK <= kind < CLAIMS else -1
        self.balance = 0
        # Sequence, business day and change of each: only of accounts that are compared with bank statements.
        self.movements = [] if kind in AT_BANKS else None


class Lot:
    """A lot: sums of its balances (from legs), and what they should be (from what the events mean)."""

    __slots__ = ("number", "fund", "source", "held", "used", "cash", "issued", "due_used", "due_cash", "reported",
                 "carried", "recalled")  # fmt: skip

    def __init__(self, number, fund):
        self.number, self.fund = number, fund
        self.source = self.held = self.used = self.cash = 0
        self.issued = self.due_used = self.due_cash = 0
        self.reported = (0, 0, 0, 0)  # discrepancies already reported
        self.carried = self.recalled = False


class Payment:
    """A payment, with what is left of each draw, and what it counts against for as long as it does not come back."""

    __slots__ = ("sequence", "operation", "fund", "source", "draws", "amount", "left", "state", "claim", "project",
                 "contract")  # fmt: skip

    def __init__(self, sequence, operation, fund, source, draws):
        self.sequence, self.operation, self.fund, self.source, self.draws = sequence, operation, fund, source, draws
        self.amount = self.left = sum(amount for _, amount in draws)
        self.state = "ordered"
        self.claim = self.project = self.contract = None


def month_end(period):
    """Last day of the month yyyymm, in days since 1970-01-01; ValueError if there is no such month."""
    year, month = divmod(period, 100)
    datetime.date(year, month, 1)
    return datetime.date(year + month // 12, month % 12 + 1, 1).toordinal() - 1 - EPOCH


def next_month(period):
    """The month after yyyymm."""
    year, month = divmod(period, 100)
    return (year + month // 12) * 100 + month % 12 + 1


def trial_balance(fund):
    """The trial balance digest of docs/format.md."""
    rows = sorted(row for row in fund.balances.items() if row[1])
    packed = b"".join(struct.pack(">Qq", key, balance) for key, balance in rows)
    return hashlib.sha256(b"fundledger trial balance v1\n" + packed).digest()


def flows_of(legs):
    """Sums legs to {(kind, is debit): {lot: amount above 0}}."""
    flows = {}
    for account, lot, amount in legs:
        is_debit = amount > 0
        by_lot = flows.setdefault((account.kind, is_debit), {})
        by_lot[lot] = by_lot.get(lot, 0) + (amount if is_debit else -amount)
    return flows


def merged(flows, kinds, is_debit):
    """Sums the flows of several kinds on one side by lot."""
    sums = {}
    for kind in kinds:
        for lot, amount in flows.get((kind, is_debit), {}).items():
            sums[lot] = sums.get(lot, 0) + amount
    return sums


def total(flows, kind, is_debit):
    """Sum of one kind on one side over all lots."""
    return sum(flows.get((kind, is_debit), {}).values())


def effects(event_type, payload, flows):
    """What an event means for its lots, read from the *other* side of what it should have moved.

    Three dicts by lot: authority issued, authority used, cash of the lot.
    """
    issued, used, cash = {}, {}, {}
    adjustment = payload.get("kind", 0) if event_type == "BudgetAdjusted" else 0
    if event_type == "PaymentExecuted":
        used = merged(flows, DRAWABLE, True)
        cash = {lot: -amount for lot, amount in used.items()}
    elif event_type == "BudgetIssued" or adjustment == SUPPLEMENT:
        issued = merged(flows, (UNALLOCATED,), False)
    elif adjustment == REDUCTION:
        issued = {lot: -amount for lot, amount in merged(flows, (UNALLOCATED, UNIT), True).items()}
    elif event_type == "CashReceived":
        cash = {lot: total(flows, TREASURY, True) for lot in flows.get((FUND_LOT, False), ())}
    elif event_type == "PaymentReturned":
        back = merged(flows, (USED,), True)
        upward = merged(flows, (RECALLED,), False)
        used = {lot: -amount for lot, amount in back.items()}
        cash = {lot: amount - upward.get(lot, 0) for lot, amount in back.items()}
    elif event_type == "LapsedRecovered":
        cash = {lot: -total(flows, TREASURY, False) for lot in flows.get((FUND_LOT, True), ())}
    elif event_type == "OpeningBalance":
        issued = merged(flows, (SOURCE,), True)
        used = merged(flows, (USED,), False)
        cash = merged(flows, (FUND_LOT,), False)
    return issued, used, cash


# What is said of a fund whose books may be closed by then.
UNDATED = {
    "RoleGranted", "RoleRevoked", "EligibilityRecorded", "AccountOpened", "AccountClosed", "MatterOpened", "Reconciled",
    "PeriodReopened", "ComplaintFiled",
}  # fmt: skip


BANK_ACCOUNT = 3  # PersonalField


class Books:
    """Derives all balances from the legs alone and holds them against what the events mean."""

    def __init__(self, faults):
        self.fault = faults.add
        self.funds, self.accounts, self.lots = {}, {}, {}
        self.last_number = {"fund": 0, "account": 0, "lot": 0}
        self.policies = {}
        self.payments = {}
        self.reversible = {}  # (sequence, operation) -> event bytes
        self.reversed = set()
        self.operation = 0  # the one at hand, within its transaction
        self.day = self.policy_version = 0  # of the event at hand
        self.used = {}  # bank reference, or issuer and document -> sequence
        self.freezes = {}  # live case -> legs as (account, lot, amount)
        self.cases = set()
        self.special = {
            "FundDefined": self.fund_defined,
            "PolicySet": self.policy_set,
            "AccountOpened": self.account_opened,
            "Frozen": self.frozen,
            "Unfrozen": self.unfrozen,
            "PaymentExecuted": self.payment_executed,
            "Cleared": self.cleared,
            "PaymentReturned": self.payment_returned,
            "DayClosed": self.day_closed,
            "PeriodClosed": self.period_closed,
            "PeriodReopened": self.period_reopened,
            "CarriedForward": self.carried_forward,
            "LapsedRecovered": self.lapsed_recovered,
            "Reconciled": self.reconciled,
        }
        self.families = Families(self)
        self.special.update(self.families.handlers)
        self.contracts = Contracts(self)
        self.special.update(self.contracts.handlers)
        self.complaints = Complaints(self)
        self.special.update(self.complaints.handlers)
        self.releases = Releases(self)
        self.special.update(self.releases.handlers)
        self.entry_hash = b""  # of the event at hand

    def event(self, sequence, event, data):
        """Takes one event after the other."""
        event_type, payload = event["type"], event["payload"]
        raw_legs = event.get("legs", ())
        self.complaints.event(sequence, event)
        if event_type == "CommandRefused":
            if raw_legs:
                self.fault(sequence, "books", "a refused command has legs")
            if event.get("personal_data"):
                self.fault(sequence, "books", "a refused command keeps personal data")
            return
        self.commitments(sequence, event.get("personal_data", ()))
        self.approvals(sequence, event)
        if event_type == "TransactionPosted":
            for operation, step in self.operations(sequence, event):
                self.step(sequence, operation, step, data)
        else:
            self.step(sequence, 0, event, data)

    def operations(self, sequence, event):
        """The operations of a transaction, numbered from 1, each as the event it would be by itself."""
        operations, legs, at = event["payload"].get("operations", ()), event.get("legs", []), 0
        counts = [operation.get("leg_count", 0) for operation in operations]
        if not operations or min(counts) < 0 or sum(counts) != len(legs):
            self.fault(sequence, "books", f"a transaction of {len(operations)} operations with {len(legs)} legs")
            return
        for number, (operation, count) in enumerate(zip(operations, counts), 1):
            if "payload" not in operation:
                self.fault(sequence, "books", f"operation {number} says not what happened")
                return
            own = {"policy_version": operation.get("policy_version", 0), "legs": legs[at : at + count]}
            yield number, {**event, **operation, **own}
            at += count

    def commitments(self, sequence, commitments):
        """Of personal data the log holds pseudonyms and commitments, and of one thing one."""
        seen = set()
        for one in commitments:
            party, field, account = one.get("party", b""), one.get("field", 0), one.get("account", b"")
            sizes = len(party) == 16 and len(one.get("commitment", b"")) == 32 and 1 <= field <= 5
            if not sizes or (account and (field != BANK_ACCOUNT or len(account) != 16)) or (party, field) in seen:
                self.fault(sequence, "books", f"personal data are not committed to as they should be: field {field}")
            seen.add((party, field))

    def step(self, sequence, operation, event, data):
        """Takes an event, or an operation of a transaction."""
        self.operation = operation
        self.day, self.policy_version = event.get("business_day", 0), event.get("policy_version", 0)
        self.booked_at = event.get("booked_at_ns", 0)
        event_type, payload = event["type"], event["payload"]
        raw_legs = event.get("legs", ())
        self.open_lots(sequence, event_type, payload)
        legs = self.resolve(sequence, raw_legs)
        if legs is None:
            return
        fund = legs[0][0].fund if legs else self.fund_of(payload) if event_type not in UNDATED else None
        if fund is not None and fund.closed_through is not None and self.day <= fund.closed_through:
            self.fault(
                sequence, "period", f"dated {self.day}; fund {fund.number} is closed through {fund.closed_through}"
            )
        flows = flows_of(legs)
        self.shape(sequence, event_type, payload, legs, flows)
        self.use_once(sequence, event_type, payload)
        meaning = effects(event_type, payload, flows)
        if event_type == "Reversed":
            meaning = self.reversal(sequence, payload, event.get("legs", ()), flows)
        elif event_type in REVERSIBLE:
            self.reversible[sequence, operation] = data
        self.releases.step(sequence, event_type, payload, legs)
        self.contracts.step(event_type, payload, legs)
        self.complaints.step(sequence, event_type, payload)
        handler = self.special.get(event_type)
        if handler is not None:
            handler(sequence, payload, legs, flows)
        if legs:
            if event_type == "OpeningBalance" and fund.moved:
                self.fault(sequence, "books", "an opening balance after other movements of the fund")
            fund.moved = fund.moved or event_type != "OpeningBalance"
            if fund.family in (SOCIAL_INSURANCE, HOUSING_PROVIDENT):
                self.families.posted(event_type, payload, legs)
            self.post(sequence, fund, legs, meaning)
            for account, _, amount in legs:
                if account.movements is not None:
                    account.movements.append((sequence, self.day, amount * account.sign))

    # -- The envelope and the legs

    def approvals(self, sequence, event):
        """Maker and checkers are distinct."""
        checkers = [approval.get("actor", "") for approval in event.get("approvals", ())]
        if event.get("actor", "") in checkers:
            self.fault(sequence, "approvals", f"maker {event.get('actor', '')!r} is among the approvals")
        if len(set(checkers)) != len(checkers):
            self.fault(sequence, "approvals", "one checker approved twice")

    def fund_of(self, payload):
        """The fund an event without legs is about, if its payload names one, or an account or a lot."""
        if "fund" in payload:
            return self.funds.get(payload["fund"])
        named = self.accounts.get(payload.get("account")) or (
            self.lots.get(payload["lot"]) if isinstance(payload.get("lot"), int) else None
        )
        return named.fund if named else None

    def resolve(self, sequence, raw_legs):
        """Legs as (Account, lot number, amount); None, after a fault each, if some do not make sense."""
        legs, funds, is_sound = [], set(), True
        if len(raw_legs) > MAX_LEGS:
            self.fault(sequence, "books", f"{len(raw_legs)} legs")
        for raw in raw_legs:
            lot_number, amount = raw.get("lot", 0), raw.get("amount_minor", 0)
            account = self.accounts.get(raw.get("account", 0))
            problem = None
            if account is None:
                problem = f"leg on unknown account {raw.get('account', 0)}"
            elif not amount or not -MAX_AMOUNT <= amount <= MAX_AMOUNT:
                problem = f"leg with amount {amount}"
            elif not account.tracks_lots:
                if lot_number:
                    problem = f"lot {lot_number} on account {account.number}, which tracks none"
            else:
                lot = self.lots.get(lot_number)
                if lot is None or lot.fund is not account.fund:
                    problem = f"lot {lot_number} is none of the fund of account {account.number}"
            if problem:
                self.fault(sequence, "books", problem)
                is_sound = False
                continue
            if account.is_closed:
                self.fault(sequence, "books", f"leg on account {account.number}, which is closed")
            funds.add(account.fund)
            legs.append((account, lot_number, amount))
        if len(funds) > 1:
            self.fault(sequence, "books", "legs in more than one fund")
            is_sound = False
        return legs if is_sound else None

    def shape(self, sequence, event_type, payload, legs, flows):
        """Only kinds and sides that the type allows; all books that it needs; one account a side."""
        if event_type in MIRRORS:
            return
        form = FORMS.get(event_type)
        key = (event_type, payload.get(form, 0)) if form else event_type
        if form and key not in MOVES:
            self.fault(sequence, "books", f"{event_type} of {form} {key[1]}")
            return
        allowed = ALLOWED.get(key, frozenset())
        if not allowed.issuperset(flows):
            for kind, is_debit in sorted(set(flows) - allowed):
                side = "debits" if is_debit else "credits"
                self.fault(sequence, "books", f"{event_type} {side} {KIND_NAMES[kind]}")
            return
        if not legs:
            if allowed and event_type not in MAY_MOVE_NOTHING:
                self.fault(sequence, "books", f"{event_type} without legs")
            return
        books = {kind >= CASH_BOOK for kind, _ in flows}
        needed = {debits[0] >= CASH_BOOK for debits, _ in MOVES[key]}
        if event_type in OPTIONAL_CASH:
            needed.discard(True)
        if event_type not in ANY_BOOK and not needed <= books:
            self.fault(sequence, "books", f"{event_type} moves nothing in one of its books")
        if event_type in ONE_ACCOUNT_A_SIDE:
            self.sides(sequence, event_type, legs)
        if event_type in ONE_LOT:
            named = payload.get("lot")
            lots = {lot for _, lot, _ in legs if lot}
            if isinstance(named, dict):
                named = named.get("lot", 0)
            if lots != ({named} if named is not None else lots) or len(lots) != 1:
                self.fault(sequence, "books", f"{event_type} moves lots {sorted(lots)}")

    def sides(self, sequence, event_type, legs):
        """One account a side and book; where the type says so, of the same unit."""
        sides = {}
        for account, _, amount in legs:
            side = (account.kind >= CASH_BOOK, amount > 0)
            if sides.setdefault(side, account) is not account:
                self.fault(sequence, "books", f"{event_type} moves several accounts on one side")
                return
        debited, credited = sides.get((False, True)), sides.get((False, False))
        if debited is not None and debited is credited:
            self.fault(sequence, "books", f"{event_type} moves account {debited.number} to itself")
        if event_type in SAME_UNIT and debited and credited and debited.kind != CARRY and debited.unit != credited.unit:
            self.fault(sequence, "books", f"{event_type} moves from unit {debited.unit!r} to {credited.unit!r}")

    def post(self, sequence, fund, legs, meaning):
        """Applies legs and meaning, then checks the invariants of what they touched."""
        balances, lots = fund.balances, self.lots
        authority = cash = 0
        touched, lowered = set(), {}
        for account, lot_number, amount in legs:
            kind = account.kind
            moved = amount * account.sign
            key = account.number << 32 | lot_number
            balances[key] = balances.get(key, 0) + moved
            account.balance += moved
            if moved < 0:
                lowered[key] = (account, lot_number)
            if kind < CASH_BOOK:
                authority += amount
                lot = lots[lot_number]
                touched.add(lot_number)
                if kind == SOURCE:
                    lot.source += moved
                else:
                    lot.held += moved
                    if kind == USED:
                        lot.used += moved
                continue
            cash += amount
            if kind < CLAIMS:
                fund.assets += moved
            else:
                fund.claims += moved
                if kind == FUND_LOT:
                    touched.add(lot_number)
                    lots[lot_number].cash += moved
        if authority:
            self.fault(sequence, "books", f"authority book: debits and credits differ by {authority}")
        if cash:
            self.fault(sequence, "books", f"cash book: debits and credits differ by {cash}")
        self.not_negative(sequence, balances, lowered)
        self.apply_meaning(meaning, touched)
        self.lots_add_up(sequence, touched)

    def not_negative(self, sequence, balances, lowered):
        """No (account, lot), and no account but the contra account, is below zero."""
        for key, (account, lot_number) in lowered.items():
            if balances[key] < 0:
                self.fault(sequence, "books", f"account {account.number}, lot {lot_number}: balance {balances[key]}")
        for account in {account for account, _ in lowered.values()}:
            if account.balance < 0 and account.kind != SOURCE and account.tracks_lots:
                self.fault(sequence, "books", f"account {account.number}: balance {account.balance}")

    def apply_meaning(self, meaning, touched):
        """Adds what an event means for its lots."""
        issued, used, cash = meaning
        for lot, amount in issued.items():
            self.lots[lot].issued += amount
        for lot, amount in used.items():
            self.lots[lot].due_used += amount
        for lot, amount in cash.items():
            self.lots[lot].due_cash += amount
        touched.update(issued, used, cash)

    def lots_add_up(self, sequence, touched):
        """Issued = source = held; used and cash are what payments, receipts, returns and recalls make them.

        Cash = claims per fund (I6) follows event by event from the balance of the cash book; `finish` states it again.
        """
        for number in touched:
            lot = self.lots[number]
            off = (
                lot.source - lot.issued,
                lot.held - lot.issued,
                lot.used - lot.due_used,
                lot.cash - lot.due_cash,
            )
            if off == lot.reported:
                continue
            names = ("issued by its source account", "held", "used", "in cash")
            for before, now, name in zip(lot.reported, off, names):
                if now != before and now:
                    self.fault(sequence, "books", f"lot {number}: {name} is off by {now}")
            lot.reported = off

    def finish(self, sequence):
        """At the end, once more from the balances as they stand: cash = claims per fund."""
        for fund in self.funds.values():
            if fund.assets != fund.claims:
                self.fault(sequence, "books", f"fund {fund.number}: cash {fund.assets}, claims {fund.claims}")

    # -- Set-up

    def number(self, sequence, what, number):
        """Numbers are given from 1, without gap."""
        expected = self.last_number[what] + 1
        if number != expected:
            self.fault(sequence, "books", f"{what} {number} opened, {expected} is next")
        self.last_number[what] = max(number, expected - 1)

    def fund_defined(self, sequence, payload, _legs, _flows):
        """A fund starts."""
        number = payload.get("fund", 0)
        self.number(sequence, "fund", number)
        fund = Fund(number, payload)
        self.funds.setdefault(number, fund)
        self.families.fund_defined(sequence, fund)

    def policy_set(self, sequence, payload, _legs, _flows):
        """Versions of a policy count from 1."""
        policy, version = payload.get("policy_id", ""), payload.get("version", 0)
        if version != self.policies.get(policy, 0) + 1:
            self.fault(sequence, "books", f"policy {policy!r}: version {version} after {self.policies.get(policy, 0)}")
        self.policies[policy] = version
        self.families.policy_set(policy, version, payload)

    def account_opened(self, sequence, payload, _legs, _flows):
        """An account starts."""
        number, kind = payload.get("account", 0), payload.get("kind", 0)
        self.number(sequence, "account", number)
        fund = self.funds.get(payload.get("fund", 0))
        if fund is None:
            self.fault(sequence, "books", f"account {number} in unknown fund {payload.get('fund', 0)}")
        elif kind not in KIND_NAMES:
            self.fault(sequence, "books", f"account {number} of unknown kind {kind}")
        elif number not in self.accounts:
            account = self.accounts[number] = Account(number, fund, kind, payload)
            if kind in (CLEARING, INCOME):
                (fund.clearing if kind == CLEARING else fund.income).append(number << 32)
            self.families.account_opened(sequence, account)

    def reconciled(self, sequence, payload, _legs, _flows):
        """What the books are said to have held at the end of a bank statement is what they held."""
        account, as_of = self.accounts.get(payload.get("account", 0)), payload.get("as_of_sequence", 0)
        if account is None or account.movements is None or as_of >= sequence:
            self.fault(sequence, "books", f"account {payload.get('account', 0)} cannot be compared with a bank as of {as_of}")
            return
        last_day, said = payload.get("last_day", 0), payload.get("book_balance_minor", 0)
        held = sum(moved for at, day, moved in account.movements if at <= as_of and day <= last_day)
        if held != said:
            self.fault(sequence, "books", f"account {account.number} is said to have held {said}, and held {held}")

    def use_once(self, sequence, event_type, payload):
        """A reference of the bank stands in one event, and so does a document that opens or changes authority."""
        opened = [payload.get("lot", {})] if event_type == "BudgetIssued" else payload.get("lots", ())
        if event_type in ("BudgetAdjusted", "EstimateApproved"):
            opened = [payload]
        marks = [(lot.get("issuer_id", ""), lot["document_number"]) for lot in opened if lot.get("document_number")]
        if event_type != "Reconciled" and payload.get("bank_reference"):
            marks.append((None, payload["bank_reference"]))
        for mark in marks:
            first = self.used.setdefault(mark, (sequence, self.operation))
            if first != (sequence, self.operation) or marks.count(mark) > 1:
                self.fault(sequence, "books", f"{mark[1]!r} was used before, at {first[0]}")

    def open_lots(self, sequence, event_type, payload):
        """Lots start with BudgetIssued and OpeningBalance, before their first legs."""
        if event_type == "BudgetIssued":
            opened = [payload.get("lot", {})]
        elif event_type == "OpeningBalance":
            opened = payload.get("lots", ())
        else:
            return
        for lot in opened:
            number, fund_number = lot.get("lot", 0), lot.get("fund", 0)
            self.number(sequence, "lot", number)
            fund = self.funds.get(fund_number)
            if fund is None or fund_number != payload.get("fund", fund_number):
                self.fault(sequence, "books", f"lot {number} in fund {fund_number}")
            if fund is not None:
                self.lots.setdefault(number, Lot(number, fund))

    # -- Payments

    def payment_executed(self, sequence, payload, legs, flows):
        """A payment starts: its draws are its authority debits, in order."""
        payment_id = payload.get("payment_id", "")
        draws = [[lot, amount] for account, lot, amount in legs if amount > 0 and account.kind < CASH_BOOK]
        if not payment_id or self.families.is_voucher_used(payment_id):
            self.fault(sequence, "payment", f"payment {payment_id!r} exists" if payment_id else "no payment_id")
        elif draws:
            source = next(account for account, _, amount in legs if amount > 0 and account.kind < CASH_BOOK)
            payment = self.payments[payment_id] = Payment(sequence, self.operation, source.fund, source, draws)
            self.families.paid_out(sequence, payment, payload)
            self.contracts.paid(sequence, payment, payload, legs)
        if total(flows, CLEARING, False) != sum(amount for _, amount in draws):
            self.fault(sequence, "payment", "authority drawn and cash to be cleared differ")

    def cleared(self, sequence, payload, legs, flows):
        """Each payment is cleared whole, once."""
        amount = 0
        for payment_id in payload.get("payment_ids", ()):
            payment = self.payments.get(payment_id)
            if payment is None:
                self.fault(sequence, "payment", f"clears unknown payment {payment_id!r}")
                continue
            if payment.state != "ordered":
                self.fault(sequence, "payment", f"clears payment {payment_id!r}, which is {payment.state}")
            if self.releases.is_waiting(payment):
                self.fault(sequence, "payment", f"clears payment {payment_id!r} before it was released")
            if legs and payment.fund is not legs[0][0].fund:
                self.fault(sequence, "payment", f"clears payment {payment_id!r} of another fund")
            payment.state = "cleared"
            amount += payment.amount
        if total(flows, CLEARING, True) != amount:
            self.fault(sequence, "payment", f"clears {total(flows, CLEARING, True)} for payments of {amount}")

    def payment_returned(self, sequence, payload, legs, flows):
        """At most what is left of a cleared payment comes back, last draw first, to where it came from."""
        payment_id = payload.get("payment_id", "")
        payment = self.payments.get(payment_id)
        if payment is None:
            self.fault(sequence, "payment", f"return of unknown payment {payment_id!r}")
            return
        if payload.get("original_sequence", 0) != payment.sequence:
            self.fault(sequence, "payment", f"original_sequence of {payment_id!r} is {payment.sequence}")
        if payment.state != "cleared":
            self.fault(sequence, "payment", f"return of payment {payment_id!r}, which is {payment.state}")
        back = merged(flows, (USED,), True)
        amount = sum(back.values())
        if amount > payment.left:
            self.fault(sequence, "payment", f"{amount} of {payment_id!r} returned, {payment.left} are left")
        elif back != self.take_back(payment, amount):
            self.fault(sequence, "payment", f"return of {payment_id!r} does not follow its draws, last first")
        payment.left -= amount
        self.families.came_back(payment, amount, is_all=payment.left <= 0)
        self.contracts.came_back(payment, amount)
        recalled = merged(flows, (RECALLED,), False)
        self.return_accounts(sequence, payment, legs)
        if merged(flows, (FUND_LOT,), False) != back or total(flows, TREASURY, True) != amount:
            self.fault(sequence, "payment", "authority and cash returned differ")
        if merged(flows, (FUND_LOT,), True) != recalled or total(flows, TREASURY, False) != sum(recalled.values()):
            self.fault(sequence, "payment", "what returns to a recalled lot does not go upward")

    @staticmethod
    def take_back(payment, amount):
        """Takes an amount off the draws, last first: {lot: amount}."""
        taken = {}
        while amount and payment.draws:
            draw = payment.draws[-1]
            part = min(amount, draw[1])
            amount -= part
            draw[1] -= part
            taken[draw[0]] = taken.get(draw[0], 0) + part
            if not draw[1]:
                payment.draws.pop()
        return taken

    def return_accounts(self, sequence, payment, legs):
        """Authority returns to the account drawn on (of a commitment to the unit's plan or authority), after carry-over
        to CARRY, after recall to RECALLED."""
        source = payment.source
        for account, lot_number, amount in legs:
            if amount > 0 or account.kind >= CASH_BOOK:
                continue
            if source.kind == COMMITTED and account.kind in (PLAN, UNIT) and account.unit == source.unit:
                continue
            if account is source and source.kind != COMMITTED:
                continue
            lot = self.lots[lot_number]
            if not (account.kind == CARRY and lot.carried or account.kind == RECALLED and lot.recalled):
                self.fault(sequence, "payment", f"lot {lot_number} returns to account {account.number}")

    # -- Reversals and freezes

    def reversal(self, sequence, payload, raw_legs, flows):
        """The exact mirror of a reversible event, once. Returns what it means for its lots."""
        target, place = payload.get("original_sequence", 0), payload.get("operation", 0)
        nothing = ({}, {}, {})
        if (target, place) in self.reversed:
            self.fault(sequence, "reversal", f"event {target} was reversed before")
            return nothing
        data = self.reversible.pop((target, place), None) if target < sequence else None
        if data is None:
            self.fault(sequence, "reversal", f"event {target} cannot be reversed")
            return nothing
        self.reversed.add((target, place))
        original = decode_event(data)
        if place:
            original = dict(self.operations(target, original))[place]
        event_type, meant = original["type"], original["payload"]
        if event_type == "PaymentExecuted":
            payment_id = meant.get("payment_id", "")
            payment = self.payments.get(payment_id)
            if payload.get("payment_id", "") != payment_id:
                self.fault(sequence, "reversal", f"event {target} is payment {payment_id!r}")
            if payment is not None and (payment.sequence, payment.operation) == (target, place):
                if payment.state != "ordered":
                    self.fault(sequence, "reversal", f"payment of event {target} is {payment.state}")
                payment.state = "reversed"
                self.families.came_back(payment, payment.amount, is_all=True)
                self.contracts.came_back(payment, payment.amount)
        if not self.is_mirror(original.get("legs", ()), raw_legs):
            self.fault(sequence, "reversal", f"legs are not the mirror of those of event {target}")
        mirrored = {(kind, not is_debit): sums for (kind, is_debit), sums in flows.items()}
        meaning = effects(event_type, meant, mirrored)
        return tuple({lot: -amount for lot, amount in sums.items()} for sums in meaning)

    @staticmethod
    def is_mirror(original, legs):
        """Same accounts and lots, opposite amounts; in any order."""
        rows = [sorted((leg.get("account", 0), leg.get("lot", 0), sign * leg.get("amount_minor", 0)) for leg in side)
                for sign, side in ((1, original), (-1, legs))]  # fmt: skip
        return rows[0] == rows[1]

    def frozen(self, sequence, payload, legs, _flows):
        """A freeze of an amount moves it to FROZEN; any other has no legs."""
        case = payload.get("case_id", "")
        if not case or case in self.cases:
            self.fault(sequence, "freeze", f"case {case!r} exists" if case else "no case_id")
        if sum(name in payload for name in ("account", "lot", "payee")) != 1:
            self.fault(sequence, "freeze", "a freeze needs one scope")
        elif any(account.number != payload.get("account") for account, _, amount in legs if amount > 0):
            self.fault(sequence, "freeze", "an amount frozen is not of the account named")
        self.cases.add(case)
        self.freezes[case] = [(account.number, lot, amount) for account, lot, amount in legs]

    def unfrozen(self, sequence, payload, legs, _flows):
        """Exactly the same amounts go back."""
        case = payload.get("case_id", "")
        frozen = self.freezes.pop(case, None)
        if frozen is None:
            self.fault(sequence, "freeze", f"no live freeze of case {case!r}")
        elif sorted(frozen) != sorted((account.number, lot, -amount) for account, lot, amount in legs):
            self.fault(sequence, "freeze", f"legs are not the mirror of the freeze of case {case!r}")

    # -- Closings and year end

    def day_closed(self, sequence, payload, _legs, _flows):
        """Days close in order, with nothing left to clear."""
        fund, day = self.funds.get(payload.get("fund", 0)), payload.get("day", 0)
        if fund is None:
            self.fault(sequence, "period", f"day closed for unknown fund {payload.get('fund', 0)}")
            return
        if fund.closed_through is not None and day <= fund.closed_through:
            self.fault(sequence, "period", f"day {day} is closed already")
        if any(fund.balances.get(key) for key in fund.clearing):
            self.fault(sequence, "period", f"day {day} closed, but a clearing account is not zero")
        fund.closed_through = max(day, day if fund.closed_through is None else fund.closed_through)

    def period_closed(self, sequence, payload, _legs, _flows):
        """Months close in order, without gaps, with the digest of the trial balance."""
        fund, period = self.funds.get(payload.get("fund", 0)), payload.get("period", 0)
        if fund is None:
            self.fault(sequence, "period", f"month closed for unknown fund {payload.get('fund', 0)}")
            return
        if payload.get("trial_balance_sha256", b"") != trial_balance(fund):
            self.fault(sequence, "trial_balance", f"digest for {period} is not that of fund {fund.number}'s balances")
        try:
            end = month_end(period)
        except ValueError:
            self.fault(sequence, "period", f"there is no month {period}")
            return
        if fund.last_month is not None and period != next_month(fund.last_month):
            self.fault(sequence, "period", f"month {period} closed after {fund.last_month}")
        self.families.month_closed(sequence, fund, period)
        fund.last_month = period
        fund.closed_through = max(end, end if fund.closed_through is None else fund.closed_through)

    def period_reopened(self, sequence, payload, _legs, _flows):
        """The last closed month, and no other, opens again, with all days after it."""
        fund, period = self.funds.get(payload.get("fund", 0)), payload.get("period", 0)
        if fund is None or fund.last_month is None or period != fund.last_month:
            self.fault(sequence, "period", f"month {period} opens again, but is not the last one closed")
            return
        year, month = divmod(period, 100)
        fund.last_month = period - 1 if month > 1 else (year - 1) * 100 + 12
        fund.closed_through = min(fund.closed_through, month_end(fund.last_month))

    def carried_forward(self, _sequence, payload, _legs, _flows):
        """From here on, returns may go to the carry account."""
        lot = self.lots.get(payload.get("lot", 0))
        if lot is not None:
            lot.carried = True

    def lapsed_recovered(self, sequence, payload, _legs, flows):
        """From here on, returns may go to the recalled account. Cash recalled is at most the authority recalled."""
        lot = self.lots.get(payload.get("lot", 0))
        if lot is not None:
            lot.recalled = True
        if total(flows, TREASURY, False) > total(flows, RECALLED, False):
            self.fault(sequence, "books", "more cash is recalled than authority")


# ---- The report ----------------------------------------------------------------------------------------------------


def verify(file, deep=False):
    """Verifies an open bundle and returns the report as a dict."""
    faults = Faults()
    books = Books(faults) if deep else None
    log = Log(faults, books)
    bundle = Bundle(file, faults)
    is_complete = False
    try:
        for key, value in bundle:
            if log.checkpoint is None:
                log.checkpoint = read_checkpoint(bundle, faults)
            log.value(key, value)
        is_complete = True
    except Incomplete as error:
        faults.add(log.next_sequence, "incomplete", str(error))
    log.finish(is_complete)
    if log.books is not None:
        log.books.finish(log.next_sequence - 1)
    if is_complete:
        bundle.check_manifest(log)
    not_checked = list(NOT_CHECKED)
    if not deep:
        not_checked.append("balances and the rules of the books (run with --deep)")
    elif log.books is None:
        not_checked.append(f"balances from sequence {log.books_end} on: an event is missing or unreadable")
    if not is_complete:
        not_checked.append("whatever followed the end of the file")
    return {
        "verdict": faults.verdict(),
        "events": log.entries,
        "first_sequence": 0,
        "last_sequence": log.next_sequence - 1,
        "head": (log.head or ZERO_HASH).hex(),
        "first_bad_sequence": faults.first_bad_sequence,
        "fault_count": faults.count,
        "faults": faults.reported,
        "checked": [*CHECKED, *(CHECKED_DEEP if deep else ())],
        "not_checked": not_checked,
    }


def print_text(report):
    """Prints the report for people."""
    print(f"{report['verdict']}: {report['events']} entries, last sequence {report['last_sequence']}")
    print(f"head {report['head']}")
    if report["fault_count"]:
        print(f"faults: {report['fault_count']}, first bad sequence {report['first_bad_sequence']}")
    for fault in report["faults"]:
        where = "file" if fault["sequence"] is None else f"sequence {fault['sequence']}"
        print(f"  {where}: {fault['kind']}: {fault['message']}")
    if report["fault_count"] > len(report["faults"]):
        print(f"  and {report['fault_count'] - len(report['faults'])} more")
    for title in ("checked", "not_checked"):
        print(f"{title.replace('_', ' ')}:")
        for line in report[title]:
            print(f"  {line}")


def main(arguments=None):
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description="Verifies a fundledger bundle.")
    parser.add_argument("bundle", metavar="BUNDLE")
    parser.add_argument("--deep", action="store_true", help="derive all balances again")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        with open(options.bundle, "rb", buffering=1 << 20) as file:
            report = verify(file, options.deep)
    except OSError as error:
        print(f"{options.bundle}: {error.strerror}", file=sys.stderr)
        return 3
    if options.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        print_text(report)
    return {"verified": 0, "broken": 1, "incomplete": 3}[report["verdict"]]


if __name__ == "__main__":
    sys.exit(main())
