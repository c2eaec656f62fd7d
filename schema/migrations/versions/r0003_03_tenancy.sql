-- Who may see rollups: an admin all, a vendor and a partner the rows that bear their number. What is not folded yet is
-- seen as clicks are.

DO $$
DECLARE
    opened text;
BEGIN
    FOREACH opened IN ARRAY ARRAY['click_deltas', 'rollup_hours', 'rollup_days', 'sale_entries', 'sale_marks', 'sale_hours', 'sale_days']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', opened);
        EXECUTE format('GRANT SELECT ON %I TO clickledger_tenant', opened);
        EXECUTE format('CREATE POLICY admin_all ON %I TO clickledger_tenant USING ((SELECT tenant_role()) = ''admin'')', opened);
    END LOOP;
    FOREACH opened IN ARRAY ARRAY['rollup_hours', 'rollup_days', 'sale_entries', 'sale_hours', 'sale_days']
    LOOP
        EXECUTE format('CREATE POLICY vendor_own ON %I FOR SELECT TO clickledger_tenant USING (vendor_id = (SELECT tenant_vendor_id()))', opened);
        EXECUTE format('CREATE POLICY partner_own ON %I FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()))', opened);
    END LOOP;
END
$$;
GRANT SELECT ON sale_facts TO clickledger_tenant;

CREATE POLICY vendor_own ON click_deltas FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor'
           AND (campaign_version_id IN (SELECT tenant_version_ids())
                OR (campaign_version_id IS NULL
                    AND EXISTS (SELECT FROM partner_links l
                                WHERE l.partner_link_id = click_deltas.partner_link_id
                                  AND l.vendor_id = (SELECT tenant_vendor_id())))));
CREATE POLICY partner_own ON click_deltas FOR SELECT TO clickledger_tenant
    USING (partner_id = (SELECT tenant_partner_id()));
-- Numbers that say nothing without the rows they belong to.
CREATE POLICY everybody_reads ON sale_marks FOR SELECT TO clickledger_tenant USING (true);
