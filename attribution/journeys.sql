-- Journeys of cookies: read and written in the transaction that attributes their conversions.

-- name: attributed_conversions
-- The attributed conversions of cookies.
SELECT c.conversion_event_id, c.conversion_id, c.cookie_id, c.occurred_at, c.conversion_event_type_id, t.name AS event,
       t.sort_order, c.commission_type IS NOT NULL AS is_commissionable, c.event_value, c.currency,
       c.commission_amount, c.partner_id, c.campaign_version_id, c.attribution_type, c.customer_id, c.customer_email
FROM unnest($1::uuid[]) AS wanted (cookie_id)
JOIN conversion_events c USING (cookie_id)
JOIN conversion_event_types t USING (conversion_event_type_id)
WHERE c.attribution_state = 'attributed' AND NOT c.is_deleted AND c.adjusts_conversion_event_id IS NULL
  AND c.campaign_milestone_id IS NULL;

-- name: ask_journeys
INSERT INTO journey_requests (cookie_id) SELECT DISTINCT cookie_id FROM unnest($1::uuid[]) AS asked (cookie_id);

-- name: take_journey_requests
DELETE FROM journey_requests
WHERE journey_request_id IN (
    SELECT journey_request_id FROM journey_requests ORDER BY journey_request_id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING cookie_id;

-- name: busy_cookies
-- Cookies with other attributed conversions, or with journeys already.
SELECT wanted.cookie_id FROM unnest($1::uuid[]) AS wanted (cookie_id)
WHERE EXISTS (SELECT FROM conversion_events c
              WHERE c.cookie_id = wanted.cookie_id AND c.attribution_state = 'attributed'
                AND c.adjusts_conversion_event_id IS NULL AND c.conversion_event_id <> ALL($2::bigint[]))
   OR EXISTS (SELECT FROM funnel_journeys j WHERE j.cookie_id = wanted.cookie_id);

-- name: paying_touches
SELECT wanted.conversion_event_id, t.occurred_at, t.click_id, t.partner_id, t.touch_weight, t.touch_value
FROM unnest($1::bigint[], $2::timestamptz[], $3::text[]) AS wanted (conversion_event_id, converted_at, model)
CROSS JOIN LATERAL (
    SELECT * FROM touches
    WHERE conversion_event_id = wanted.conversion_event_id AND converted_at = wanted.converted_at
      AND attribution_type = wanted.model AND NOT is_deleted
    OFFSET 0
) AS t
ORDER BY wanted.conversion_event_id, t.occurred_at, t.click_id;

-- name: journeys_of
SELECT cookie_id, funnel_journey_id FROM funnel_journeys WHERE cookie_id = ANY($1::uuid[]) ORDER BY funnel_journey_id;

-- name: hide_journeys
-- Before they are written anew: no two of one cookie may be open at any moment.
UPDATE funnel_journeys SET is_deleted = true, deleted_at = now() WHERE funnel_journey_id = ANY($1::bigint[]);

-- name: new_journey_ids
SELECT nextval(pg_get_serial_sequence('funnel_journeys', 'funnel_journey_id')) FROM generate_series(1, $1::int);

-- name: save_journeys
INSERT INTO funnel_journeys (
    funnel_journey_id, cookie_id, partner_id, campaign_version_id, customer_id, customer_email, journey_started_at,
    last_event_at, journey_completed_at, is_converted, furthest_stage_id, total_events, total_commission,
    events_sequence, attribution_map)
SELECT number, cookie_id, partner_id, version_id, customer_id, customer_email, started_at, last_at, completed_at,
       completed_at IS NOT NULL, stage_id, events, commission, sequence::jsonb, map::jsonb
FROM unnest($1::bigint[], $2::uuid[], $3::int[], $4::int[], $5::text[], $6::text[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[], $10::int[], $11::int[], $12::numeric[], $13::text[], $14::text[])
    AS journeys (number, cookie_id, partner_id, version_id, customer_id, customer_email, started_at, last_at,
                 completed_at, stage_id, events, commission, sequence, map)
ON CONFLICT (funnel_journey_id) DO UPDATE SET
    partner_id = EXCLUDED.partner_id, campaign_version_id = EXCLUDED.campaign_version_id,
    customer_id = EXCLUDED.customer_id, customer_email = EXCLUDED.customer_email,
    journey_started_at = EXCLUDED.journey_started_at, last_event_at = EXCLUDED.last_event_at,
    journey_completed_at = EXCLUDED.journey_completed_at, is_converted = EXCLUDED.is_converted,
    furthest_stage_id = EXCLUDED.furthest_stage_id, total_events = EXCLUDED.total_events,
    total_commission = EXCLUDED.total_commission, events_sequence = EXCLUDED.events_sequence,
    attribution_map = EXCLUDED.attribution_map, is_deleted = false, deleted_at = NULL;

-- name: join_journeys
UPDATE conversion_events SET funnel_journey_id = w.funnel_journey_id
FROM unnest($1::bigint[], $2::bigint[]) AS w (conversion_event_id, funnel_journey_id)
WHERE conversion_events.conversion_event_id = w.conversion_event_id
  AND conversion_events.funnel_journey_id IS DISTINCT FROM w.funnel_journey_id;
