"""torch and transformers: a config becomes a Model. The only place that imports them."""
