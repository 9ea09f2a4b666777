"""A stock gRPC client: posts, retries and reads, with stubs generated from proto/.

Usage: client.py STUBS ADDRESS, after tests/clients.rs has generated the stubs. Towards its end it says `stop`, waits for a
line, sends a payment while nobody listens, says `start`, and expects the channel's retries to find the server again.
"""

import hashlib
import pathlib
import sys

sys.path.insert(0, sys.argv[1])

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
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

# Pages: together they are everything, once, and a token is for its own parameters only.
sequences, token = [], ""
while True:
    page = query.ListEvents(query_pb2.ListEventsRequest(page_size=5, page_token=token, min_sequence=last))
    assert len(page.records) <= 5
    sequences += [record.sequence for record in page.records]
    token = page.next_page_token or token
    if not page.next_page_token:
        break
assert sequences == list(range(count)), sequences
try:
    query.ListEvents(query_pb2.ListEventsRequest(page_size=5, page_token=token, lot_id="LOT-1", min_sequence=last))
    raise SystemExit("a token was taken for other parameters")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert details(rpc_status.from_call(error))["ErrorInfo"].reason == "PAGE_TOKEN_INVALID"

# Messages in the caller's language; every field that is wrong, at once.
for language, locale, words in (("en", "en", "does not cover"), ("zh;q=0.9, en;q=0.1", "zh-CN", "余额不足")):
    request = ledger_pb2.PostRequest(commands=[payment("py-2", 9_007_199_254_740_991)])
    (again,) = ledger.Post(request, metadata=[("accept-language", language)]).results
    text = details(again.error)["LocalizedMessage"]
    assert text.locale == locale and words in text.message, text
wrong = payment("py-4", -1)
wrong.actor = ""
wrong.business_date.month = 13
fields = [violation.field for violation in details(post(wrong)[0].error)["BadRequest"].field_violations]
for field in ("actor", "business_date", "execute_payment.amount_minor"):
    assert any(found.startswith(f"commands[0].{field}") for found in fields), fields

# Health of each service, and reflection by the older protocol, which most tools still speak.
for service in ("", "fundledger.v1.LedgerService", "fundledger.v1.QueryService", "fundledger.v1.AuditService"):
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    assert health.status == health_pb2.HealthCheckResponse.SERVING, service
reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
asked = [
    reflection_pb2.ServerReflectionRequest(list_services=""),
    reflection_pb2.ServerReflectionRequest(file_containing_symbol="google.rpc.ErrorInfo"),
]
listed, found = reflection.ServerReflectionInfo(iter(asked))
services = {service.name for service in listed.list_services_response.service}
assert services >= {"fundledger.v1.LedgerService", "grpc.health.v1.Health"}, services
assert found.file_descriptor_response.file_descriptor_proto

# Retries: with the published service config, a payment that is sent while the server is away arrives once it is back.
config = pathlib.Path("docs/clients/service_config.json").read_text()
options = [("grpc.service_config", config), ("grpc.initial_reconnect_backoff_ms", 100)]
patient = ledger_pb2_grpc.LedgerServiceStub(grpc.insecure_channel(sys.argv[2], options=options))
assert patient.GetReceipt(ledger_pb2.GetReceiptRequest(request_id="py-1")).result.HasField("receipt")
print("stop", flush=True)
sys.stdin.readline()
request = ledger_pb2.PostRequest(commands=[payment("py-5", 7)])
try:
    grpc_without = grpc.insecure_channel(sys.argv[2], options=[("grpc.enable_retries", 0)])
    ledger_pb2_grpc.LedgerServiceStub(grpc_without).Post(request)
    raise SystemExit("nobody should have answered")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.UNAVAILABLE
sending = patient.Post.future(request)
print("start", flush=True)
(arrived,) = sending.result().results
assert arrived.HasField("receipt") and not arrived.receipt.replayed, arrived
print(f"{count} entries")
