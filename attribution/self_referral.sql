-- What might show that a buyer is the partner. Nothing here finds a row for a partner that never bought from the vendor.

-- name: partner_contacts
-- E-mail, and accounts to be paid into, with the key under which the vendor's customers are hashed.
SELECT wanted.vendor_id, wanted.partner_id, v.customer_key, own.contact
FROM unnest($1::int[], $2::int[]) AS wanted (vendor_id, partner_id)
JOIN vendors v ON v.vendor_id = wanted.vendor_id
CROSS JOIN LATERAL (
    SELECT email AS contact FROM partners WHERE partner_id = wanted.partner_id
    UNION
    SELECT provider_account_id FROM partner_payment_methods
    WHERE partner_id = wanted.partner_id AND provider_account_id IS NOT NULL AND NOT is_deleted
) AS own;

-- name: own_devices
-- The cookies these customers were seen with, but for those of shared devices.
SELECT wanted.place, l.cookie_id, l.linked_at
FROM unnest($1::int[], $2::int[], $3::text[]) AS wanted (place, vendor_id, customer_hash)
JOIN customer_links l ON l.vendor_id = wanted.vendor_id AND l.customer_hash = wanted.customer_hash
WHERE (SELECT count(*) FROM (
           SELECT FROM customer_links s WHERE s.cookie_id = l.cookie_id AND s.vendor_id = l.vendor_id
           LIMIT $4 + 1) AS seen) <= $4;

-- name: visitors_of_cookies
-- Address and browser, hashed, of the clicks of cookies in the day before.
SELECT DISTINCT wanted.place, k.visitor_hash
FROM unnest($1::int[], $2::uuid[], $3::timestamptz[]) AS wanted (place, cookie_id, at)
CROSS JOIN LATERAL (
    SELECT visitor_hash FROM clicks
    WHERE cookie_id = wanted.cookie_id AND visitor_hash IS NOT NULL
      AND clicked_at >= wanted.at - interval '24 hours' AND clicked_at <= wanted.at
      AND clicked_at >= $4::timestamptz AND clicked_at <= $5::timestamptz
    ORDER BY click_id + 0 DESC LIMIT $6
) AS k;
