"""The bundle as a format: written and checked with the standard library and `cryptography` alone.

docs/bundle-format.md describes it. To see how a bundle is verified, read in this order:

    verify      what is checked, one after the other
    report      what comes out
    container   the ZIP, to the byte                opened      its files, each read and hashed once
    canonical   JSON that has one spelling          manifest    what the files must be
    envelope    what is signed                      signature   who signed it        keys   whom one trusts
    merkle      trees of hashes                     chunk       the text in pieces that can be proven
    citations   what was cited, word by word        text        both of them, checked
    checkpoint, log_proof, timestamp                proofs      all of them, checked
    trust       the options of commands that say whom one trusts

Of these, `merkle`, `checkpoint` and `timestamp` also make what they check, for those who keep a log.
"""
