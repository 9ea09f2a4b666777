// Pays, reads the balance and follows the payment.
//
// Usage: node pay.js ADDRESS ACCOUNT VOUCHER AMOUNT_MINOR, after `npm install @grpc/grpc-js @grpc/proto-loader`.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { promisify } = require("node:util");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const [address, account, voucher, amountMinor] = process.argv.slice(2);
const root = path.join(__dirname, "..", "..", "..");

// Amounts and sequences are int64: as strings they survive beyond 2^53.
const definition = protoLoader.loadSync(
  ["fundledger/v1/ledger.proto", "fundledger/v1/query.proto", "google/rpc/error_details.proto"],
  { includeDirs: [path.join(root, "proto")], longs: String, enums: String, oneofs: true, defaults: true },
);
const api = grpc.loadPackageDefinition(definition).fundledger.v1;

// The channel retries UNAVAILABLE by itself. Here it may: the key makes sending a payment again safe.
const retries = fs.readFileSync(path.join(root, "docs", "clients", "service_config.json"), "utf8");
const options = { "grpc.service_config": retries };
const ledger = new api.LedgerService(address, grpc.credentials.createInsecure(), options);
const query = new api.QueryService(address, grpc.credentials.createInsecure(), options);

const english = new grpc.Metadata();
english.set("accept-language", "en");

// The details of a google.rpc.Status, by their names.
function details(status) {
  return Object.fromEntries(
    status.details.map(({ type_url, value }) => {
      const name = type_url.split("/").pop();
      return [name.split(".").pop(), definition[name].deserialize(value)];
    }),
  );
}

const command = {
  requestId: `voucher-${voucher}`, // the same key and content again never posts twice
  businessDate: { year: 2026, month: 6, day: 15 },
  actor: "maria",
  checkers: ["li"],
  executePayment: {
    paymentId: voucher,
    fromAccountId: account,
    amountMinor,
    payee: "EXAMPLE LTD",
    purpose: "SUPPLIER",
    method: "PAYMENT_METHOD_DIRECT",
  },
};

async function main() {
  const post = promisify(ledger.post.bind(ledger));
  const [result] = (await post({ commands: [command] }, english)).results;
  if (result.outcome === "error") {
    const { ErrorInfo: info, LocalizedMessage: text } = details(result.error);
    // Programs go by the reason and the facts, people by the message.
    switch (info.reason) {
      case "INSUFFICIENT_BALANCE":
      case "LOT_INSUFFICIENT":
        console.log("refused: asked", info.metadata.asked_minor, "available", info.metadata.available_minor);
        break;
      default:
        console.log("refused:", info.reason, info.metadata);
    }
    console.log(text.message);
    process.exitCode = 1;
    return;
  }
  const { sequence, entryHash, replayed } = result.receipt;
  console.log("on disk at", sequence, entryHash.toString("hex"), replayed ? "(before)" : "(now)");

  // Wait until the payment is visible: read your own write.
  const getBalance = promisify(query.getBalance.bind(query));
  const { balance } = await getBalance({ accountId: account, minSequence: sequence });
  console.log("left in", account, balance.amountMinor, balance.currencyCode, `(10^-${balance.currencyExponent})`);

  // Backwards: the lots it was paid from, and their documents.
  for await (const { nodes } of query.trace({ paymentId: voucher, minSequence: sequence })) {
    for (const { kind, label, amountMinor: amount } of nodes?.nodes ?? []) {
      console.log("from", kind, label, amount);
    }
  }
}

main().finally(() => [ledger, query].forEach((client) => client.close()));
