"""A second implementation of the execution table and of the digest that published tables carry (docs/disclosure.md).

    execution.py EVENTS.jsonl PUBLISHED.json

EVENTS.jsonl is what `fundledger events --format json` prints. Exit code 0: the published rows are those of the events, and
the digest is that of the rows. Standard library only, and no line of the program's own code.
"""

import datetime
import hashlib
import json
import sys

UNIT_KINDS = {"AUTHORITY_UNIT", "AUTHORITY_PLAN", "AUTHORITY_COMMITTED", "AUTHORITY_CARRY"}
CASH_KINDS = {"TREASURY", "FISCAL_SPECIAL", "INCOME", "PAYOUT", "HOUSING_DEPOSIT", "HOUSING_SURPLUS_DEPOSIT"}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def decimal(minor, exponent):
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    sign = "-" if minor < 0 else ""
    return sign + (digits if exponent == 0 else f"{digits[:-exponent]}.{digits[-exponent:]}")


def percent(part, whole):
    ppm = (2_000_000 * part + whole) // (2 * whole) if whole > 0 else 0
    hundredths = (abs(ppm) + 50) // 100
    return decimal(-hundredths if ppm < 0 else hundredths, 2) + "%"


def execution(events, month, last_sequence):
    year, number = (int(part) for part in month.split("-"))
    epoch = datetime.date(1970, 1, 1)
    first = (datetime.date(year, number, 1) - epoch).days
    after = (datetime.date(year + number // 12, number % 12 + 1, 1) - epoch).days
    first_of_year = (datetime.date(year, 1, 1) - epoch).days
    funds, accounts, sums = {}, {}, {}
    for record in events:
        sequence, event = record["sequence"], record["event"]
        if sequence > last_sequence:
            break
        if "fund_defined" in event:
            funds[event["fund_defined"]["fund"]] = event["fund_defined"]
        if "account_opened" in event:
            opened = event["account_opened"]
            accounts[opened["account"]] = (opened["fund"], opened["kind"].removeprefix("ACCOUNT_KIND_"))
        day = event.get("business_day", 0)
        if day >= after or not event.get("legs"):
            continue
        is_opening = "opening_balance" in event
        cash = {}
        for leg in event["legs"]:
            fund, kind = accounts[leg["account"]]
            of = sums.setdefault(fund, dict.fromkeys(
                "issued unallocated units frozen month year used recalled before in out".split(), 0) | {"at": []})
            if sequence not in of["at"]:
                of["at"].append(sequence)
            debit = int(leg["amount_minor"])
            if kind == "AUTHORITY_SOURCE":
                of["issued"] += debit
            elif kind == "AUTHORITY_UNALLOCATED":
                of["unallocated"] -= debit
            elif kind in UNIT_KINDS:
                of["units"] -= debit
            elif kind == "AUTHORITY_FROZEN":
                of["frozen"] -= debit
            elif kind == "AUTHORITY_RECALLED":
                of["recalled"] -= debit
            elif kind == "AUTHORITY_USED":
                of["used"] -= debit
                of["month"] -= debit if day >= first and not is_opening else 0
                of["year"] -= debit if day >= first_of_year and not is_opening else 0
            elif kind in CASH_KINDS:
                cash[fund] = cash.get(fund, 0) + debit
        for fund, net in cash.items():
            if is_opening or day < first:
                sums[fund]["before"] += net
            else:
                sums[fund]["in" if net >= 0 else "out"] += abs(net)
    rows, totals = [], {}
    order = sorted((fund for fund in sums if fund in funds),
                   key=lambda fund: (funds[fund].get("profile", {}).get("region_code", "").encode(),
                                     funds[fund]["fund_id"].encode()))
    for number in order:
        fund, of = funds[number], sums[number]
        currency = (fund["currency_code"], fund.get("currency_exponent", 0))
        rows.append(row("FUND", fund, currency, of))
        total = totals.setdefault(currency, [])
        total.append(of)
    for currency, several in sorted(totals.items()):
        if len(several) > 1:
            total = {key: sum((one[key] for one in several), [] if key == "at" else 0) for key in several[0]}
            rows.append(row("TOTAL", None, currency, total))
    return rows


def row(line, fund, currency, of):
    code, exponent = currency
    money = lambda *names: [decimal(of[name], exponent) for name in names]
    profile = (fund or {}).get("profile", {})
    named = [profile.get("region_code", ""), fund["fund_id"], fund.get("name", ""),
             fund["family"].removeprefix("FUND_FAMILY_")] if fund else ["", "", "", ""]
    at_end = of["before"] + of["in"] - of["out"]
    return [line, *named, code, *money("issued", "unallocated", "units", "frozen", "month", "year", "used", "recalled"),
            percent(of["used"], of["issued"]), *money("before", "in", "out"), decimal(at_end, exponent),
            str(len(of["at"])), str(min(of["at"])), str(max(of["at"]))]


def digest(table, parameters, columns, rows, says):
    lines = [f"[{compact(table)},{compact(parameters)},{compact(columns)}]", *map(compact, rows),
             compact([says[name] for name in
                      ("origin", "sequence", "root", "rows", "rows_left_out", "amount_left_out_minor")])]
    return hashlib.sha256(b"fundledger table v1\n" + "".join(line + "\n" for line in lines).encode()).hexdigest()


def main(events_path, published_path):
    with open(events_path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    with open(published_path, encoding="utf-8") as file:
        published = json.load(file)
    says = published["provenance"]
    columns = [column["id"] for column in published["columns"]]
    parameters = [[name.removeprefix("parameter."), value] for name, value in says.items() if name.startswith("parameter.")]
    if says["table"] == "execution":
        rows = execution(events, says["parameter.month"], int(says["sequence"]))
        for number, (mine, theirs) in enumerate(zip(rows, published["rows"], strict=True), 1):
            if mine != theirs:
                sys.exit(f"row {number}: the events say {mine}, the file says {theirs}")
    mine = digest(says["table"], parameters, columns, published["rows"], says)
    if mine != says["digest"]:
        sys.exit(f"the digest of the rows is {mine}, the file says {says['digest']}")
    print(f"{len(published['rows'])} rows, digest {mine}")


if __name__ == "__main__":
    main(*sys.argv[1:])
