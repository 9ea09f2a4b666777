"""Receipt codes (docs/format.md, Receipt codes), computed by another road than the program's."""

import hashlib
import sys

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MODULUS = 1021


def receipt_code(origin, sequence, entry_hash):
    """The code of an entry: one number of 150 bits, in six groups of five symbols."""
    if not 0 <= sequence < 1 << 35:
        raise ValueError(f"sequence {sequence}")
    digest = hashlib.sha256(b"fundledger/receipt/v1\0" + origin.encode()).digest()
    number = 1  # the version
    number = number << 20 | int.from_bytes(digest, "big") >> 236
    number = number << 35 | sequence
    number = number << 80 | int.from_bytes(entry_hash[:10], "big")
    number = number << 10
    number += (1 - number) % MODULUS
    symbols = "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(30)))
    return "-".join(symbols[at : at + 5] for at in range(0, 30, 5))


if __name__ == "__main__":
    print(receipt_code(sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])))
