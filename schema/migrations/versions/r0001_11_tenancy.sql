-- Who may see what. The API serves each request in a transaction that begins with
--     SET LOCAL ROLE clickledger_tenant;
--     SELECT set_config('clickledger.role', 'vendor', true), set_config('clickledger.vendor_id', '7', true);
-- and from there on PostgreSQL itself hides every row of others. The engine's own processes own the tables and see all.
-- Nothing is ever deleted through the API, so the role has no right to delete anything at all.

DO $$
DECLARE
    -- Since PostgreSQL 16 being a member and being allowed to SET ROLE are two things.
    needed text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    -- A role belongs to the server, not to one database: it may be there already, or appear while we look.
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'clickledger_tenant') THEN
            CREATE ROLE clickledger_tenant NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
    IF NOT pg_has_role(current_user, 'clickledger_tenant', needed) THEN
        EXECUTE format('GRANT clickledger_tenant TO %I', current_user);
    END IF;
END
$$;

-- An unset setting is NULL at first and '' once a transaction that set it has ended; neither is anybody.
CREATE FUNCTION tenant_role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('clickledger.role', true), '')
$$;
CREATE FUNCTION tenant_vendor_id() RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE tenant_role() WHEN 'vendor' THEN nullif(current_setting('clickledger.vendor_id', true), '')::integer END
$$;
CREATE FUNCTION tenant_partner_id() RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE tenant_role() WHEN 'partner' THEN nullif(current_setting('clickledger.partner_id', true), '')::integer END
$$;
COMMENT ON FUNCTION tenant_role() IS 'admin, vendor, partner, or NULL: the role of the key behind this transaction.';
COMMENT ON FUNCTION tenant_vendor_id() IS 'The vendor behind this transaction, NULL for others.';
COMMENT ON FUNCTION tenant_partner_id() IS 'The partner behind this transaction, NULL for others.';

-- The sets the policies speak of. They see past the policies (SECURITY DEFINER), otherwise campaigns would ask
-- enrolments and enrolments campaigns for ever; and as sets they are computed once a query, not once a row.
CREATE FUNCTION tenant_campaign_ids() RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT campaign_id FROM campaigns WHERE vendor_id = tenant_vendor_id()
    UNION
    SELECT v.campaign_id FROM campaign_versions v JOIN campaign_partners e USING (campaign_version_id)
    WHERE e.partner_id = tenant_partner_id()
$$;
CREATE FUNCTION tenant_version_ids() RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT v.campaign_version_id FROM campaign_versions v JOIN campaigns c USING (campaign_id)
    WHERE c.vendor_id = tenant_vendor_id()
    UNION
    SELECT campaign_version_id FROM campaign_partners WHERE partner_id = tenant_partner_id()
$$;
CREATE FUNCTION tenant_enrolment_ids() RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.campaign_partner_id FROM campaign_partners e
    JOIN campaign_versions v USING (campaign_version_id) JOIN campaigns c USING (campaign_id)
    WHERE c.vendor_id = tenant_vendor_id()
    UNION
    SELECT campaign_partner_id FROM campaign_partners WHERE partner_id = tenant_partner_id()
$$;
CREATE FUNCTION tenant_partner_ids() RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.partner_id FROM campaign_partners e
    JOIN campaign_versions v USING (campaign_version_id) JOIN campaigns c USING (campaign_id)
    WHERE c.vendor_id = tenant_vendor_id()
    UNION
    SELECT tenant_partner_id()
$$;
COMMENT ON FUNCTION tenant_campaign_ids() IS 'A vendor''s campaigns; those a partner is or was enrolled in.';
COMMENT ON FUNCTION tenant_version_ids() IS 'The versions of a vendor''s campaigns; those a partner is or was enrolled on.';
COMMENT ON FUNCTION tenant_enrolment_ids() IS 'The enrolments in a vendor''s campaigns; a partner''s own.';
COMMENT ON FUNCTION tenant_partner_ids() IS 'The partners enrolled with a vendor; a partner itself.';

