"""The running bot: poller -> lanes -> commit. The only place with a loop."""
