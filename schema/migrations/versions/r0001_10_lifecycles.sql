-- What may follow what. These rules hold whoever writes: the API, an importer, or somebody at a prompt. Functions that
-- look at other rows than the one written do so as the owner, or row-level security would hide some from them.

CREATE FUNCTION refuse_terms_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the terms of campaign version % never change', OLD.campaign_version_id
        USING ERRCODE = 'restrict_violation', HINT = 'Publish a new version.';
END
$$;
COMMENT ON FUNCTION refuse_terms_change() IS 'Trigger: clicks and conversions name the version whose terms they had.';
CREATE TRIGGER campaign_versions_terms_kept BEFORE UPDATE ON campaign_versions FOR EACH ROW
    WHEN ((OLD.campaign_id, OLD.version_number, OLD.destination_url, OLD.default_commission_type,
           OLD.default_commission_value, OLD.cookie_duration_days, OLD.attribution_model, OLD.half_life_days,
           OLD.pricing, OLD.rule_mode, OLD.is_rules_on_overrides, OLD.hold_days, OLD.flat_refund, OLD.is_coupon_wins)
          IS DISTINCT FROM
          (NEW.campaign_id, NEW.version_number, NEW.destination_url, NEW.default_commission_type,
           NEW.default_commission_value, NEW.cookie_duration_days, NEW.attribution_model, NEW.half_life_days,
           NEW.pricing, NEW.rule_mode, NEW.is_rules_on_overrides, NEW.hold_days, NEW.flat_refund, NEW.is_coupon_wins))
    EXECUTE FUNCTION refuse_terms_change();

CREATE FUNCTION limit_enrolments() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    partners_max integer;
BEGIN
    SELECT max_partners INTO partners_max FROM campaign_versions WHERE campaign_version_id = NEW.campaign_version_id;
    IF partners_max IS NULL THEN
        RETURN NEW;
    END IF;
    -- Two approvals at once queue here, so that the second counts the first.
    PERFORM FROM campaign_versions WHERE campaign_version_id = NEW.campaign_version_id FOR NO KEY UPDATE;
    IF (SELECT count(*) FROM campaign_partners
        WHERE campaign_version_id = NEW.campaign_version_id AND status = 'approved' AND NOT is_deleted
          AND campaign_partner_id <> NEW.campaign_partner_id) >= partners_max THEN
        RAISE EXCEPTION 'campaign version % has its % partners', NEW.campaign_version_id, partners_max
            USING ERRCODE = 'check_violation', CONSTRAINT = 'campaign_partners_max_partners';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION limit_enrolments() IS 'Trigger: max_partners counts approved enrolments, under any concurrency.';
CREATE TRIGGER campaign_partners_limited_new BEFORE INSERT ON campaign_partners FOR EACH ROW
    WHEN (NEW.status = 'approved' AND NOT NEW.is_deleted)
    EXECUTE FUNCTION limit_enrolments();
CREATE TRIGGER campaign_partners_limited BEFORE UPDATE ON campaign_partners FOR EACH ROW
    WHEN (NEW.status = 'approved' AND NOT NEW.is_deleted
          AND (OLD.status, OLD.is_deleted, OLD.campaign_version_id)
              IS DISTINCT FROM (NEW.status, NEW.is_deleted, NEW.campaign_version_id))
    EXECUTE FUNCTION limit_enrolments();

CREATE FUNCTION guard_conversion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status IN ('approved', 'paid') THEN
            RAISE EXCEPTION 'conversion % is % and is never removed', OLD.conversion_event_id, OLD.status
                USING ERRCODE = 'restrict_violation', HINT = 'Record an adjustment.';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'approved'), ('pending', 'rejected'), ('approved', 'rejected'), ('approved', 'paid')) THEN
        RAISE EXCEPTION 'conversion % is % and cannot become %', OLD.conversion_event_id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'conversion_events_lifecycle';
    END IF;
    IF NEW.is_deleted AND NEW.status IN ('approved', 'paid') THEN
        RAISE EXCEPTION 'conversion % is % and cannot be deleted', OLD.conversion_event_id, NEW.status
            USING ERRCODE = 'restrict_violation', HINT = 'Record an adjustment.';
    END IF;
    IF OLD.status = 'paid' AND (OLD.event_value, OLD.currency, OLD.commission_amount, OLD.partner_id, OLD.attribution_type)
       IS DISTINCT FROM (NEW.event_value, NEW.currency, NEW.commission_amount, NEW.partner_id, NEW.attribution_type) THEN
        RAISE EXCEPTION 'conversion % is paid and never changes', OLD.conversion_event_id
            USING ERRCODE = 'restrict_violation', HINT = 'Record an adjustment.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION guard_conversion() IS 'Trigger: the lifecycle of a conversion; what is approved stays, what is paid is never touched.';
