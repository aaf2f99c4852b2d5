"""How wrong are the wrong answers? Computes their Hamming distance to the target by shot count, with polars.

    python3 examples/polars_mistakes.py out/demo/predictions.parquet
"""

import sys

import polars as pl

wrong = pl.scan_parquet(sys.argv[1]).filter(~pl.col("correct") & ~pl.col("malformed"))

bits = pl.int_ranges(0, pl.col("bits"))
answered, wanted = (pl.col(name).str.slice(pl.col("bit"), 1) for name in ("prediction", "target"))
mistakes = (
    wrong.select("model", "shots", "trial_id", "prediction", "target", bit=bits)
    .explode("bit")
    .group_by("model", "shots", "trial_id")
    .agg(distance=(answered != wanted).sum())
    .group_by("model", "shots")
    .agg(answers=pl.len(), distance=pl.col("distance").mean(), one_bit_off=(pl.col("distance") == 1).mean())
    .sort("model", "shots")
)

with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True):
    print(mistakes.collect())
