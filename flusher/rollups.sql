-- Folding: what waits is taken into the rollups. Each block is a transaction of its own.

-- name: fold_clicks
SELECT fold_clicks($1::int);

-- name: fold_sales
SELECT fold_sales($1::int);

-- name: bound_rollups
SELECT bound_rollups($1::int, current_date - $2::int);

-- name: close_week
SELECT close_week();

-- name: vacuum_deltas
VACUUM (INDEX_CLEANUP OFF, TRUNCATE OFF) click_deltas, sale_marks;
