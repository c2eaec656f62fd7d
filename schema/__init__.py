"""The dictionary: event shapes and codec, ids, key names, settings, metric names, migrations. Speaks to nothing."""
