-- API keys. Only their SHA-256 is stored; a key of 190 random bits needs no salt and no slow hash.

-- name: add_key
INSERT INTO api_keys (key_hash, key_prefix, role, vendor_id, partner_id, label, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING api_key_id;

-- name: key_by_hash
SELECT api_key_id, key_hash, role, vendor_id, partner_id,
       last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS is_use_unnoted
FROM api_keys
WHERE key_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now());

-- name: note_key_use
UPDATE api_keys SET last_used_at = now()
WHERE api_key_id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: revoke_key
UPDATE api_keys SET revoked_at = now()
WHERE api_key_id = $1 AND revoked_at IS NULL
RETURNING api_key_id;

-- name: find_keys
SELECT api_key_id
FROM api_keys
WHERE api_key_id::text = $1 OR key_hash = $2 OR (key_prefix = $1 AND length($1) >= 8);

-- name: list_keys
SELECT api_key_id, key_prefix, role, vendor_id, partner_id, label, created_at, expires_at, revoked_at, last_used_at
FROM api_keys
WHERE api_key_id > $1
ORDER BY api_key_id
LIMIT $2;

-- name: vendor_exists
SELECT EXISTS (SELECT FROM vendors WHERE vendor_id = $1 AND NOT is_deleted);

-- name: partner_exists
SELECT EXISTS (SELECT FROM partners WHERE partner_id = $1 AND NOT is_deleted);
