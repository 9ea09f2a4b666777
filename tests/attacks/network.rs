//! What somebody could try who holds no disk and no key of the ledger's, and what stops them. Each row names the test that tries
//! it, and this one sees to it that there is such a test.

use std::fs;

/// What is tried, what stops it, and where it is tried: file and function.
pub(crate) const ROWS: &[[&str; 4]] = &[
    [
        "A certificate of another authority, with the right name in it",
        "The handshake: only what `tls.client_ca` signed. Counted and logged with its address.",
        "tests/identity/strangers.rs",
        "who_shows_no_certificate_that_is_accepted_is_told_nothing",
    ],
    [
        "One that has expired",
        "The handshake; an open connection is closed within ten seconds.",
        "tests/identity/strangers.rs",
        "who_shows_no_certificate_that_is_accepted_is_told_nothing",
    ],
    [
        "One of the right authority for another trust domain, or for nobody",
        "`IDENTITY_INVALID`, before anything of a request is looked at.",
        "tests/identity/strangers.rs",
        "who_shows_no_certificate_that_is_accepted_is_told_nothing",
    ],
    [
        "One with two names, of which one is somebody's",
        "`IDENTITY_INVALID`: exactly one name is one identity.",
        "tests/identity/actors.rs",
        "a_certificate_names_exactly_one_person",
    ],
    [
        "A stolen certificate with its key",
        "**Nothing, until it is revoked**: whoever has both is that person, with their roles and no more; money in funds with signed approvals needs the checkers' keys as well. Once the list names it, open connections are closed and no other is let in.",
        "tests/identity/serving.rs",
        "certificates_change_while_it_runs",
    ],
    [
        "A revoked one, while new revocation lists are kept away from the ledger",
        "A list past its next update lets nobody of its authority in (`tls.stale_revocation_list`).",
        "tests/identity/revocation.rs",
        "a_list_past_its_next_update_lets_nobody_in_until_there_is_a_new_one",
    ],
    [
        "A revoked one, where another authority has given out the same serial number",
        "Lists count for their own authority; where one has no list, its clients are refused.",
        "tests/identity/revocation.rs",
        "several_authorities_have_each_their_own_list",
    ],
    [
        "Another person's name as the maker, another's key of a command",
        "`ACTOR_MISMATCH`; a used key stays used, and its answer is told to its maker alone.",
        "tests/identity/actors.rs",
        "who_acts_is_the_person_of_the_certificate",
    ],
    [
        "Another agency in the request, or in headers that a proxy would be believed",
        "The agency is that of the certificate; nothing a request says is an identity.",
        "tests/identity/strangers.rs",
        "the_agency_is_that_of_the_certificate_whatever_a_request_says",
    ],
    [
        "A method or a command that no role allows",
        "`ACCESS_DENIED`, by one table for all methods and actions.",
        "tests/identity/matrix.rs",
        "every_role_may_do_what_the_table_says_and_nothing_else",
    ],
    [
        "Going on to read what was opened while there was a role for it",
        "`ACCESS_DENIED` at the event that takes the role.",
        "tests/identity/open.rs",
        "a_subscription_ends_at_the_event_that_takes_its_role",
    ],
    [
        "Having a proposal executed whose maker has lost the role for it",
        "`ROLE_MISSING`, for good, at the execution; `verify --deep` finds one that was executed all the same.",
        "tests/approvals/revoked.rs",
        "what_its_maker_may_make_no_more_is_refused_for_good",
    ],
    [
        "Talking the server into TLS 1.2, or into plain text",
        "It speaks TLS 1.3 alone: an alert, and the end.",
        "tests/identity/strangers.rs",
        "nobody_talks_the_server_into_less",
    ],
    [
        "Thousands of calls that are given up at once",
        "GOAWAY; other connections do not feel it.",
        "tests/operations/hostile.rs",
        "thousands_of_calls_that_are_given_up_end_their_connection_and_nobody_elses",
    ],
    [
        "Requests that never come whole, answers that nobody reads, peers that are gone",
        "Deadlines of calls, of pings and of subscribers' patience; what was held is free again.",
        "tests/operations/hostile.rs",
        "a_request_that_never_comes_whole_ends",
    ],
];

/// The table, with a test for each row.
pub(crate) fn document() -> String {
    let mut text = String::from(
        "\n## Over the network\n\nSomebody else, who can reach the ledger over mutual TLS and holds neither its disk nor its keys. Each row is tried by the test that it names.\n\n| attack | what stops it | test |\n|---|---|---|\n",
    );
    for [attack, stopped_by, file, function] in ROWS {
        let test = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(test.contains(&format!("fn {function}()")), "{file} has no {function}");
        let name = file.trim_start_matches("tests/").trim_end_matches(".rs").replace('/', "::");
        text.push_str(&format!("| **{attack}** | {stopped_by} | `{name}::{function}` |\n"));
    }
    text
}
