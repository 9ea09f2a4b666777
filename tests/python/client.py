"""A stock gRPC client: posts, retries and reads, with stubs generated from proto/.

Usage: client.py STUBS ADDRESS, after tests/python_client.rs has generated the stubs.
"""

import hashlib
import sys

sys.path.insert(0, sys.argv[1])

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from fundledger.v1 import audit_pb2, audit_pb2_grpc, event_pb2, ledger_pb2, ledger_pb2_grpc, query_pb2, query_pb2_grpc
from google.type import date_pb2

channel = grpc.insecure_channel(sys.argv[2])
ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
query = query_pb2_grpc.QueryServiceStub(channel)
audit = audit_pb2_grpc.AuditServiceStub(channel)


def command(request_id, **payload):
    """A command of the one maker and the one checker."""
    return ledger_pb2.Command(
        request_id=request_id,
        business_date=date_pb2.Date(year=2026, month=6, day=15),
        actor="maker-1",
        checkers=["checker-1"],
        **payload,
    )


def payment(request_id, amount_minor):
    """A payment from unit U."""
    return command(
        request_id,
        execute_payment=ledger_pb2.ExecutePayment(
            payment_id=request_id,
            from_account_id="U.unit",
            amount_minor=amount_minor,
            payee="某某建筑有限公司",
            purpose="works",
            method=event_pb2.PAYMENT_METHOD_DIRECT,
        ),
    )


def post(*commands):
    """The results of one request."""
    return ledger.Post(ledger_pb2.PostRequest(commands=commands), timeout=10).results


def details(status):
    """The details of an error, by type."""
    found = {}
    for detail in status.details:
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.PreconditionFailure,
            error_details_pb2.LocalizedMessage,
            error_details_pb2.BadRequest,
            error_details_pb2.ResourceInfo,
        ):
            message = kind()
            if detail.Unpack(message):
                found[kind.DESCRIPTOR.name] = message
    return found


# Posting, and the same again: one event.
(first,) = post(payment("py-1", 12_345))
assert first.WhichOneof("outcome") == "receipt", first
(again,) = post(payment("py-1", 12_345))
assert again.receipt.replayed and again.receipt.sequence == first.receipt.sequence
assert again.receipt.entry_hash == first.receipt.entry_hash and len(first.receipt.entry_hash) == 32

# A refusal, with everything a program and a person need.
(refused,) = post(payment("py-2", 9_007_199_254_740_991))
assert refused.error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
parts = details(refused.error)
assert parts["ErrorInfo"].reason == "INSUFFICIENT_BALANCE", parts
assert parts["ErrorInfo"].domain == "fundledger"
assert parts["ErrorInfo"].metadata["account"] == "U.unit"
assert parts["PreconditionFailure"].violations[0].type == "INSUFFICIENT_BALANCE"
assert parts["LocalizedMessage"].locale == "zh-CN" and "余额不足" in parts["LocalizedMessage"].message
assert isinstance(refused.error, status_pb2.Status)

# A malformed command: all fields at once, and the key is still free.
(malformed,) = post(payment("py-3", 0))
assert details(malformed.error)["BadRequest"].field_violations[0].field == "commands[0].execute_payment.amount_minor"
(corrected,) = post(payment("py-3", 5))
assert corrected.receipt.sequence == first.receipt.sequence + 2

# What became of a key.
found = ledger.GetReceipt(ledger_pb2.GetReceiptRequest(request_id="py-1")).result
assert found.receipt.sequence == first.receipt.sequence
try:
    ledger.GetReceipt(ledger_pb2.GetReceiptRequest(request_id="never"))
    raise SystemExit("a key that was never used was found")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert details(rpc_status.from_call(error))["ErrorInfo"].reason == "REQUEST_NOT_FOUND"

# Reading one's own writes.
last = corrected.receipt.sequence
balance = query.GetBalance(query_pb2.GetBalanceRequest(account_id="U.used", lot_id="LOT-1", min_sequence=last))
assert balance.balance.amount_minor == 12_350 and balance.balance.currency_code == "CNY", balance
assert balance.position.sequence >= last
rows = query.ListBalances(query_pb2.ListBalancesRequest(fund_id="F", by_lot=True)).balances
assert {row.account_id for row in rows} >= {"U.unit", "U.used", "treasury", "clearing"}

# Forwards: the children of the lot add up to what was issued. Backwards: the payment comes from the lot.
nodes = [node for part in query.Trace(query_pb2.TraceRequest(lot_id="LOT-1")) for node in part.nodes.nodes]
assert nodes[0].amount_minor == 100_000_000
assert sum(node.amount_minor for node in nodes if node.parent_number == nodes[0].node_number) == 100_000_000
nodes = [node for part in query.Trace(query_pb2.TraceRequest(payment_id="py-1")) for node in part.nodes.nodes]
assert nodes[0].amount_minor == 12_345 and nodes[1].label == "LOT-1", nodes
assert [node.label for node in nodes if node.kind == query_pb2.TRACE_NODE_KIND_DOCUMENT] == ["PROVINCE 财农〔2026〕12号"]

# Events, and the exact bytes that were hashed.
record = query.GetEvent(query_pb2.GetEventRequest(sequence=first.receipt.sequence)).record
assert hashlib.sha256(b"\0" + record.entry).digest() == first.receipt.entry_hash
assert event_pb2.Event.FromString(record.entry[32:]) == record.event
assert sum(leg.amount_minor for leg in record.legs) == 0
previous = bytes(32)
count = 0
for part in audit.ReadEntries(audit_pb2.ReadEntriesRequest()):
    for entry in part.entries:
        assert entry[:32] == previous
        previous = hashlib.sha256(b"\0" + entry).digest()
        count += 1
assert previous == part.head.entry_hash and count == part.head.sequence + 1
assert len(query.ListEvents(query_pb2.ListEventsRequest(page_size=1000)).records) == count
assert "某某".encode() not in b"".join(e for p in audit.ReadEntries(audit_pb2.ReadEntriesRequest()) for e in p.entries)

health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="fundledger.v1.LedgerService"))
assert health.status == health_pb2.HealthCheckResponse.SERVING
print(f"{count} entries")