CREATE TRIGGER conversion_events_guarded BEFORE UPDATE OR DELETE ON conversion_events
    FOR EACH ROW EXECUTE FUNCTION guard_conversion();

CREATE FUNCTION guard_payout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'completed' AND (TG_OP = 'DELETE' OR to_jsonb(OLD) - 'provider_response' <> to_jsonb(NEW) - 'provider_response') THEN
        RAISE EXCEPTION 'payout % is completed and never changes', OLD.payout_id USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'processing'), ('pending', 'failed'), ('processing', 'completed'), ('processing', 'failed'),
        ('failed', 'pending'), ('failed', 'processing')) THEN
        RAISE EXCEPTION 'payout % is % and cannot become %', OLD.payout_id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payouts_lifecycle';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION guard_payout() IS 'Trigger: the lifecycle of a payout; what is completed is never touched.';
CREATE TRIGGER payouts_guarded BEFORE UPDATE OR DELETE ON payouts FOR EACH ROW EXECUTE FUNCTION guard_payout();

CREATE FUNCTION release_credits() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE payout_events SET is_deleted = true, deleted_at = now() WHERE payout_id = NEW.payout_id AND NOT is_deleted;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION release_credits() IS 'Trigger: the credits of a payout that failed or was deleted may join another; a retry takes them back if they are still free.';
CREATE TRIGGER payouts_release AFTER UPDATE ON payouts FOR EACH ROW
    WHEN ((NEW.status = 'failed' AND OLD.status <> 'failed') OR (NEW.is_deleted AND NOT OLD.is_deleted))
    EXECUTE FUNCTION release_credits();

CREATE FUNCTION guard_payout_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (SELECT status FROM payouts WHERE payout_id = OLD.payout_id) = 'completed' THEN
        RAISE EXCEPTION 'payout % is completed and its credits never change', OLD.payout_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF (OLD.payout_id, OLD.conversion_event_id, OLD.partner_id) IS DISTINCT FROM
       (NEW.payout_id, NEW.conversion_event_id, NEW.partner_id) THEN
        RAISE EXCEPTION 'a credit of payout % cannot become another', OLD.payout_id
            USING ERRCODE = 'restrict_violation', HINT = 'Release it and add another.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION guard_payout_event() IS 'Trigger: what was paid stays as it was paid.';
CREATE TRIGGER payout_events_guarded BEFORE UPDATE OR DELETE ON payout_events
    FOR EACH ROW EXECUTE FUNCTION guard_payout_event();

-- The sum is compared once a payout and transaction, not once a credit: a change of credits merely rewrites its
-- payouts, and the deferred trigger on payouts does the adding at commit.
CREATE FUNCTION check_payout_amount() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    payout payouts;
    credits numeric;
BEGIN
    SELECT * INTO payout FROM payouts WHERE payout_id = NEW.payout_id;
    IF NOT FOUND OR payout.is_deleted OR payout.status = 'failed' THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(sum(commission_amount), 0) INTO credits
    FROM payout_events WHERE payout_id = NEW.payout_id AND NOT is_deleted;
    IF credits <> payout.amount THEN
        RAISE EXCEPTION 'payout % is % but its credits are %', NEW.payout_id, payout.amount, credits
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payouts_amount_is_sum';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION check_payout_amount() IS 'Trigger: at commit, a live payout''s amount is the sum of its live payout_events.';
CREATE CONSTRAINT TRIGGER payouts_amount_is_sum AFTER INSERT OR UPDATE ON payouts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_payout_amount();

CREATE FUNCTION recheck_payouts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE payouts SET amount = amount WHERE payout_id IN (SELECT payout_id FROM changed_credits);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION recheck_payouts() IS 'Trigger: has the payouts of changed credits compared at commit.';
CREATE TRIGGER payout_events_added AFTER INSERT ON payout_events
    REFERENCING NEW TABLE AS changed_credits FOR EACH STATEMENT EXECUTE FUNCTION recheck_payouts();
CREATE TRIGGER payout_events_changed AFTER UPDATE ON payout_events
    REFERENCING NEW TABLE AS changed_credits FOR EACH STATEMENT EXECUTE FUNCTION recheck_payouts();
CREATE TRIGGER payout_events_removed AFTER DELETE ON payout_events
    REFERENCING OLD TABLE AS changed_credits FOR EACH STATEMENT EXECUTE FUNCTION recheck_payouts();

-- Every table with updated_at keeps it by itself, except the two the writer updates with every flush, where it is the
-- writer's own business (cookies is partitioned and thus not among relkind 'r').
DO $$
DECLARE
    kept text;
BEGIN
    FOR kept IN
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'updated_at'
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
          AND c.relname <> 'writer_watermarks'
    LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION touch_updated_at()',
                       kept || '_updated_at', kept);
    END LOOP;
END
$$;
