"""Why a bot cannot run, and what its installation supports: the work behind `manage.py botdoctor`."""
