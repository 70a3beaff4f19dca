"""Choose the sentences that say most of a document."""
