-- Who may see the new tables, in the style of revision 0001, and the words that mean the same in every table. Last file
-- of the revision: columns of vendors added before are opened here, but for its secrets.

DO $$
DECLARE
    opened text;
BEGIN
    FOREACH opened IN ARRAY ARRAY[
        'conversion_reports', 'refund_reports', 'partner_coupons', 'conversion_credits', 'customer_links']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', opened);
        EXECUTE format('GRANT SELECT ON %I TO clickledger_tenant', opened);
        EXECUTE format('CREATE POLICY admin_all ON %I TO clickledger_tenant USING ((SELECT tenant_role()) = ''admin'')', opened);
    END LOOP;
END
$$;
-- The others are facts of the writer and the ledger.
GRANT INSERT, UPDATE ON partner_coupons TO clickledger_tenant;

CREATE POLICY vendor_own ON conversion_reports FOR SELECT TO clickledger_tenant
    USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY vendor_own ON refund_reports FOR SELECT TO clickledger_tenant
    USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY vendor_own ON partner_coupons TO clickledger_tenant
    USING (vendor_id = (SELECT tenant_vendor_id()))
    WITH CHECK (vendor_id = (SELECT tenant_vendor_id()) AND campaign_version_id IN (SELECT tenant_version_ids())
                AND partner_id IN (SELECT tenant_partner_ids()));
CREATE POLICY vendor_own ON customer_links FOR SELECT TO clickledger_tenant
    USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY vendor_own ON conversion_credits FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor'
           AND EXISTS (SELECT FROM conversion_events c
                       WHERE c.conversion_event_id = conversion_credits.conversion_event_id
                         AND c.vendor_id = (SELECT tenant_vendor_id())));
CREATE POLICY partner_own ON partner_coupons FOR SELECT TO clickledger_tenant
    USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON conversion_credits FOR SELECT TO clickledger_tenant
    USING (partner_id = (SELECT tenant_partner_id()));

-- A right to a table includes its later columns: the secrets of a vendor need the rights column by column.
DO $$
DECLARE
    open_columns text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO open_columns
    FROM pg_attribute
    WHERE attrelid = 'vendors'::regclass AND attnum > 0 AND NOT attisdropped
      AND attname NOT IN ('customer_key', 'postback_secrets');
    REVOKE SELECT, INSERT, UPDATE ON vendors FROM clickledger_tenant;
    EXECUTE format('GRANT SELECT (%1$s), INSERT (%1$s), UPDATE (%1$s) ON vendors TO clickledger_tenant', open_columns);
END
$$;

DO $$
DECLARE
    bare record;
BEGIN
    FOR bare IN
        SELECT c.relname, a.attname, CASE a.attname
                   WHEN 'is_deleted' THEN 'Soft-deleted: does not price, pay, redirect or count; kept for audit.'
                   WHEN 'deleted_at' THEN 'When it was soft-deleted.'
                   WHEN 'created_at' THEN 'When the row was written.'
                   WHEN 'updated_at' THEN 'When the row last changed.' END AS meaning
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND a.attname IN ('is_deleted', 'deleted_at', 'created_at', 'updated_at')
          AND col_description(c.oid, a.attnum) IS NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', bare.relname, bare.attname, bare.meaning);
    END LOOP;
END
$$;