-- An admin sees and writes every table of the API. Tables not listed here are the engine's own and closed to all.
DO $$
DECLARE
    opened text;
BEGIN
    FOREACH opened IN ARRAY ARRAY[
        'vendors', 'vendor_users', 'partners', 'partner_types', 'partner_partner_types', 'campaigns', 'campaign_versions',
        'campaign_tiers', 'campaign_partners', 'partner_campaign_overrides', 'campaign_milestones', 'rewards',
        'conversion_event_types', 'content_pieces', 'partner_links', 'cookies', 'clicks', 'cookie_consents', 'leads',
        'commission_rules', 'funnel_journeys', 'conversion_events', 'touches', 'event_commission_snapshots',
        'payment_providers', 'partner_payment_methods', 'payouts', 'payout_events', 'integrations',
        'integration_event_mappings', 'audit_logs', 'api_keys', 'writer_watermarks', 'dead_letters']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', opened);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO clickledger_tenant', opened);
        EXECUTE format('CREATE POLICY admin_all ON %I TO clickledger_tenant USING ((SELECT tenant_role()) = ''admin'')', opened);
    END LOOP;
END
$$;
-- Facts come in through the writer and the ledger only; of the rest, what the engine counts or calculates is not for
-- the API to write either.
REVOKE INSERT, UPDATE ON clicks, cookies, touches, cookie_consents, funnel_journeys, audit_logs, writer_watermarks,
    dead_letters, conversion_events, campaign_partners FROM clickledger_tenant;
REVOKE UPDATE ON event_commission_snapshots FROM clickledger_tenant;
GRANT UPDATE (status, approved_at, rejected_at, rejection_reason, is_held, hold_reason, is_deleted, deleted_at)
    ON conversion_events TO clickledger_tenant;
GRANT INSERT (campaign_version_id, partner_id, status, application_note, applied_at, approved_at, approved_by)
    ON campaign_partners TO clickledger_tenant;
GRANT UPDATE (campaign_version_id, status, application_note, approved_at, approved_by, rejected_at, rejection_reason,
              removed_at, is_deleted, deleted_at)
    ON campaign_partners TO clickledger_tenant;
GRANT INSERT ON audit_logs TO clickledger_tenant;
GRANT USAGE ON SEQUENCE audit_logs_audit_log_id_seq TO clickledger_tenant;
GRANT USAGE ON SCHEMA public TO clickledger_tenant;

-- Catalogues and progress are everybody's to read; whatever happens is noted, by whoever makes it happen.
CREATE POLICY everybody_reads ON partner_types FOR SELECT TO clickledger_tenant USING (true);
CREATE POLICY everybody_reads ON conversion_event_types FOR SELECT TO clickledger_tenant USING (true);
CREATE POLICY everybody_reads ON rewards FOR SELECT TO clickledger_tenant USING (true);
CREATE POLICY everybody_reads ON writer_watermarks FOR SELECT TO clickledger_tenant USING (true);
CREATE POLICY everybody_notes ON audit_logs FOR INSERT TO clickledger_tenant WITH CHECK (tenant_role() IS NOT NULL);

-- Vendors: themselves, their campaigns and everything that hangs on these.
CREATE POLICY vendor_own ON vendors FOR SELECT TO clickledger_tenant USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY vendor_own ON vendor_users TO clickledger_tenant USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY vendor_own ON campaigns TO clickledger_tenant USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY vendor_own ON leads TO clickledger_tenant USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY vendor_own ON integrations TO clickledger_tenant USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY vendor_own ON conversion_events TO clickledger_tenant USING (vendor_id = (SELECT tenant_vendor_id()));
CREATE POLICY vendor_own ON campaign_versions TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND campaign_id IN (SELECT tenant_campaign_ids()));
CREATE POLICY vendor_sees_enrolled ON partners FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND partner_id IN (SELECT tenant_partner_ids()));
CREATE POLICY vendor_own ON campaign_tiers TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND campaign_version_id IN (SELECT tenant_version_ids()));
CREATE POLICY vendor_own ON campaign_partners TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND campaign_version_id IN (SELECT tenant_version_ids()));
CREATE POLICY vendor_own ON partner_campaign_overrides TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND campaign_version_id IN (SELECT tenant_version_ids()));
CREATE POLICY vendor_own ON campaign_milestones TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND campaign_version_id IN (SELECT tenant_version_ids()));
CREATE POLICY vendor_own ON commission_rules TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND campaign_version_id IN (SELECT tenant_version_ids()));
CREATE POLICY vendor_own ON integration_event_mappings TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND integration_id IN (SELECT integration_id FROM integrations)
           AND (campaign_version_id IS NULL OR campaign_version_id IN (SELECT tenant_version_ids())));
