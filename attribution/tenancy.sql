-- name: become_tenant
-- Compiling a plan would take longer than any query here runs.
SELECT set_config('jit', 'off', true), set_config('clickledger.role', $1, true),
       set_config('clickledger.vendor_id', $2, true),
       set_config('clickledger.partner_id', $3, true),
       set_config('role', 'clickledger_tenant', true);

-- name: begin_export
-- A reader that has gone to sleep must not hold a connection and its snapshot for ever.
SELECT set_config('idle_in_transaction_session_timeout', '60s', true);
