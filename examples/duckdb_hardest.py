"""Finds the functions that a model learns least: SQL over predictions and scores together, with DuckDB.

    score predictions.parquet -o scores.csv
    python3 examples/duckdb_hardest.py predictions.parquet scores.csv
"""

import sys

import duckdb

predictions, scores = sys.argv[1:3]

hardest = duckdb.sql(
    """
    with largest as (select model, max(shots) as shots from read_csv($scores) group by model),
    tasks as (
        select model, shots, function, avg(correct::int) as accuracy
        from read_parquet($predictions) join largest using (model, shots)
        group by all
    )
    select model, shots, function, round(accuracy, 3) as accuracy,
           round(accuracy - avg(accuracy) over (partition by model), 3) as against_mean
    from tasks
    qualify row_number() over (partition by model order by accuracy, function) <= 5
    order by model, accuracy, function
    """,
    params={"predictions": predictions, "scores": scores},
)
print(hardest)
