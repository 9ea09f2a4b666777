-- A hash-chained double-entry table, as one would write it in PostgreSQL: the same promises as the ledger's, as far as they go.
-- A posting is on disk before it is answered (synchronous_commit, fsync), a request id is never posted twice, no account falls
-- below zero, and each entry's hash covers the one before.

CREATE TABLE accounts (
    account_id integer PRIMARY KEY,
    balance_minor bigint NOT NULL CHECK (balance_minor >= 0)
) WITH (fillfactor = 50);

CREATE TABLE entries (
    sequence bigint PRIMARY KEY,
    request_id text NOT NULL UNIQUE,
    debit integer NOT NULL,
    credit integer NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    payee text NOT NULL,
    booked_at timestamptz NOT NULL,
    hash bytea NOT NULL
);

-- One row: whoever posts holds it, so that the chain has one order.
CREATE TABLE head (sequence bigint NOT NULL, hash bytea NOT NULL);
INSERT INTO head VALUES (0, '\x');
INSERT INTO accounts SELECT number, 1000000000000 FROM generate_series(1, 10000) number;

-- Posts transfers, in order, in the transaction of the caller.
CREATE FUNCTION post(transfers integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    at bigint;
    before bytea;
    from_account integer;
    to_account integer;
    amount bigint;
    request text;
    payee_name text;
    now_at timestamptz;
BEGIN
    SELECT sequence, hash INTO at, before FROM head FOR UPDATE;
    FOR i IN 1..transfers LOOP
        from_account := 1 + floor(random() * 10000);
        to_account := 1 + (from_account + floor(random() * 9999)::integer) % 10000;
        amount := 1 + floor(random() * 1000);
        at := at + 1;
        request := 'bench-r' || at;
        payee_name := 'supplier ' || floor(random() * 10000);
        now_at := clock_timestamp();
        UPDATE accounts SET balance_minor = balance_minor - amount WHERE account_id = from_account;
        UPDATE accounts SET balance_minor = balance_minor + amount WHERE account_id = to_account;
        before := sha256(before || convert_to(
            at || '|' || request || '|' || from_account || '|' || to_account || '|' || amount || '|' || payee_name || '|' || now_at, 'UTF8'));
        INSERT INTO entries VALUES (at, request, from_account, to_account, amount, payee_name, now_at, before);
    END LOOP;
    UPDATE head SET sequence = at, hash = before;
    RETURN at;
END $$;
