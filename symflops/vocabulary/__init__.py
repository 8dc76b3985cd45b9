"""The words that mean the same everywhere: run symbols, metrics, and the fields of configs. One table of each, which
every surface reads; this is the lowest floor of the house."""
