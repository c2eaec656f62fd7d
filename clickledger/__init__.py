"""The ignition: command line, supervisor, embedded engines. Thin; all work is done in the rooms."""

__version__ = "0.1.0"
