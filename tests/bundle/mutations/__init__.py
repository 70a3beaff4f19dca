"""Change a bundle in one place at a time, and say for what reason a verifier must refuse it.

The attacker here has the file and not the key: whatever can be made to fit again (sizes, CRC-32, directory)
is made to fit, unless that is what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.bundle.making import Draft
from tests.bundle.mutations.container import of_headers, of_the_container
from tests.bundle.mutations.contents import of_contents, of_names, of_the_list_of_entries
from tests.bundle.mutations.envelope import of_the_envelope
from tests.bundle.mutations.one import Mutation
from tests.bundle.mutations.proof import of_proofs


def all_mutations(draft: Draft) -> Iterator[Mutation]:
    for kind in (
        of_contents,
        of_the_list_of_entries,
        of_names,
        of_the_container,
        of_headers,
        of_the_envelope,
        of_proofs,
    ):
        yield from kind(draft)
