"""A log by another implementation, which asks a witness: `key` prints its public key, `feed URL WITNESS_KEY` grows it and has
each step cosigned; a fork, a smaller tree and a stranger's signature are to be refused."""

import sys

from aics_tlog import Checkpoint, MerkleTree, format_vkey, parse_note, sign_checkpoint, vkey_from_ed25519
from aics_witness.feeder import WitnessClient, WitnessConflict, WitnessRejected, merge_cosignatures
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "foreign.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def tree(leaves):
    grown = MerkleTree()
    for leaf in leaves:
        grown.append(leaf)
    return grown


def note(of, key=KEY):
    return sign_checkpoint(Checkpoint(ORIGIN, len(of), of.root()), key, ORIGIN).serialise()


def refused(client, of, expected, key=KEY, **start):
    try:
        client.submit(note(of, key), of.consistency_proof, **start)
    except WitnessRejected as rejected:
        assert rejected.status in expected, rejected
    except WitnessConflict as conflict:
        assert 409 in expected, conflict
    else:
        raise AssertionError(f"cosigned; expected {expected}")


def feed(url, witness_key):
    leaves = [b"leaf %d" % number for number in range(700)]
    # The client holds each answer against the witness's key, and its time against the clock.
    with WitnessClient(url, witness_key) as client:
        for size in (1, 255, 256, 257, 700):
            grown = tree(leaves[:size])
            whole = merge_cosignatures(note(grown), client.submit(note(grown), grown.consistency_proof))
            assert len(parse_note(whole).signatures) == 2, whole
        # The same once more, from a client that has forgotten everything: it is told the size, and is cosigned again.
        with WitnessClient(url, witness_key) as forgetful:
            forgetful.submit(note(grown), grown.consistency_proof)
        refused(client, tree(leaves[:256]), {409})
        refused(client, tree(leaves[:699] + [b"another"]), {409, 422}, old_size=700)
        refused(client, tree([b"another"] + leaves), {422})
        refused(client, grown, {403}, key=Ed25519PrivateKey.from_private_bytes(bytes(32)))
    print("cosigned and refused as it should be")


if sys.argv[1] == "key":
    print(format_vkey(vkey_from_ed25519(ORIGIN, KEY.public_key())))
else:
    feed(*sys.argv[2:])