CREATE POLICY vendor_own ON partner_links TO clickledger_tenant
    USING (vendor_id = (SELECT tenant_vendor_id())
           OR ((SELECT tenant_role()) = 'vendor' AND campaign_partner_id IN (SELECT tenant_enrolment_ids())));
CREATE POLICY vendor_own ON clicks FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor'
           AND (campaign_version_id IN (SELECT tenant_version_ids())
                OR (campaign_version_id IS NULL
                    AND EXISTS (SELECT FROM partner_links l
                                WHERE l.partner_link_id = clicks.partner_link_id AND l.vendor_id = (SELECT tenant_vendor_id())))));
CREATE POLICY vendor_own ON touches FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND campaign_version_id IN (SELECT tenant_version_ids()));
CREATE POLICY vendor_own ON event_commission_snapshots FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND campaign_version_id IN (SELECT tenant_version_ids()));
CREATE POLICY vendor_own ON funnel_journeys FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'vendor' AND campaign_version_id IN (SELECT tenant_version_ids()));

-- Partners: themselves, their enrolments and links, the terms they promote, and what they earned.
CREATE POLICY partner_own ON partners FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON partner_partner_types FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON content_pieces TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON campaign_partners FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON partner_campaign_overrides FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON partner_payment_methods FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON payouts FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON payout_events FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON clicks FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON touches FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
CREATE POLICY partner_own ON event_commission_snapshots FOR SELECT TO clickledger_tenant USING (partner_id = (SELECT tenant_partner_id()));
-- A sale is theirs to see when the model that pays credits them, be it as one of several.
CREATE POLICY partner_own ON conversion_events FOR SELECT TO clickledger_tenant
    USING (partner_id = (SELECT tenant_partner_id())
           OR ((SELECT tenant_role()) = 'partner'
               AND EXISTS (SELECT FROM touches t
                           WHERE t.conversion_event_id = conversion_events.conversion_event_id
                             AND t.converted_at = conversion_events.occurred_at
                             AND t.attribution_type = conversion_events.attribution_type
                             AND t.partner_id = (SELECT tenant_partner_id()) AND NOT t.is_deleted)));
CREATE POLICY partner_promotes ON campaigns FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'partner' AND campaign_id IN (SELECT tenant_campaign_ids()));
CREATE POLICY partner_promotes ON campaign_versions FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'partner' AND campaign_version_id IN (SELECT tenant_version_ids()));
CREATE POLICY partner_promotes ON campaign_tiers FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'partner' AND campaign_version_id IN (SELECT tenant_version_ids()));
CREATE POLICY partner_promotes ON campaign_milestones FOR SELECT TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'partner' AND campaign_version_id IN (SELECT tenant_version_ids()));
-- No link of a partner is plain: an enrolment decides what it earns and whether it may exist.
CREATE POLICY partner_own ON partner_links TO clickledger_tenant
    USING ((SELECT tenant_role()) = 'partner' AND campaign_partner_id IN (SELECT tenant_enrolment_ids()));

COMMENT ON TABLE alembic_version IS 'Where the migrations are.';
COMMENT ON COLUMN alembic_version.version_num IS 'The newest revision applied.';

-- What means the same in every table.
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
