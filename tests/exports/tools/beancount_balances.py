"""What every account of a journal holds: account,amount, one a line."""

import collections
import sys

from beancount import loader
from beancount.core import data

entries, errors, _ = loader.load_file(sys.argv[1])
for error in errors:
    print(error, file=sys.stderr)
balances = collections.Counter()
for entry in entries:
    if isinstance(entry, data.Transaction):
        for posting in entry.postings:
            balances[posting.account] += posting.units.number
for account, amount in sorted(balances.items()):
    print(f"{account},{amount}")
sys.exit(bool(errors))
