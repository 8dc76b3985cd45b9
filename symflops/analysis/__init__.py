"""What only algebra can answer: solve, regimes, generation, compare and roofline, and what they share."""
