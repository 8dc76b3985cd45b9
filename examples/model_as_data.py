"""A model of one's own as data: layers that call formulas of the library, and one with costs of its own."""

import symflops

model = symflops.load(
    {
        "name": "two-layer",
        "symbols": {"width": 512, "inner": 2048, "depth": 12},
        "layers": {
            "blocks": {
                "repeat": "depth",
                "sub_layers": {
                    "up": {
                        "formula": "linear",
                        "args": {"N": "batch_size*seq_len", "in_features": "width", "out_features": "inner"},
                    },
                    "down": {
                        "formula": "linear",
                        "args": {"N": "batch_size*seq_len", "in_features": "inner", "out_features": "width"},
                    },
                },
            },
        },
    }
)
print(model.total(symbolic=True).text("flops"))
print(model.total().at(batch_size=2, seq_len=100).flops)

# Prints:
# 4*batch_size*seq_len*depth*inner*width
# 10066329600
