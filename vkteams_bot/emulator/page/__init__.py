"""The playground page: be any person of the emulated world in a browser."""
