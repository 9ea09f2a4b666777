"""Pays, reads the balance and follows the payment.

Usage: PYTHONPATH=STUBS python pay.py ADDRESS ACCOUNT VOUCHER AMOUNT_MINOR

STUBS is where `python -m grpc_tools.protoc -Iproto --python_out=STUBS --grpc_python_out=STUBS proto/fundledger/v1/*.proto`
has written; it needs `pip install grpcio grpcio-tools grpcio-status`.
"""

import pathlib
import sys

import grpc
from google.rpc import error_details_pb2
from google.type.date_pb2 import Date

from fundledger.v1 import ledger_pb2, ledger_pb2_grpc, query_pb2, query_pb2_grpc

address, account, voucher, amount_minor = sys.argv[1:]

# The channel retries UNAVAILABLE by itself. Here it may: the key makes sending a payment again safe.
retries = pathlib.Path(__file__).parents[2] / "clients" / "service_config.json"
channel = grpc.insecure_channel(address, options=[("grpc.service_config", retries.read_text())])
ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
query = query_pb2_grpc.QueryServiceStub(channel)

command = ledger_pb2.Command(
    request_id=f"voucher-{voucher}",  # the same key and content again never posts twice
    business_date=Date(year=2026, month=6, day=15),
    actor="maria",
    checkers=["li"],
    execute_payment=ledger_pb2.ExecutePayment(
        payment_id=voucher,
        from_account_id=account,
        amount_minor=int(amount_minor),
        payee="EXAMPLE LTD",
        purpose="SUPPLIER",
        method="PAYMENT_METHOD_DIRECT",
    ),
)

english = [("accept-language", "en")]
(result,) = ledger.Post(ledger_pb2.PostRequest(commands=[command]), metadata=english).results
if result.HasField("receipt"):
    receipt = result.receipt
    print("on disk at", receipt.sequence, receipt.entry_hash.hex(), "(before)" if receipt.replayed else "(now)")
else:
    found = {detail.type_url.rsplit(".", 1)[1]: detail for detail in result.error.details}
    info, text = error_details_pb2.ErrorInfo(), error_details_pb2.LocalizedMessage()
    found["ErrorInfo"].Unpack(info)
    found["LocalizedMessage"].Unpack(text)
    # Programs go by the reason and the facts, people by the message.
    match info.reason:
        case "INSUFFICIENT_BALANCE" | "LOT_INSUFFICIENT":
            print("refused: asked", info.metadata["asked_minor"], "available", info.metadata["available_minor"])
        case reason:
            print("refused:", reason, dict(info.metadata))
    print(text.message)
    sys.exit(1)

# Wait until the payment is visible: read your own write.
balance = query.GetBalance(query_pb2.GetBalanceRequest(account_id=account, min_sequence=receipt.sequence)).balance
print("left in", account, balance.amount_minor, balance.currency_code, f"(10^-{balance.currency_exponent})")

# Backwards: the lots it was paid from, and their documents.
for part in query.Trace(query_pb2.TraceRequest(payment_id=voucher, min_sequence=receipt.sequence)):
    for node in part.nodes.nodes:
        print("from", query_pb2.TraceNodeKind.Name(node.kind), node.label, node.amount_minor)
