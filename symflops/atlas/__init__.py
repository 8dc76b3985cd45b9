"""Closed forms of many architectures, made before and shipped: a config is answered without PyTorch.

An entry of the atlas has the models that were derived of a type of configs, each for other choices, and what the
type's class of configs does with what a config.json states, as data: defaults, aliases, computed fields. A config is
made what that class would make of it, held against what each model assumes, and bound to the one that it fits.
"""
