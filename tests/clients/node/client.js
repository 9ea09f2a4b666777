// A stock gRPC client, with the API read from proto/ at run time: posts, retries and reads.
//
// Usage: NODE_PATH=node_modules node client.js ADDRESS
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const path = require("node:path");
const { promisify } = require("node:util");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const definition = protoLoader.loadSync(
  ["fundledger/v1/ledger.proto", "fundledger/v1/query.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"],
  {
    includeDirs: [path.join(__dirname, "..", "..", "..", "proto")],
    longs: String,
    enums: String,
    oneofs: true,
    defaults: true,
  },
);
const api = grpc.loadPackageDefinition(definition).fundledger.v1;
const ledger = new api.LedgerService(process.argv[2], grpc.credentials.createInsecure());
const query = new api.QueryService(process.argv[2], grpc.credentials.createInsecure());
const call = (client, method) => (request, language) => {
  const metadata = new grpc.Metadata();
  if (language) metadata.set("accept-language", language);
  return promisify(client[method].bind(client))(request, metadata);
};
const [post, getReceipt] = [call(ledger, "post"), call(ledger, "getReceipt")];
const [getBalance, getEvent] = [call(query, "getBalance"), call(query, "getEvent")];

function details(status) {
  return Object.fromEntries(
    status.details.map(({ type_url, value }) => {
      const name = type_url.split("/").pop();
      return [name.split(".").pop(), definition[name].deserialize(value)];
    }),
  );
}

// The details of a call that failed, from its trailers.
async function failure(promise) {
  const error = await promise.then(
    () => assert.fail("the call did not fail"),
    (error) => error,
  );
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const status = definition["google.rpc.Status"].deserialize(bytes);
  assert.equal(status.code, error.code);
  return { code: error.code, ...details(status) };
}

const payment = (requestId, amountMinor) => ({
  requestId,
  businessDate: { year: 2026, month: 6, day: 15 },
  actor: "maker-1",
  checkers: ["checker-1"],
  executePayment: {
    paymentId: requestId,
    fromAccountId: "U.unit",
    amountMinor,
    payee: "某某建筑有限公司",
    purpose: "works",
    method: "PAYMENT_METHOD_DIRECT",
  },
});

async function main() {
  // Posting, and the same again: one event.
  const [first] = (await post({ commands: [payment("js-1", "12345")] })).results;
  assert.equal(first.outcome, "receipt");
  assert.equal(first.receipt.replayed, false);
  const [again] = (await post({ commands: [payment("js-1", "12345")] })).results;
  assert.equal(again.receipt.replayed, true);
  assert.deepEqual(again.receipt.entryHash, first.receipt.entryHash);

  // A refusal, in both languages.
  for (const [language, locale, words] of [["en-GB", "en", "does not cover"], ["zh-CN", "zh-CN", "余额不足"]]) {
    const [{ error }] = (await post({ commands: [payment("js-2", "9007199254740991")] }, language)).results;
    const { ErrorInfo, PreconditionFailure, LocalizedMessage } = details(error);
    assert.equal(error.code, grpc.status.FAILED_PRECONDITION);
    assert.equal(ErrorInfo.reason, "INSUFFICIENT_BALANCE");
    assert.equal(ErrorInfo.metadata.asked_minor, "9007199254740991");
    assert.equal(PreconditionFailure.violations[0].type, "INSUFFICIENT_BALANCE");
    assert.equal(LocalizedMessage.locale, locale);
    assert.ok(LocalizedMessage.message.includes(words), LocalizedMessage.message);
  }

  // Integers above 2^53 go there and come back whole.
  const beyond = await failure(getEvent({ sequence: "9007199254740993" }));
  assert.equal(beyond.code, grpc.status.OUT_OF_RANGE);
  assert.equal(beyond.ErrorInfo.reason, "SEQUENCE_BEYOND_HEAD");
  assert.equal(beyond.ErrorInfo.metadata.sequence, "9007199254740993");
  const [tooMuch] = (await post({ commands: [payment("js-3", "9007199254740993")] })).results;
  assert.equal(details(tooMuch.error).ErrorInfo.reason, "AMOUNT_INVALID");

  // Every field that is wrong, at once.
  const wrong = { ...payment("js-4", "0"), actor: "", businessDate: { year: 2026, month: 2, day: 30 } };
  const [malformed] = (await post({ commands: [wrong] })).results;
  const fields = details(malformed.error).BadRequest.fieldViolations.map(({ field }) => field);
  for (const field of ["actor", "business_date", "execute_payment.amount_minor"]) {
    assert.ok(fields.some((found) => found.startsWith(`commands[0].${field}`)), `${field} in ${fields}`);
  }

  // What became of a key.
  assert.equal((await getReceipt({ requestId: "js-1" })).result.receipt.sequence, first.receipt.sequence);
  const unknown = await failure(getReceipt({ requestId: "never" }));
  assert.equal(unknown.code, grpc.status.NOT_FOUND);
  assert.equal(unknown.ErrorInfo.reason, "REQUEST_NOT_FOUND");

  // Reading one's own write, and the bytes that were hashed.
  const { sequence: minSequence } = first.receipt;
  const { balance } = await getBalance({ accountId: "U.used", minSequence });
  assert.equal(balance.amountMinor, "12345");
  const { record } = await getEvent({ sequence: minSequence });
  const hash = crypto.createHash("sha256").update(Buffer.from([0])).update(record.entry).digest();
  assert.deepEqual(hash, Buffer.from(first.receipt.entryHash));

  // A stream: the children of the lot add up to what was issued.
  const nodes = [];
  for await (const part of query.trace({ lotId: "LOT-1", minSequence })) nodes.push(...(part.nodes?.nodes ?? []));
  const children = nodes.filter(({ parentNumber }) => parentNumber === nodes[0].nodeNumber);
  assert.equal(children.reduce((sum, node) => sum + BigInt(node.amountMinor), 0n), BigInt(nodes[0].amountMinor));
  console.log(`${nodes.length} nodes`);
}

main().finally(() => [ledger, query].forEach((client) => client.close()));
