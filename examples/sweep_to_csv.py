"""FLOPs and bytes over a grid of batches and lengths, exactly, as CSV."""

import csv
import sys

import symflops

sweep = symflops.load("mixtral-8x7b").total().sweep(batch_size=[1, 8], seq_len=[128, 1024, 8192])
names = ("batch_size", "seq_len", "flops", "write_bytes")
writer = csv.writer(sys.stdout, lineterminator="\n")
writer.writerow(names)
writer.writerows(zip(*(sweep[name] for name in names), strict=True))

# Prints:
# batch_size,seq_len,flops,write_bytes
# 1,128,3273226690816,354451456
# 1,1024,26672487008256,2835611648
# 1,8192,244526998896640,22684893184
# 8,128,26185813239808,2835152896
# 8,1024,213379893772288,22681223168
# 8,8192,1956215972823040,181449785344
