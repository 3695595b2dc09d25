"""Pages that follow what happens: websocket consumers that read the database when they are told to look."""
