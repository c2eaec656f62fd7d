"""A package, so that one system and one browser serve all its files and end with the last of them."""
