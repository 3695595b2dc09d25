"""A small Django project, copied into a temporary directory: nothing here is imported from `tests`."""
