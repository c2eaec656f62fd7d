-- name: become_tenant
SELECT set_config('clickledger.role', $1, true),
       set_config('clickledger.vendor_id', $2, true),
       set_config('clickledger.partner_id', $3, true),
       set_config('role', 'clickledger_tenant', true);
