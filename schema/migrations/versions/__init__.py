"""One tiny module a revision, beside the SQL files it executes."""
