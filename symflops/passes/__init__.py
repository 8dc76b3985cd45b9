"""Passes: from a model to another model, on which every surface works unchanged."""
