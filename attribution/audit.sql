-- name: add_audit
INSERT INTO audit_logs (entity_type, entity_id, action, actor_type, actor_id, changes)
SELECT $1, entity_id, $3, $4, $5, $6::jsonb
FROM unnest($2::bigint[]) AS entity (entity_id);
