"""The package's migrations are copied here, beside the one that its next version adds."""
