"""Costs in the forms that other programs and papers take."""
