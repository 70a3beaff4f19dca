"""Cut a document into passages that can be ranked and cited: sentences, table rows, labelled values."""
