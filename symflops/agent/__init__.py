"""Claude writes formulas and models; verification is the gate. The only place that imports anthropic."""
