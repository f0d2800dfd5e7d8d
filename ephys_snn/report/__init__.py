"""One page about a recording, and one table across many."""
