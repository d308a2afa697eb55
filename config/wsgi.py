"""The web process's entry."""

import os

from django.core.wsgi import get_wsgi_application

from config.logs import to_standard_output

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
to_standard_output()
