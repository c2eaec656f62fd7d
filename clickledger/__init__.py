"""The ignition: command line, supervisor, embedded engines. Thin; all work is done in the rooms."""
